-- The application's schema, as the migrations make it.

CREATE SCHEMA public;

COMMENT ON SCHEMA public IS 'standard public schema';

CREATE FUNCTION public.driftpack_append(p_chain uuid, p_id uuid, p_action text, p_actor_type text, p_actor_id text, p_detail text, p_origin text, p_outcome text, before_time text, before_link text, OUT seq bigint, OUT created_at timestamp with time zone, OUT prev_hash bytea, OUT hash bytea) RETURNS record
    LANGUAGE plpgsql
    AS $$
declare
  canonical text;
begin
  select head.seq, head.hash, head.created_at into seq, prev_hash, created_at
    from audit_chain_heads head
   where head.chain = p_chain
     for update;
  if not found then
    return;
  end if;
  seq := seq + 1;
  -- Apart from the statement that waits, so that the time is taken when the lock is held.
  created_at := greatest(clock_timestamp(), created_at);
  canonical := before_time || to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
            || before_link || coalesce('"' || encode(prev_hash, 'hex') || '"', 'null')
            || ',"seq":' || seq || '}';
  hash := sha256(convert_to(E'v1\n' || canonical, 'UTF8'));
  insert into admin_audit_log (
    chain, seq, id, action, actor_type, actor_id, created_at, detail, origin, outcome, prev_hash, hash, canonical)
  values (
    p_chain, seq, p_id, p_action, p_actor_type, p_actor_id, created_at, p_detail, p_origin, p_outcome, prev_hash, hash, canonical);
  update audit_chain_heads head
     set seq = driftpack_append.seq,
         hash = driftpack_append.hash,
         created_at = driftpack_append.created_at
   where head.chain = p_chain;
end
$$;

COMMENT ON FUNCTION public.driftpack_append(p_chain uuid, p_id uuid, p_action text, p_actor_type text, p_actor_id text, p_detail text, p_origin text, p_outcome text, before_time text, before_link text, OUT seq bigint, OUT created_at timestamp with time zone, OUT prev_hash bytea, OUT hash bytea) IS 'Adds an entry to an audit chain; the program hashes it again and compares';

CREATE FUNCTION public.driftpack_digest(value text) RETURNS bytea
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN sha256(convert_to(value, 'UTF8'::name));

COMMENT ON FUNCTION public.driftpack_digest(value text) IS 'SHA-256 of the text; immutable because every database of the product is UTF-8';

CREATE FUNCTION public.driftpack_erase_invitations(address text, person uuid, at timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
  erased bigint;
begin
  update invitations
     set email = 'erased-' || id || '@invalid',
         status = case status when 'pending' then 'revoked' else status end,
         ended_at = coalesce(ended_at, at)
   where org_id = driftpack_org()
     and (email = address or accepted_by = person)
     and email <> 'erased-' || id || '@invalid';
  get diagnostics erased = row_count;
  return erased;
end
$$;

COMMENT ON FUNCTION public.driftpack_erase_invitations(address text, person uuid, at timestamp with time zone) IS 'Takes an address, and that of who accepted it, out of the invitations of the transaction''s organisation; ends those that wait';

CREATE FUNCTION public.driftpack_erase_person(person uuid, at timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
  delete from sessions where user_id = person;
  update users
     set iss = 'erased', sub = person::text, email = null, name = null, is_platform_admin = false,
         erased_at = at
   where id = person and erased_at is null;
  return found;
end
$$;

COMMENT ON FUNCTION public.driftpack_erase_person(person uuid, at timestamp with time zone) IS 'Takes names, addresses, identity and sessions of a person away; whether there was something to take';

CREATE FUNCTION public.driftpack_export_may_become(old_status text, new_status text) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN ((old_status = new_status) OR (((((((((((old_status = 'pending'::text) AND (new_status = 'running'::text)) OR ((old_status = 'pending'::text) AND (new_status = 'failed'::text))) OR ((old_status = 'pending'::text) AND (new_status = 'deleted'::text))) OR ((old_status = 'running'::text) AND (new_status = 'done'::text))) OR ((old_status = 'running'::text) AND (new_status = 'failed'::text))) OR ((old_status = 'running'::text) AND (new_status = 'deleted'::text))) OR ((old_status = 'failed'::text) AND (new_status = 'running'::text))) OR ((old_status = 'failed'::text) AND (new_status = 'deleted'::text))) OR ((old_status = 'done'::text) AND (new_status = 'expired'::text))) OR ((old_status = 'done'::text) AND (new_status = 'deleted'::text))));

COMMENT ON FUNCTION public.driftpack_export_may_become(old_status text, new_status text) IS 'The legal steps of an export; the same table as db::exports::Status::may_become';

CREATE FUNCTION public.driftpack_export_steps() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  if not driftpack_export_may_become(old.status, new.status) then
    raise exception 'an export that is % cannot become %', old.status, new.status
      using errcode = 'check_violation', constraint = 'audit_exports_step_legal';
  end if;
  return new;
end
$$;

COMMENT ON FUNCTION public.driftpack_export_steps() IS 'Trigger: exports take legal steps only';

CREATE FUNCTION public.driftpack_finding_keeps_its_origin() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  raise exception 'what a finding was at detection is never changed'
    using errcode = 'insufficient_privilege';
end
$$;

COMMENT ON FUNCTION public.driftpack_finding_keeps_its_origin() IS 'Trigger: refuses a change of what a finding was at detection';

CREATE FUNCTION public.driftpack_head_moves_forward() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  if old.sealed_at is not null then
    raise exception 'chain % is sealed', old.chain using errcode = 'check_violation';
  end if;
  if new.sealed_at is not null then
    if (to_jsonb(new) - 'sealed_at') is distinct from (to_jsonb(old) - 'sealed_at')
       or not driftpack_is_deleted(old.chain) then
      raise exception 'chain % is sealed when its organisation is deleted, as it stands', old.chain
        using errcode = 'check_violation';
    end if;
    return new;
  end if;
  if new.chain is distinct from old.chain
     or new.seq is distinct from old.seq + 1
     or new.created_at < old.created_at then
    raise exception 'the head of chain % cannot go from % to %', old.chain, old.seq, new.seq
      using errcode = 'check_violation';
  end if;
  return new;
end
$$;

COMMENT ON FUNCTION public.driftpack_head_moves_forward() IS 'Trigger: a chain grows by one entry at a time';

CREATE FUNCTION public.driftpack_history_ends(at timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    AS $$
  select case when count(*) = 0 or bool_or(driftpack_plan_keeps(plan) is null) then null
              else least(
                -- A day more than the plan says: a pack may be asked for right at the edge of its window.
                at - max(driftpack_plan_keeps(plan)) - interval '1 day',
                driftpack_needed_from(at))
         end
    from (select plan, lead(valid_from) over (order by version) as until
            from org_plan_versions
           where org_id = driftpack_org()) held
   -- A plan that keeps less counts after a month: a change by mistake must not cost a year of history.
   where until is null or until > at - interval '30 days'
$$;

COMMENT ON FUNCTION public.driftpack_history_ends(at timestamp with time zone) IS 'Before when the history of the transaction''s organisation may go, by plan and by packs that need it; null: all is kept';

CREATE FUNCTION public.driftpack_invitation_ends_once() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
declare
  ending constant text[] := array['status', 'ended_at', 'accepted_by'];
begin
  if old.status <> 'pending'
     and (new.status, new.ended_at, new.accepted_by)
         is distinct from (old.status, old.ended_at, old.accepted_by)
     or (to_jsonb(new) - ending - 'email') is distinct from (to_jsonb(old) - ending - 'email')
     or new.email not in (old.email, 'erased-' || old.id || '@invalid') then
    raise exception 'invitation % is %: it only ends, and once', old.id, old.status
      using errcode = 'check_violation';
  end if;
  return new;
end
$$;

COMMENT ON FUNCTION public.driftpack_invitation_ends_once() IS 'Trigger: of an invitation only its end is written, once';

CREATE TABLE public.orgs (
    id uuid NOT NULL,
    slug text NOT NULL,
    name text NOT NULL,
    plan text NOT NULL,
    finding_seq bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT orgs_finding_seq_positive CHECK ((finding_seq >= 0)),
    CONSTRAINT orgs_id_not_nil CHECK ((id <> '00000000-0000-0000-0000-000000000000'::uuid)),
    CONSTRAINT orgs_name_length CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200))),
    CONSTRAINT orgs_plan_known CHECK ((plan = ANY (ARRAY['free'::text, 'team'::text, 'enterprise'::text]))),
    CONSTRAINT orgs_slug_valid CHECK ((slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text))
);

ALTER TABLE ONLY public.orgs FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.orgs IS 'The tenant directory';

COMMENT ON COLUMN public.orgs.id IS 'Never nil: the nil UUID names the platform chain';

COMMENT ON COLUMN public.orgs.slug IS 'Short name in file names and on the command line';

COMMENT ON COLUMN public.orgs.plan IS 'Plan in force; earlier ones in org_plan_versions';

COMMENT ON COLUMN public.orgs.finding_seq IS 'Highest number given to a finding; numbers have no gaps';

COMMENT ON COLUMN public.orgs.deleted_at IS 'Since when it is deleted; its slug stays taken, its audit chain stays';

CREATE FUNCTION public.driftpack_is_deleted(org uuid) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN (EXISTS (SELECT FROM public.orgs WHERE ((orgs.id = driftpack_is_deleted.org) AND (orgs.deleted_at IS NOT NULL))));

COMMENT ON FUNCTION public.driftpack_is_deleted(org uuid) IS 'Whether the organisation is deleted, so that its rows may go';

CREATE FUNCTION public.driftpack_is_invited(address text, at timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
begin
  perform set_config('driftpack.invited_email', address, true);
  return exists (
    select from invitations where email = address and status = 'pending' and expires_at > at
  );
end
$$;

COMMENT ON FUNCTION public.driftpack_is_invited(address text, at timestamp with time zone) IS 'Whether an address has invitations; for the rest of the transaction they can be seen';

CREATE FUNCTION public.driftpack_keep_checks() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  if tg_op = 'DELETE' and old.status = 'ok' and old.checked_at < now() - interval '90 days' then
    return old;
  end if;
  raise exception '% is append-only for 90 days, and for ever where a fault was found: % refused',
    tg_table_name, lower(tg_op)
    using errcode = 'insufficient_privilege';
end
$$;

COMMENT ON FUNCTION public.driftpack_keep_checks() IS 'Trigger: only checks that found nothing wrong ever go, after 90 days';

CREATE FUNCTION public.driftpack_keep_while_it_lives() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  if driftpack_is_deleted(old.org_id) then
    return old;
  end if;
  raise exception '% is append-only while its organisation lives: % refused', tg_table_name, lower(tg_op)
    using errcode = 'insufficient_privilege';
end
$$;

COMMENT ON FUNCTION public.driftpack_keep_while_it_lives() IS 'Trigger: rows go with their organisation only';

CREATE TABLE public.history_retention (
    org_id uuid NOT NULL,
    kept_from timestamp with time zone NOT NULL,
    moved_at timestamp with time zone NOT NULL,
    scans bigint DEFAULT 0 NOT NULL,
    findings bigint DEFAULT 0 NOT NULL,
    events bigint DEFAULT 0 NOT NULL,
    scans_told bigint DEFAULT 0 NOT NULL,
    findings_told bigint DEFAULT 0 NOT NULL,
    events_told bigint DEFAULT 0 NOT NULL,
    CONSTRAINT history_retention_counts CHECK (((LEAST(scans_told, findings_told, events_told) >= 0) AND (scans_told <= scans) AND (findings_told <= findings) AND (events_told <= events))),
    CONSTRAINT history_retention_finite CHECK ((isfinite(kept_from) AND isfinite(moved_at)))
);

ALTER TABLE ONLY public.history_retention FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.history_retention IS 'From when on the history of an organisation is whole, and what was removed from before';

COMMENT ON COLUMN public.history_retention.kept_from IS 'Scans observed before it, and findings resolved before it, are removed or about to be. It only moves forward';

COMMENT ON COLUMN public.history_retention.moved_at IS 'When it moved last';

COMMENT ON COLUMN public.history_retention.scans IS 'Scans that were removed';

COMMENT ON COLUMN public.history_retention.findings IS 'Findings that were removed';

COMMENT ON COLUMN public.history_retention.events IS 'Events of these findings';

COMMENT ON COLUMN public.history_retention.scans_told IS 'Of the removed scans those that the audit log tells of';

COMMENT ON COLUMN public.history_retention.findings_told IS 'Of the removed findings those that the audit log tells of';

COMMENT ON COLUMN public.history_retention.events_told IS 'Of the removed events those that the audit log tells of';

CREATE FUNCTION public.driftpack_kept_from(org uuid) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    RETURN (SELECT history_retention.kept_from FROM public.history_retention WHERE (history_retention.org_id = driftpack_kept_from.org));

COMMENT ON FUNCTION public.driftpack_kept_from(org uuid) IS 'Before when history of an organisation may go; null: none may';

CREATE FUNCTION public.driftpack_lock_sources(sources uuid[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
  -- As a scan does that is taken in: neither overlooks what the other does to a finding.
  perform from state_sources
    where org_id = driftpack_org() and id = any (sources)
    order by id
      for no key update;
end
$$;

COMMENT ON FUNCTION public.driftpack_lock_sources(sources uuid[]) IS 'Keeps scans and decisions away from the findings of these sources';

CREATE FUNCTION public.driftpack_needed_from(at timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    AS $$
  -- A pack that has failed may be sent back to the step that failed for a week.
  select min(period_start)
    from audit_exports
   where org_id = driftpack_org()
     and (status in ('pending', 'running')
          or status = 'failed' and finished_at > at - interval '7 days')
$$;

COMMENT ON FUNCTION public.driftpack_needed_from(at timestamp with time zone) IS 'From when on packs need history that are being made, wait to be made, or may be made after all; null: none does';

CREATE FUNCTION public.driftpack_note_removed(numbers int8multirange) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
  org constant uuid := driftpack_org();
  known int8multirange;
begin
  -- Runs that begin right after one of these, or end right before one, grow together with them.
  with gone as (
    delete from removed_finding_numbers
     where org_id = org
       and first_number <= upper(numbers)
       and last_number >= lower(numbers) - 1
    returning first_number, last_number
  )
  select range_agg(int8range(first_number, last_number, '[]')) into known from gone;
  insert into removed_finding_numbers (org_id, first_number, last_number)
  select org, lower(run), upper(run) - 1
    from unnest(numbers + coalesce(known, '{}')) as run;
end
$$;

COMMENT ON FUNCTION public.driftpack_note_removed(numbers int8multirange) IS 'Keeps in mind which numbers retention has taken away';

CREATE FUNCTION public.driftpack_only_end_is_set() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
declare
  ending constant text := tg_argv[0];
  before constant jsonb := to_jsonb(old);
  after constant jsonb := to_jsonb(new);
begin
  if before -> ending <> 'null' or after -> ending = 'null'
     or (after - ending) is distinct from (before - ending) then
    raise exception '% is append-only: only % may be set, once', tg_table_name, ending
      using errcode = 'insufficient_privilege';
  end if;
  return new;
end
$$;

COMMENT ON FUNCTION public.driftpack_only_end_is_set() IS 'Trigger: of an interval only the end is ever written, once; its argument names the column';

CREATE FUNCTION public.driftpack_only_past_retention() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
declare
  kept boolean;
begin
  if not exists (select from (select distinct org_id from gone) org
                  where not driftpack_is_deleted(org.org_id)) then
    return null;
  end if;
  if tg_table_name = 'scans' then
    select exists (select from gone g
                    where (g.observed_at < driftpack_kept_from(g.org_id)) is not true) into kept;
  elsif tg_table_name = 'findings' then
    select exists (select from gone g
                    where (g.status = 'resolved' and g.state_since < driftpack_kept_from(g.org_id)) is not true)
      into kept;
  elsif tg_table_name = 'finding_events' then
    select exists (select from gone g
                    where not exists (select from findings f
                                       where f.org_id = g.org_id and f.number = g.number
                                         and f.status = 'resolved'
                                         and f.state_since < driftpack_kept_from(g.org_id))) into kept;
  else
    select exists (select from gone g
                    where not exists (select from scans s
                                       where s.org_id = g.org_id and s.id = g.scan_id
                                         and s.observed_at < driftpack_kept_from(g.org_id))) into kept;
  end if;
  if kept then
    raise exception '% is append-only: what retention keeps cannot be deleted', tg_table_name
      using errcode = 'insufficient_privilege';
  end if;
  return null;
end
$$;

COMMENT ON FUNCTION public.driftpack_only_past_retention() IS 'Trigger: of history only what is older than retention keeps ever goes';

CREATE FUNCTION public.driftpack_org() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (NULLIF(current_setting('driftpack.org_id'::text, true), ''::text))::uuid;

COMMENT ON FUNCTION public.driftpack_org() IS 'The organisation whose rows the transaction may see: the setting driftpack.org_id';

CREATE FUNCTION public.driftpack_orgs_stay_deleted() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  raise exception 'organisation % is deleted, and stays so', old.id
    using errcode = 'check_violation';
end
$$;

COMMENT ON FUNCTION public.driftpack_orgs_stay_deleted() IS 'Trigger: a deletion is not taken back';

CREATE FUNCTION public.driftpack_plan_keeps(plan text) RETURNS interval
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE plan WHEN 'free'::text THEN '24:00:00'::interval WHEN 'team'::text THEN '30 days'::interval ELSE NULL::interval END;

COMMENT ON FUNCTION public.driftpack_plan_keeps(plan text) IS 'How long a plan keeps history; null: without limit. The same as evidence::org::Plan::history';

CREATE FUNCTION public.driftpack_position_moves_forward() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  if new.chain is distinct from old.chain
     or new.verified_seq < old.verified_seq
     or (new.verified_seq = old.verified_seq and new.verified_hash is distinct from old.verified_hash) then
    raise exception 'the verified position of chain % cannot go from % to %',
      old.chain, old.verified_seq, new.verified_seq
      using errcode = 'check_violation';
  end if;
  return new;
end
$$;

COMMENT ON FUNCTION public.driftpack_position_moves_forward() IS 'Trigger: what was verified once stays known';

CREATE FUNCTION public.driftpack_refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  raise exception '% is append-only: % refused', tg_table_name, lower(tg_op)
    using errcode = 'insufficient_privilege';
end
$$;

COMMENT ON FUNCTION public.driftpack_refuse_change() IS 'Trigger of append-only tables';

CREATE FUNCTION public.driftpack_remove_findings(after_number bigint, size integer, OUT last_number bigint, OUT removed bigint, OUT removed_events bigint) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
  org constant uuid := driftpack_org();
  cut timestamptz;
  batch uuid[];
  sources uuid[];
  numbers int8multirange;
begin
  removed := 0;
  removed_events := 0;
  select kept_from into cut from history_retention where org_id = org for update;
  if cut is null or driftpack_needed_from(now()) < cut then
    return;
  end if;
  select max(number), array_agg(id), array_agg(distinct state_source_id)
    into last_number, batch, sources
    from (select id, number, state_source_id
            from findings
           where org_id = org and status = 'resolved' and number > after_number and state_since < cut
           order by number
           limit greatest(size, 1)) next_ones;
  if batch is null then
    return;
  end if;
  perform driftpack_lock_sources(sources);
  -- One of them may be open again by now.
  select array_agg(id), range_agg(int8range(number, number, '[]')) into batch, numbers
    from findings
   where org_id = org and id = any (batch) and status = 'resolved' and state_since < cut;
  if batch is null then
    return;
  end if;
  delete from finding_events
   where org_id = org
     and number = any (array(select number from findings where org_id = org and id = any (batch)));
  get diagnostics removed_events = row_count;
  delete from findings where org_id = org and id = any (batch);
  get diagnostics removed = row_count;
  perform driftpack_note_removed(numbers);
  update history_retention
     set findings = findings + removed, events = events + removed_events
   where org_id = org;
end
$$;

COMMENT ON FUNCTION public.driftpack_remove_findings(after_number bigint, size integer, OUT last_number bigint, OUT removed bigint, OUT removed_events bigint) IS 'Removes findings of the transaction''s organisation, with their events, that were resolved before what is kept';

CREATE FUNCTION public.driftpack_remove_org_rows(size integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $_$
declare
  org constant uuid := driftpack_org();
  relation text;
  removed bigint;
begin
  if driftpack_is_deleted(org) is not true then
    raise exception 'organisation % is not deleted: its rows stay', org
      using errcode = 'insufficient_privilege';
  end if;
  -- What refers to others first.
  foreach relation in array array[
    'idempotency_keys', 'invitations', 'memberships', 'api_keys', 'audit_exports',
    'scan_noise', 'scan_sightings', 'scans', 'ignored_drifts', 'finding_events', 'findings',
    'custom_rule_versions', 'custom_rules', 'state_source_versions', 'state_sources',
    'removed_finding_numbers', 'history_retention', 'org_plan_versions'] loop
    execute format(
      'delete from %1$I where ctid = any (array(select ctid from %1$I where org_id = $1 limit $2)) and org_id = $1',
      relation) using org, greatest(size, 1);
    get diagnostics removed = row_count;
    if removed > 0 then
      return removed;
    end if;
  end loop;
  return 0;
end
$_$;

COMMENT ON FUNCTION public.driftpack_remove_org_rows(size integer) IS 'Removes some rows of the transaction''s organisation, which is deleted; how many, 0: none is left but those of its audit chain';

CREATE FUNCTION public.driftpack_remove_scans(after_at timestamp with time zone, after_id uuid, size integer, OUT last_at timestamp with time zone, OUT last_id uuid, OUT looked_at bigint, OUT removed bigint) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
  org constant uuid := driftpack_org();
  cut timestamptz;
  batch uuid[];
  sources uuid[];
begin
  looked_at := 0;
  removed := 0;
  -- One at a time.
  select kept_from into cut from history_retention where org_id = org for update;
  if cut is null or driftpack_needed_from(now()) < cut then
    return;
  end if;
  select count(*), max(observed_at), (array_agg(id order by observed_at desc, id desc))[1],
         array_agg(id) filter (where may_go), array_agg(distinct state_source_id) filter (where may_go)
    into looked_at, last_at, last_id, batch, sources
    from (select s.id, s.state_source_id, s.observed_at,
                 -- Where the next scan of a source stands, and when its findings were last seen, is told by the latest
                 -- scan before: that one stays, of any outcome but failure, and so does the latest complete one.
                 (s.status = 'failed'
                  or exists (select from scans n
                              where n.org_id = org and n.state_source_id = s.state_source_id
                                and n.tool_family = s.tool_family and n.status <> 'failed'
                                and n.observed_at > s.observed_at and n.observed_at < cut))
                 and (s.status <> 'done' or s.late
                      or exists (select from scans n
                                  where n.org_id = org and n.state_source_id = s.state_source_id
                                    and n.tool_family = s.tool_family and n.status = 'done' and not n.late
                                    and n.observed_at > s.observed_at and n.observed_at < cut)) as may_go
            from scans s
           where s.org_id = org
             and s.observed_at < cut
             and (after_at is null or (s.observed_at, s.id) > (after_at, after_id))
           order by s.observed_at, s.id
           limit greatest(size, 1)) next_ones;
  if batch is null then
    return;
  end if;
  perform driftpack_lock_sources(sources);
  update findings f
     set sighted_until = greatest(f.sighted_until, seen.observed_at)
    from (select seen.number, max(s.observed_at) as observed_at
            from scan_sightings l
            join scans s on s.org_id = org and s.id = l.scan_id
           cross join unnest(l.findings) as seen (number)
           where l.org_id = org and l.scan_id = any (batch)
           group by seen.number) seen
   where f.org_id = org and f.number = seen.number;
  delete from scan_noise where org_id = org and scan_id = any (batch);
  delete from scan_sightings where org_id = org and scan_id = any (batch);
  delete from scans where org_id = org and id = any (batch);
  get diagnostics removed = row_count;
  update history_retention set scans = scans + removed where org_id = org;
end
$$;

COMMENT ON FUNCTION public.driftpack_remove_scans(after_at timestamp with time zone, after_id uuid, size integer, OUT last_at timestamp with time zone, OUT last_id uuid, OUT looked_at bigint, OUT removed bigint) IS 'Removes scans of the transaction''s organisation that are older than what is kept: of the next ones in order those that nothing needs';

CREATE FUNCTION public.driftpack_retain_history(at timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
declare
  org constant uuid := driftpack_org();
  -- Nobody's clock alone is believed: the earlier one counts.
  moment constant timestamptz := least(at, now());
  cut timestamptz;
  result timestamptz;
begin
  if driftpack_history_ends(moment) is null then
    return null;
  end if;
  -- Whoever asks for a pack refers to this row: from here on either sees the other.
  perform from orgs where id = org for update;
  cut := driftpack_history_ends(moment);
  if cut is null then
    return null;
  end if;
  if not exists (select from scans where org_id = org and observed_at < cut)
     and not exists (select from findings
                      where org_id = org and status = 'resolved' and state_since < cut) then
    return null;
  end if;
  insert into history_retention as had (org_id, kept_from, moved_at)
  values (org, cut, moment)
  on conflict (org_id) do update
     -- A week at a time: a clock that has jumped by years must not take years along.
     set kept_from = greatest(had.kept_from, least(excluded.kept_from, had.kept_from + interval '7 days')),
         moved_at = excluded.moved_at
   returning kept_from into result;
  -- It may have moved further under another plan, or before a pack was asked for: not what is needed now.
  return case when result <= cut then result end;
end
$$;

COMMENT ON FUNCTION public.driftpack_retain_history(at timestamp with time zone) IS 'Moves on what is kept of the transaction''s organisation; answers before when rows go now, null: nothing does';

CREATE FUNCTION public.driftpack_retention_moves_forward() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  if new.org_id is distinct from old.org_id
     or new.kept_from < old.kept_from
     or new.scans < old.scans or new.findings < old.findings or new.events < old.events
     or new.scans_told < old.scans_told or new.findings_told < old.findings_told
     or new.events_told < old.events_told then
    raise exception 'what was removed from the history of % cannot be untold', old.org_id
      using errcode = 'check_violation';
  end if;
  return new;
end
$$;

COMMENT ON FUNCTION public.driftpack_retention_moves_forward() IS 'Trigger: what is kept begins later and later, and what was removed stays counted';

CREATE FUNCTION public.driftpack_sealed_chain_takes_nothing() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  if exists (select from audit_chain_heads where chain = new.chain and sealed_at is not null) then
    raise exception 'chain % is sealed', new.chain using errcode = 'check_violation';
  end if;
  return new;
end
$$;

COMMENT ON FUNCTION public.driftpack_sealed_chain_takes_nothing() IS 'Trigger: no entry comes after the seal';

CREATE FUNCTION public.driftpack_tell_removed(OUT kept_from timestamp with time zone, OUT scans bigint, OUT findings bigint, OUT events bigint) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
  update history_retention r
     set scans_told = r.scans, findings_told = r.findings, events_told = r.events
    from (select h.org_id, h.scans_told, h.findings_told, h.events_told
            from history_retention h
           where h.org_id = driftpack_org()
             for update) told
   where r.org_id = told.org_id
  returning r.kept_from, r.scans - told.scans_told, r.findings - told.findings_told,
            r.events - told.events_told
    into kept_from, scans, findings, events;
end
$$;

COMMENT ON FUNCTION public.driftpack_tell_removed(OUT kept_from timestamp with time zone, OUT scans bigint, OUT findings bigint, OUT events bigint) IS 'What was removed since the audit log was told last; the caller tells it in the same transaction';

CREATE TABLE public.admin_audit_log (
    chain uuid NOT NULL,
    seq bigint NOT NULL,
    id uuid NOT NULL,
    action text NOT NULL,
    actor_type text NOT NULL,
    actor_id text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    detail text NOT NULL,
    origin text NOT NULL,
    outcome text NOT NULL,
    prev_hash bytea,
    hash bytea NOT NULL,
    canonical text NOT NULL,
    CONSTRAINT admin_audit_log_actor_known CHECK ((actor_type = ANY (ARRAY['user'::text, 'api_key'::text, 'system'::text, 'operator'::text]))),
    CONSTRAINT admin_audit_log_genesis CHECK (((seq = 1) = (prev_hash IS NULL))),
    CONSTRAINT admin_audit_log_hash_length CHECK ((octet_length(hash) = 32)),
    CONSTRAINT admin_audit_log_outcome_known CHECK ((outcome = ANY (ARRAY['success'::text, 'failure'::text]))),
    CONSTRAINT admin_audit_log_prev_hash_length CHECK ((octet_length(prev_hash) = 32)),
    CONSTRAINT admin_audit_log_seq_positive CHECK ((seq >= 1))
);

ALTER TABLE ONLY public.admin_audit_log FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.admin_audit_log IS 'The audit log: hash chains that are only ever added to';

COMMENT ON COLUMN public.admin_audit_log.chain IS 'The organisation, or the nil UUID for the platform';

COMMENT ON COLUMN public.admin_audit_log.seq IS 'Position in the chain: 1, 2, 3 … without gaps';

COMMENT ON COLUMN public.admin_audit_log.actor_id IS 'Opaque id; names and addresses live in users';

COMMENT ON COLUMN public.admin_audit_log.created_at IS 'Taken under the lock on the head, so never before the entry before';

COMMENT ON COLUMN public.admin_audit_log.detail IS 'RFC 8785 JSON, the text that is part of canonical';

COMMENT ON COLUMN public.admin_audit_log.origin IS 'Request id or workflow run id';

COMMENT ON COLUMN public.admin_audit_log.prev_hash IS 'Hash of the entry before; null only at seq 1';

COMMENT ON COLUMN public.admin_audit_log.hash IS 'SHA-256 of "v1\n" and canonical';

COMMENT ON COLUMN public.admin_audit_log.canonical IS 'RFC 8785 JSON of the entry: the exact text that was hashed';

CREATE TABLE public.api_keys (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    key_hmac bytea NOT NULL,
    scopes text[] NOT NULL,
    created_by uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    last_used_at timestamp with time zone,
    expires_at timestamp with time zone,
    CONSTRAINT api_keys_expires_later CHECK ((expires_at > created_at)),
    CONSTRAINT api_keys_hmac_length CHECK ((octet_length(key_hmac) = 32)),
    CONSTRAINT api_keys_name_length CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200))),
    CONSTRAINT api_keys_scopes_known CHECK (((scopes <@ ARRAY['read'::text, 'write'::text]) AND ((cardinality(scopes) >= 1) AND (cardinality(scopes) <= 2))))
);

ALTER TABLE ONLY public.api_keys FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.api_keys IS 'Keys of machines. The key itself is stored nowhere';

COMMENT ON COLUMN public.api_keys.key_hmac IS 'HMAC-SHA-256 of the key under a configured pepper; stored again at its use while the pepper is exchanged';

COMMENT ON COLUMN public.api_keys.last_used_at IS 'To the minute: it is written at most once a minute';

COMMENT ON COLUMN public.api_keys.expires_at IS 'From then on the key opens nothing; null: it ends only by being revoked';

CREATE TABLE public.audit_chain_checks (
    chain uuid NOT NULL,
    checked_at timestamp with time zone NOT NULL,
    checked_by uuid NOT NULL,
    extent text NOT NULL,
    status text NOT NULL,
    checked bigint NOT NULL,
    verified_from_seq bigint,
    head_seq bigint,
    head_hash bytea,
    first_bad_seq bigint,
    first_bad_kind text,
    message text NOT NULL,
    CONSTRAINT audit_chain_checks_extent_known CHECK ((extent = ANY (ARRAY['partial'::text, 'full'::text]))),
    CONSTRAINT audit_chain_checks_hash_length CHECK ((octet_length(head_hash) = 32)),
    CONSTRAINT audit_chain_checks_kind_known CHECK ((first_bad_kind = ANY (ARRAY['content'::text, 'link'::text, 'gap'::text, 'columns'::text, 'head'::text]))),
    CONSTRAINT audit_chain_checks_status_known CHECK ((status = ANY (ARRAY['ok'::text, 'broken'::text, 'truncated'::text, 'empty'::text])))
);

ALTER TABLE ONLY public.audit_chain_checks FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.audit_chain_checks IS 'Every check of a chain: those that found it right for 90 days, all others for ever';

COMMENT ON COLUMN public.audit_chain_checks.extent IS 'partial: from the last verified entry on; full: from the first';

COMMENT ON COLUMN public.audit_chain_checks.checked IS 'Entries found right, up to the first bad one';

COMMENT ON COLUMN public.audit_chain_checks.verified_from_seq IS 'First entry that was read; null when there was none';

COMMENT ON COLUMN public.audit_chain_checks.head_seq IS 'Last entry that was found right';

COMMENT ON COLUMN public.audit_chain_checks.head_hash IS 'Its hash';

CREATE TABLE public.audit_chain_heads (
    chain uuid NOT NULL,
    seq bigint NOT NULL,
    hash bytea,
    created_at timestamp with time zone NOT NULL,
    sealed_at timestamp with time zone,
    CONSTRAINT audit_chain_heads_hash_length CHECK ((octet_length(hash) = 32)),
    CONSTRAINT audit_chain_heads_hash_present CHECK (((seq = 0) = (hash IS NULL))),
    CONSTRAINT audit_chain_heads_seq_positive CHECK ((seq >= 0))
);

ALTER TABLE ONLY public.audit_chain_heads FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.audit_chain_heads IS 'The newest entry of each chain; its row is locked while an entry is appended';

COMMENT ON COLUMN public.audit_chain_heads.seq IS '0 until the first entry is there';

COMMENT ON COLUMN public.audit_chain_heads.created_at IS 'Time of the newest entry; entries never go back in time';

COMMENT ON COLUMN public.audit_chain_heads.sealed_at IS 'Since when the chain takes no entry any more; null: it takes them';

CREATE TABLE public.audit_chain_rounds (
    run_id uuid NOT NULL,
    extent text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone NOT NULL,
    ok bigint NOT NULL,
    broken bigint NOT NULL,
    truncated bigint NOT NULL,
    empty bigint NOT NULL,
    unreadable bigint NOT NULL,
    CONSTRAINT audit_chain_rounds_counts CHECK ((LEAST(ok, broken, truncated, empty, unreadable) >= 0)),
    CONSTRAINT audit_chain_rounds_extent_known CHECK ((extent = ANY (ARRAY['partial'::text, 'full'::text])))
);

ALTER TABLE ONLY public.audit_chain_rounds FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.audit_chain_rounds IS 'Completed rounds of checks over all chains, with how many had which verdict';

COMMENT ON COLUMN public.audit_chain_rounds.run_id IS 'Run that made the round';

COMMENT ON COLUMN public.audit_chain_rounds.ended_at IS 'When every chain had its turn';

COMMENT ON COLUMN public.audit_chain_rounds.ok IS 'Chains found right';

COMMENT ON COLUMN public.audit_chain_rounds.broken IS 'Chains found broken';

COMMENT ON COLUMN public.audit_chain_rounds.truncated IS 'Chains found cut off';

COMMENT ON COLUMN public.audit_chain_rounds.empty IS 'Chains found without an entry';

COMMENT ON COLUMN public.audit_chain_rounds.unreadable IS 'Chains that could not be read';

CREATE TABLE public.audit_chain_states (
    chain uuid NOT NULL,
    status text,
    verified_seq bigint DEFAULT 0 NOT NULL,
    verified_hash bytea,
    checked_at timestamp with time zone,
    checked_by uuid,
    read_whole_at timestamp with time zone,
    alarm_since timestamp with time zone,
    first_bad_seq bigint,
    first_bad_kind text,
    message text,
    recorded_seq bigint,
    unreadable_since timestamp with time zone,
    alarm boolean GENERATED ALWAYS AS ((COALESCE((status <> 'ok'::text), false) AND (NOT ((chain = '00000000-0000-0000-0000-000000000000'::uuid) AND (status = 'empty'::text))))) STORED NOT NULL,
    CONSTRAINT audit_chain_states_alarm_since CHECK ((alarm = (alarm_since IS NOT NULL))),
    CONSTRAINT audit_chain_states_bad_together CHECK (((first_bad_seq IS NULL) = (first_bad_kind IS NULL))),
    CONSTRAINT audit_chain_states_checked_together CHECK ((num_nulls(status, checked_at, checked_by, message) = ANY (ARRAY[0, 4]))),
    CONSTRAINT audit_chain_states_hash_length CHECK ((octet_length(verified_hash) = 32)),
    CONSTRAINT audit_chain_states_kind_known CHECK ((first_bad_kind = ANY (ARRAY['content'::text, 'link'::text, 'gap'::text, 'columns'::text, 'head'::text]))),
    CONSTRAINT audit_chain_states_position CHECK (((verified_seq >= 0) AND ((verified_seq = 0) = (verified_hash IS NULL)))),
    CONSTRAINT audit_chain_states_status_known CHECK ((status = ANY (ARRAY['ok'::text, 'broken'::text, 'truncated'::text, 'empty'::text])))
);

ALTER TABLE ONLY public.audit_chain_states FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.audit_chain_states IS 'What the latest check of each audit chain found, and how far the chain was ever found right';

COMMENT ON COLUMN public.audit_chain_states.chain IS 'The organisation, or the nil UUID for the platform';

COMMENT ON COLUMN public.audit_chain_states.status IS 'Latest verdict; null while there is none';

COMMENT ON COLUMN public.audit_chain_states.verified_seq IS 'The furthest entry up to which all were found right; it stays when the chain is found broken';

COMMENT ON COLUMN public.audit_chain_states.verified_hash IS 'Hash of that entry; null when there is none';

COMMENT ON COLUMN public.audit_chain_states.checked_at IS 'Time of the latest verdict';

COMMENT ON COLUMN public.audit_chain_states.checked_by IS 'Run that came to it';

COMMENT ON COLUMN public.audit_chain_states.read_whole_at IS 'Latest verdict for which the chain was read from its first entry';

COMMENT ON COLUMN public.audit_chain_states.alarm_since IS 'Since when every verdict has been an alarm';

COMMENT ON COLUMN public.audit_chain_states.first_bad_seq IS 'Position of the first fault';

COMMENT ON COLUMN public.audit_chain_states.first_bad_kind IS 'What is wrong there';

COMMENT ON COLUMN public.audit_chain_states.message IS 'The verdict for a person';

COMMENT ON COLUMN public.audit_chain_states.recorded_seq IS 'Entry of the platform chain that records the alarm; null when none does';

COMMENT ON COLUMN public.audit_chain_states.unreadable_since IS 'Since when no check came to a verdict, because the chain could not be read';

COMMENT ON COLUMN public.audit_chain_states.alarm IS 'Whether the verdict is an alarm: any but ok, and before the first act on the platform its chain may be empty';

CREATE TABLE public.audit_exports (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    status text NOT NULL,
    period_start timestamp with time zone NOT NULL,
    period_end timestamp with time zone NOT NULL,
    requested_by uuid NOT NULL,
    requested_role text NOT NULL,
    requested_at timestamp with time zone NOT NULL,
    requested_seq bigint NOT NULL,
    request_id text NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    expires_at timestamp with time zone NOT NULL,
    file_name text,
    size_bytes bigint,
    sha256 bytea,
    manifest_sha256 bytea,
    pdf_included boolean,
    entries jsonb,
    error_code text,
    error_message text,
    workflow_run_id uuid NOT NULL,
    object_key text,
    attested_seq bigint,
    attested_hash bytea,
    CONSTRAINT audit_exports_attested_length CHECK ((octet_length(attested_hash) = 32)),
    CONSTRAINT audit_exports_attested_together CHECK (((attested_seq IS NULL) = (attested_hash IS NULL))),
    CONSTRAINT audit_exports_done_complete CHECK (((status <> ALL (ARRAY['done'::text, 'expired'::text])) OR (num_nulls(started_at, finished_at, file_name, size_bytes, sha256, manifest_sha256, pdf_included, entries, object_key, attested_seq) = 0))),
    CONSTRAINT audit_exports_manifest_length CHECK ((octet_length(manifest_sha256) = 32)),
    CONSTRAINT audit_exports_period_valid CHECK ((period_start < period_end)),
    CONSTRAINT audit_exports_sha256_length CHECK ((octet_length(sha256) = 32)),
    CONSTRAINT audit_exports_status_known CHECK ((status = ANY (ARRAY['pending'::text, 'running'::text, 'done'::text, 'failed'::text, 'expired'::text, 'deleted'::text])))
);

ALTER TABLE ONLY public.audit_exports FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.audit_exports IS 'Requested Compliance Packs';

COMMENT ON COLUMN public.audit_exports.period_end IS 'Exclusive';

COMMENT ON COLUMN public.audit_exports.requested_role IS 'Role of the requester at that time';

COMMENT ON COLUMN public.audit_exports.requested_seq IS 'Audit entry that records the request';

COMMENT ON COLUMN public.audit_exports.expires_at IS 'When the artifact is deleted: 90 days after the request';

COMMENT ON COLUMN public.audit_exports.entries IS 'Array of {name, rows, bytes, sha256}, in the order of the pack';

COMMENT ON COLUMN public.audit_exports.workflow_run_id IS 'The run that builds it';

COMMENT ON COLUMN public.audit_exports.object_key IS 'Where storage keeps the artifact';

COMMENT ON COLUMN public.audit_exports.attested_seq IS 'Head of the audit chain in the moment that the pack is made from; known from then on, so that no later pack misses it';

CREATE TABLE public.custom_rule_versions (
    org_id uuid NOT NULL,
    rule_id uuid NOT NULL,
    version integer NOT NULL,
    name text NOT NULL,
    "position" integer NOT NULL,
    resource_pattern text NOT NULL,
    attribute_pattern text,
    drift_type text,
    risk_level text NOT NULL,
    reason text NOT NULL,
    enabled boolean NOT NULL,
    deleted boolean NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    valid_until timestamp with time zone,
    changed_by_kind text NOT NULL,
    changed_by_id text NOT NULL,
    CONSTRAINT custom_rule_versions_actor_known CHECK ((changed_by_kind = ANY (ARRAY['user'::text, 'api_key'::text, 'system'::text, 'operator'::text]))),
    CONSTRAINT custom_rule_versions_interval CHECK ((valid_until >= valid_from))
);

ALTER TABLE ONLY public.custom_rule_versions FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.custom_rule_versions IS 'What a rule said in [valid_from, valid_until)';

COMMENT ON COLUMN public.custom_rule_versions.valid_until IS 'Null: still holds';

CREATE TABLE public.custom_rules (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    "position" integer NOT NULL,
    resource_pattern text NOT NULL,
    attribute_pattern text,
    drift_type text,
    risk_level text NOT NULL,
    reason text NOT NULL,
    enabled boolean NOT NULL,
    version integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT custom_rules_drift_type_known CHECK ((drift_type = ANY (ARRAY['missing'::text, 'extra'::text, 'changed'::text]))),
    CONSTRAINT custom_rules_name_length CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200))),
    CONSTRAINT custom_rules_reason_length CHECK (((char_length(reason) >= 1) AND (char_length(reason) <= 2000))),
    CONSTRAINT custom_rules_risk_level_known CHECK ((risk_level = ANY (ARRAY['critical'::text, 'high'::text, 'medium'::text, 'low'::text, 'ignore'::text])))
);

ALTER TABLE ONLY public.custom_rules FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.custom_rules IS 'Risk rules of an organisation, as they are';

COMMENT ON COLUMN public.custom_rules."position" IS 'Rules are asked from the lowest position up; the first that matches decides';

COMMENT ON COLUMN public.custom_rules.resource_pattern IS 'Glob on the address or the type of a resource';

COMMENT ON COLUMN public.custom_rules.attribute_pattern IS 'Glob on changed attribute names; null: any';

COMMENT ON COLUMN public.custom_rules.drift_type IS 'Null: any';

COMMENT ON COLUMN public.custom_rules.risk_level IS 'ignore: the drift becomes no finding, but is counted';

COMMENT ON COLUMN public.custom_rules.version IS 'Number of the row in custom_rule_versions that says the same';

CREATE TABLE public.finding_events (
    org_id uuid NOT NULL,
    number bigint NOT NULL,
    seq integer NOT NULL,
    kind text NOT NULL,
    status text NOT NULL,
    resolution text,
    address text NOT NULL,
    changed_attributes text[] NOT NULL,
    risk_level text NOT NULL,
    risk_level_now text NOT NULL,
    open_since timestamp with time zone NOT NULL,
    last_clean_scan_at timestamp with time zone,
    last_seen_at timestamp with time zone NOT NULL,
    reopen_count integer NOT NULL,
    resolved_at timestamp with time zone,
    resolved_by text,
    resolution_reason text,
    occurred_at timestamp with time zone NOT NULL,
    until timestamp with time zone,
    recorded_at timestamp with time zone NOT NULL,
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    reason text,
    scan_id uuid,
    CONSTRAINT finding_events_actor_known CHECK ((actor_kind = ANY (ARRAY['user'::text, 'api_key'::text, 'system'::text, 'operator'::text]))),
    CONSTRAINT finding_events_interval CHECK ((until > occurred_at)),
    CONSTRAINT finding_events_kind_known CHECK ((kind = ANY (ARRAY['detected'::text, 'updated'::text, 'regraded'::text, 'moved'::text, 'resolved'::text, 'reopened'::text, 'accepted'::text, 'false_positive'::text]))),
    CONSTRAINT finding_events_status_known CHECK ((status = ANY (ARRAY['open'::text, 'resolved'::text, 'accepted'::text, 'false_positive'::text])))
);
ALTER TABLE ONLY public.finding_events ALTER COLUMN number SET (n_distinct=-0.5);

ALTER TABLE ONLY public.finding_events FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.finding_events IS 'What a finding was in [occurred_at, until), and the event that made it so. Packs read nothing else';

COMMENT ON COLUMN public.finding_events.number IS 'The finding''s. A pack reads events in this order, beside the findings, and sorts nothing';

COMMENT ON COLUMN public.finding_events.seq IS '1 is the detection';

COMMENT ON COLUMN public.finding_events.risk_level IS 'As at detection';

COMMENT ON COLUMN public.finding_events.open_since IS 'Hours to resolve = occurred_at of the resolved event - open_since';

COMMENT ON COLUMN public.finding_events.resolved_at IS 'When the closing event occurred, carried along by later ones';

COMMENT ON COLUMN public.finding_events.occurred_at IS 'Observation time of the scan, or the time of a person''s decision';

COMMENT ON COLUMN public.finding_events.until IS 'occurred_at of the next event; null: still so. The only column that is ever updated';

COMMENT ON COLUMN public.finding_events.recorded_at IS 'When the row was written';

COMMENT ON COLUMN public.finding_events.reason IS 'Why a person decided so';

CREATE TABLE public.findings (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    number bigint NOT NULL,
    state_source_id uuid NOT NULL,
    tool_family text NOT NULL,
    address text NOT NULL,
    address_digest bytea GENERATED ALWAYS AS (public.driftpack_digest(address)) STORED NOT NULL,
    resource_type text NOT NULL,
    resource_name text NOT NULL,
    provider text,
    drift_type text NOT NULL,
    risk_level text NOT NULL,
    risk_rule text NOT NULL,
    risk_level_now text NOT NULL,
    changed_attributes text[] NOT NULL,
    status text NOT NULL,
    resolution text,
    detected_at timestamp with time zone NOT NULL,
    last_clean_scan_at timestamp with time zone,
    last_seen_at timestamp with time zone NOT NULL,
    open_since timestamp with time zone NOT NULL,
    state_since timestamp with time zone NOT NULL,
    event_seq integer NOT NULL,
    reopen_count integer NOT NULL,
    resolved_at timestamp with time zone,
    resolved_by text,
    resolution_reason text,
    sighted_until timestamp with time zone,
    CONSTRAINT findings_drift_type_known CHECK ((drift_type = ANY (ARRAY['missing'::text, 'extra'::text, 'changed'::text]))),
    CONSTRAINT findings_number_positive CHECK ((number >= 1)),
    CONSTRAINT findings_resolution_known CHECK ((resolution = ANY (ARRAY['no_longer_observed'::text, 'reverted'::text, 'codified'::text, 'accepted_risk'::text, 'false_positive'::text]))),
    CONSTRAINT findings_resolved_together CHECK ((((status = 'open'::text) = (resolution IS NULL)) AND ((status = 'open'::text) = (resolved_at IS NULL)))),
    CONSTRAINT findings_risk_level_known CHECK ((risk_level = ANY (ARRAY['critical'::text, 'high'::text, 'medium'::text, 'low'::text]))),
    CONSTRAINT findings_risk_level_now_known CHECK ((risk_level_now = ANY (ARRAY['critical'::text, 'high'::text, 'medium'::text, 'low'::text]))),
    CONSTRAINT findings_status_known CHECK ((status = ANY (ARRAY['open'::text, 'resolved'::text, 'accepted'::text, 'false_positive'::text]))),
    CONSTRAINT findings_tool_family_known CHECK ((tool_family = ANY (ARRAY['terraform'::text, 'driftctl'::text])))
);

ALTER TABLE ONLY public.findings FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.findings IS 'Drifted resources, followed over time: the latest state of each';

COMMENT ON COLUMN public.findings.number IS 'Per organisation: 1, 2, 3 … without gaps';

COMMENT ON COLUMN public.findings.tool_family IS 'Tools that can see it; only a complete scan by one of them says that it is gone';

COMMENT ON COLUMN public.findings.address_digest IS 'SHA-256 of the address: identity for addresses of any length';

COMMENT ON COLUMN public.findings.risk_level IS 'As at detection; never changes';

COMMENT ON COLUMN public.findings.risk_rule IS 'What graded it at detection: builtin:<id>, custom:<uuid> or default';

COMMENT ON COLUMN public.findings.risk_level_now IS 'As at the latest scan that saw it';

COMMENT ON COLUMN public.findings.changed_attributes IS 'Names only, never values';

COMMENT ON COLUMN public.findings.detected_at IS 'The first scan that saw it';

COMMENT ON COLUMN public.findings.last_clean_scan_at IS 'The latest complete scan before it was opened: the true start lies in between';

COMMENT ON COLUMN public.findings.last_seen_at IS 'The latest scan that saw it';

COMMENT ON COLUMN public.findings.open_since IS 'Start of the latest time open';

COMMENT ON COLUMN public.findings.state_since IS 'occurred_at of the newest event';

COMMENT ON COLUMN public.findings.event_seq IS 'seq of the newest event';

COMMENT ON COLUMN public.findings.resolved_by IS 'Opaque id of the person; null: a scan';

COMMENT ON COLUMN public.findings.sighted_until IS 'Latest sighting that was listed with a scan which retention has removed; null: none was';

CREATE TABLE public.idempotency_keys (
    org_id uuid NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status integer NOT NULL,
    body text,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT idempotency_keys_hash_length CHECK ((octet_length(request_hash) = 32)),
    CONSTRAINT idempotency_keys_key_length CHECK (((octet_length(key) >= 1) AND (octet_length(key) <= 255))),
    CONSTRAINT idempotency_keys_status_http CHECK (((status >= 100) AND (status <= 599)))
);

ALTER TABLE ONLY public.idempotency_keys FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.idempotency_keys IS 'Answers to repeat for a repeated request';

COMMENT ON COLUMN public.idempotency_keys.request_hash IS 'SHA-256 of who asked for what; another request under the same key is refused';

COMMENT ON COLUMN public.idempotency_keys.body IS 'The body of the answer, as it was sent; null: it held a secret that is shown once';

CREATE TABLE public.ignored_drifts (
    org_id uuid NOT NULL,
    state_source_id uuid NOT NULL,
    tool_family text NOT NULL,
    drift_type text NOT NULL,
    address_digest bytea NOT NULL,
    last_clean_scan_at timestamp with time zone,
    CONSTRAINT ignored_drifts_digest_length CHECK ((octet_length(address_digest) = 32))
);

ALTER TABLE ONLY public.ignored_drifts FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.ignored_drifts IS 'Drifts that custom rules keep from being findings, as long as no complete scan misses them';

COMMENT ON COLUMN public.ignored_drifts.address_digest IS 'SHA-256 of the address';

COMMENT ON COLUMN public.ignored_drifts.last_clean_scan_at IS 'The latest complete scan before the first that showed it; a finding that it becomes begins after that';

CREATE TABLE public.invitations (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    email text NOT NULL,
    role text NOT NULL,
    status text DEFAULT 'pending'::text NOT NULL,
    invited_by uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    accepted_by uuid,
    CONSTRAINT invitations_accepted CHECK (((status = 'accepted'::text) = (accepted_by IS NOT NULL))),
    CONSTRAINT invitations_email_folded CHECK ((email !~ '[A-Z]'::text)),
    CONSTRAINT invitations_email_length CHECK (((octet_length(email) >= 3) AND (octet_length(email) <= 254))),
    CONSTRAINT invitations_ended CHECK (((status = 'pending'::text) = (ended_at IS NULL))),
    CONSTRAINT invitations_expires_later CHECK ((expires_at > created_at)),
    CONSTRAINT invitations_role_known CHECK ((role = ANY (ARRAY['viewer'::text, 'member'::text, 'admin'::text, 'owner'::text]))),
    CONSTRAINT invitations_status_known CHECK ((status = ANY (ARRAY['pending'::text, 'accepted'::text, 'revoked'::text, 'expired'::text])))
);

ALTER TABLE ONLY public.invitations FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.invitations IS 'Addresses whose owners become members when they sign in';

COMMENT ON COLUMN public.invitations.email IS 'Its ASCII letters in lower case: so it is compared with what a token says';

COMMENT ON COLUMN public.invitations.status IS 'A pending one whose time is over counts as expired, whether that was written down or not';

COMMENT ON COLUMN public.invitations.invited_by IS 'While it is pending this person may give the role away: it is withdrawn otherwise';

COMMENT ON COLUMN public.invitations.expires_at IS 'From then on nobody can accept it';

COMMENT ON COLUMN public.invitations.ended_at IS 'When it was accepted or revoked, or had expired; null while it is pending';

COMMENT ON COLUMN public.invitations.accepted_by IS 'Who became a member by it';

CREATE TABLE public.memberships (
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT memberships_role_known CHECK ((role = ANY (ARRAY['viewer'::text, 'member'::text, 'admin'::text, 'owner'::text])))
);

ALTER TABLE ONLY public.memberships FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.memberships IS 'What a person may do in an organisation';

CREATE TABLE public.org_plan_versions (
    org_id uuid NOT NULL,
    version integer NOT NULL,
    plan text NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    changed_by_kind text NOT NULL,
    changed_by_id text NOT NULL,
    CONSTRAINT org_plan_versions_actor_known CHECK ((changed_by_kind = ANY (ARRAY['user'::text, 'api_key'::text, 'system'::text, 'operator'::text]))),
    CONSTRAINT org_plan_versions_plan_known CHECK ((plan = ANY (ARRAY['free'::text, 'team'::text, 'enterprise'::text])))
);

ALTER TABLE ONLY public.org_plan_versions FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.org_plan_versions IS 'Which plan held from when, and who said so';

COMMENT ON COLUMN public.org_plan_versions.version IS '1 is the plan that the organisation began with';

COMMENT ON COLUMN public.org_plan_versions.changed_by_id IS 'Opaque id of the actor';

CREATE TABLE public.platform_idempotency_keys (
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status integer NOT NULL,
    body text,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT platform_idempotency_keys_hash_length CHECK ((octet_length(request_hash) = 32)),
    CONSTRAINT platform_idempotency_keys_key_length CHECK (((octet_length(key) >= 1) AND (octet_length(key) <= 255))),
    CONSTRAINT platform_idempotency_keys_status_http CHECK (((status >= 100) AND (status <= 599)))
);

COMMENT ON TABLE public.platform_idempotency_keys IS 'Answers to repeat for a repeated request of a platform administrator';

COMMENT ON COLUMN public.platform_idempotency_keys.request_hash IS 'SHA-256 of who asked for what; another request under the same key is refused';

COMMENT ON COLUMN public.platform_idempotency_keys.body IS 'The body of the answer, as it was sent; null: it held a secret that is shown once';

CREATE TABLE public.rate_limits (
    singleton boolean DEFAULT true NOT NULL,
    established_at timestamp with time zone NOT NULL,
    CONSTRAINT rate_limits_singleton CHECK (singleton)
);

COMMENT ON TABLE public.rate_limits IS 'Whether a Redis counts requests for this database; one row, or none yet';

COMMENT ON COLUMN public.rate_limits.singleton IS 'Always true: there is one row';

COMMENT ON COLUMN public.rate_limits.established_at IS 'When a Redis was first found without data, which was no loss';

CREATE TABLE public.removed_finding_numbers (
    org_id uuid NOT NULL,
    first_number bigint NOT NULL,
    last_number bigint NOT NULL,
    CONSTRAINT removed_finding_numbers_order CHECK (((1 <= first_number) AND (first_number <= last_number)))
);

ALTER TABLE ONLY public.removed_finding_numbers FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.removed_finding_numbers IS 'Numbers of findings that retention has removed, as runs of neighbours: any other number that is missing is a gap';

COMMENT ON COLUMN public.removed_finding_numbers.first_number IS 'The lowest number of the run';

COMMENT ON COLUMN public.removed_finding_numbers.last_number IS 'The highest number of the run';

CREATE TABLE public.scan_noise (
    org_id uuid NOT NULL,
    scan_id uuid NOT NULL,
    kind text NOT NULL,
    rule text NOT NULL,
    rule_version integer,
    resources bigint NOT NULL,
    attributes bigint NOT NULL,
    CONSTRAINT scan_noise_counts_positive CHECK (((resources >= 0) AND (attributes >= 0))),
    CONSTRAINT scan_noise_kind_known CHECK ((kind = ANY (ARRAY['noise'::text, 'ignored'::text]))),
    CONSTRAINT scan_noise_version_known CHECK (((kind = 'ignored'::text) = (rule_version IS NOT NULL)))
);

ALTER TABLE ONLY public.scan_noise FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.scan_noise IS 'What a scan showed and no finding came of, counted by rule';

COMMENT ON COLUMN public.scan_noise.kind IS 'noise: a built-in rule set the difference aside; ignored: a custom rule said ignore';

COMMENT ON COLUMN public.scan_noise.rule IS 'Name of the built-in rule, or id of the custom rule';

COMMENT ON COLUMN public.scan_noise.rule_version IS 'What the custom rule said then: a row of custom_rule_versions';

CREATE TABLE public.scan_sightings (
    org_id uuid NOT NULL,
    scan_id uuid NOT NULL,
    findings bigint[] NOT NULL
);

ALTER TABLE ONLY public.scan_sightings FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.scan_sightings IS 'Findings that a scan saw where nothing else tells: a complete scan saw every finding that stayed open';

COMMENT ON COLUMN public.scan_sightings.findings IS 'Their numbers';

CREATE TABLE public.scans (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    state_source_id uuid NOT NULL,
    status text NOT NULL,
    format text NOT NULL,
    tool_family text NOT NULL,
    tool text NOT NULL,
    tool_version text,
    observed_at timestamp with time zone NOT NULL,
    ingested_at timestamp with time zone NOT NULL,
    late boolean NOT NULL,
    drift_reported boolean NOT NULL,
    resources_total bigint,
    resources_managed bigint,
    drifted bigint NOT NULL,
    missing bigint NOT NULL,
    extra bigint NOT NULL,
    noise_suppressed bigint NOT NULL,
    ignored bigint NOT NULL,
    serial bigint,
    lineage text,
    triggered_by text NOT NULL,
    ci jsonb NOT NULL,
    error text,
    warnings jsonb NOT NULL,
    content_sha256 bytea NOT NULL,
    size_bytes bigint NOT NULL,
    CONSTRAINT scans_ci_object CHECK ((jsonb_typeof(ci) = 'object'::text)),
    CONSTRAINT scans_content_sha256_length CHECK ((octet_length(content_sha256) = 32)),
    CONSTRAINT scans_counts_plausible CHECK ((GREATEST(resources_total, resources_managed, drifted, missing, extra) <= 1000000000)),
    CONSTRAINT scans_counts_positive CHECK ((LEAST(resources_total, resources_managed, drifted, missing, extra, noise_suppressed, ignored, size_bytes) >= 0)),
    CONSTRAINT scans_status_known CHECK ((status = ANY (ARRAY['done'::text, 'partial'::text, 'failed'::text]))),
    CONSTRAINT scans_tool_family_known CHECK ((tool_family = ANY (ARRAY['terraform'::text, 'driftctl'::text])))
);

ALTER TABLE ONLY public.scans FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.scans IS 'Drift scans, as they were read';

COMMENT ON COLUMN public.scans.tool_family IS 'Tools that see the same things; a scan moves only findings of its own family';

COMMENT ON COLUMN public.scans.observed_at IS 'When the tool looked';

COMMENT ON COLUMN public.scans.late IS 'Observed before the newest scan of its source and family that did not fail: counted, but moved no finding';

COMMENT ON COLUMN public.scans.drift_reported IS 'Whether the file speaks of drift at all; an absent list is not an empty one';

COMMENT ON COLUMN public.scans.resources_total IS 'Resources that were checked, the missing ones among them';

COMMENT ON COLUMN public.scans.resources_managed IS 'Resources known to the state, where the tool also looks for others; else null';

COMMENT ON COLUMN public.scans.drifted IS 'Resources that are there but different';

COMMENT ON COLUMN public.scans.noise_suppressed IS 'Resources whose differences were all set aside as noise; by rule in scan_noise';

COMMENT ON COLUMN public.scans.ignored IS 'Drifts that a custom rule keeps from being findings; by rule in scan_noise';

COMMENT ON COLUMN public.scans.triggered_by IS 'Who handed it in: kind and opaque id of the actor';

COMMENT ON COLUMN public.scans.ci IS 'What the caller said about the pipeline';

COMMENT ON COLUMN public.scans.content_sha256 IS 'Of the bytes that were handed in, unpacked';

CREATE TABLE public.sessions (
    id_hash bytea NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    CONSTRAINT sessions_hash_length CHECK ((octet_length(id_hash) = 32)),
    CONSTRAINT sessions_times_in_order CHECK (((created_at <= seen_at) AND (expires_at <= ends_at)))
);

COMMENT ON TABLE public.sessions IS 'Browsers that are signed in. The id that the browser holds is stored nowhere';

COMMENT ON COLUMN public.sessions.id_hash IS 'SHA-256 of the id: who reads this table cannot sign in with what it says';

COMMENT ON COLUMN public.sessions.seen_at IS 'Latest request, to the minute: it is written at most once a minute';

COMMENT ON COLUMN public.sessions.expires_at IS 'When it ends unless it is used; moves with use';

COMMENT ON COLUMN public.sessions.ends_at IS 'When it ends however much it is used';

CREATE TABLE public.state_source_versions (
    org_id uuid NOT NULL,
    state_source_id uuid NOT NULL,
    version integer NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    location text NOT NULL,
    expected_scan_interval_hours integer,
    active boolean NOT NULL,
    deleted boolean NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    valid_until timestamp with time zone,
    changed_by_kind text NOT NULL,
    changed_by_id text NOT NULL,
    CONSTRAINT state_source_versions_actor_known CHECK ((changed_by_kind = ANY (ARRAY['user'::text, 'api_key'::text, 'system'::text, 'operator'::text]))),
    CONSTRAINT state_source_versions_interval CHECK ((valid_until >= valid_from))
);

ALTER TABLE ONLY public.state_source_versions FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.state_source_versions IS 'What held for a state source in [valid_from, valid_until)';

COMMENT ON COLUMN public.state_source_versions.valid_until IS 'Null: still holds';

CREATE TABLE public.state_sources (
    org_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    location text NOT NULL,
    expected_scan_interval_hours integer,
    active boolean NOT NULL,
    version integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    first_observed_at timestamp with time zone,
    CONSTRAINT state_sources_interval_positive CHECK (((expected_scan_interval_hours >= 1) AND (expected_scan_interval_hours <= 87600))),
    CONSTRAINT state_sources_kind_known CHECK ((kind = ANY (ARRAY['s3'::text, 'gcs'::text, 'azure_blob'::text, 'tfc'::text, 'local'::text, 'upload'::text]))),
    CONSTRAINT state_sources_location_length CHECK ((char_length(location) <= 2000)),
    CONSTRAINT state_sources_name_length CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200)))
);

ALTER TABLE ONLY public.state_sources FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.state_sources IS 'Terraform states that are scanned for drift, as they are';

COMMENT ON COLUMN public.state_sources.location IS 'For a person: bucket and key, workspace, path; may be empty';

COMMENT ON COLUMN public.state_sources.expected_scan_interval_hours IS 'How often a complete scan is due; null: no schedule is known';

COMMENT ON COLUMN public.state_sources.active IS 'Whether it is in scope';

COMMENT ON COLUMN public.state_sources.version IS 'Number of the row in state_source_versions that says the same';

COMMENT ON COLUMN public.state_sources.deleted_at IS 'Since when it is out of scope for good; its history stays';

COMMENT ON COLUMN public.state_sources.first_observed_at IS 'Time of the earliest scan';

CREATE VIEW public.state_source_history WITH (security_invoker='true') AS
 SELECT v.org_id,
    v.state_source_id,
    v.version,
    v.name,
    v.kind,
    v.location,
    v.expected_scan_interval_hours,
    (v.active AND (NOT v.deleted)) AS in_scope,
    v.deleted,
        CASE
            WHEN (v.version = 1) THEN LEAST(v.valid_from, s.first_observed_at)
            ELSE v.valid_from
        END AS holds_from,
    v.valid_until AS holds_until,
    v.valid_from AS changed_at,
    v.changed_by_kind,
    v.changed_by_id
   FROM (public.state_source_versions v
     JOIN public.state_sources s ON (((s.org_id = v.org_id) AND (s.id = v.state_source_id))))
  WHERE ((v.valid_until IS NULL) OR (v.valid_until > v.valid_from) OR (v.version = 1));

COMMENT ON VIEW public.state_source_history IS 'What held for a state source in [holds_from, holds_until); the first version reaches back to the first scan';

CREATE TABLE public.users (
    id uuid NOT NULL,
    iss text NOT NULL,
    sub text NOT NULL,
    email text,
    is_platform_admin boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    name text,
    erased_at timestamp with time zone,
    CONSTRAINT users_email_length CHECK (((octet_length(email) >= 1) AND (octet_length(email) <= 1000))),
    CONSTRAINT users_iss_length CHECK (((octet_length(iss) >= 1) AND (octet_length(iss) <= 1000))),
    CONSTRAINT users_name_length CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 1000))),
    CONSTRAINT users_sub_length CHECK (((octet_length(sub) >= 1) AND (octet_length(sub) <= 1000)))
);

COMMENT ON TABLE public.users IS 'People known from an OIDC issuer. Names and addresses live only here, so that they can be erased';

COMMENT ON COLUMN public.users.iss IS 'Issuer of the token';

COMMENT ON COLUMN public.users.sub IS 'Subject of the token, unique within the issuer';

COMMENT ON COLUMN public.users.email IS 'As the issuer says; null when it says nothing or after erasure';

COMMENT ON COLUMN public.users.seen_at IS 'Latest time that the profile was taken from a token';

COMMENT ON COLUMN public.users.erased_at IS 'Since when nothing but the id is known; issuer and subject then name nobody';

ALTER TABLE ONLY public.admin_audit_log
    ADD CONSTRAINT admin_audit_log_id_key UNIQUE (chain, id);

ALTER TABLE ONLY public.admin_audit_log
    ADD CONSTRAINT admin_audit_log_pkey PRIMARY KEY (chain, seq);

ALTER TABLE ONLY public.admin_audit_log
    ADD CONSTRAINT admin_audit_log_prev_hash_key UNIQUE NULLS NOT DISTINCT (chain, prev_hash);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_key_hmac_key UNIQUE (key_hmac);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (org_id, id);

ALTER TABLE ONLY public.audit_chain_checks
    ADD CONSTRAINT audit_chain_checks_pkey PRIMARY KEY (chain, checked_at, checked_by);

ALTER TABLE ONLY public.audit_chain_heads
    ADD CONSTRAINT audit_chain_heads_pkey PRIMARY KEY (chain);

ALTER TABLE ONLY public.audit_chain_rounds
    ADD CONSTRAINT audit_chain_rounds_pkey PRIMARY KEY (run_id);

ALTER TABLE ONLY public.audit_chain_states
    ADD CONSTRAINT audit_chain_states_pkey PRIMARY KEY (chain);

ALTER TABLE ONLY public.audit_exports
    ADD CONSTRAINT audit_exports_pkey PRIMARY KEY (org_id, id);

ALTER TABLE ONLY public.audit_exports
    ADD CONSTRAINT audit_exports_run_key UNIQUE (org_id, workflow_run_id);

ALTER TABLE ONLY public.custom_rule_versions
    ADD CONSTRAINT custom_rule_versions_pkey PRIMARY KEY (org_id, rule_id, version);

ALTER TABLE ONLY public.custom_rules
    ADD CONSTRAINT custom_rules_pkey PRIMARY KEY (org_id, id);

ALTER TABLE ONLY public.finding_events
    ADD CONSTRAINT finding_events_pkey PRIMARY KEY (org_id, number, seq);

ALTER TABLE ONLY public.findings
    ADD CONSTRAINT findings_identity_key UNIQUE (org_id, state_source_id, tool_family, drift_type, address_digest) DEFERRABLE;

ALTER TABLE ONLY public.findings
    ADD CONSTRAINT findings_number_key UNIQUE (org_id, number);

ALTER TABLE ONLY public.findings
    ADD CONSTRAINT findings_pkey PRIMARY KEY (org_id, id);

ALTER TABLE ONLY public.history_retention
    ADD CONSTRAINT history_retention_pkey PRIMARY KEY (org_id);

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (org_id, key);

ALTER TABLE ONLY public.ignored_drifts
    ADD CONSTRAINT ignored_drifts_pkey PRIMARY KEY (org_id, state_source_id, tool_family, drift_type, address_digest);

ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitations_pkey PRIMARY KEY (org_id, id);

ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_pkey PRIMARY KEY (org_id, user_id);

ALTER TABLE ONLY public.org_plan_versions
    ADD CONSTRAINT org_plan_versions_pkey PRIMARY KEY (org_id, version);

ALTER TABLE ONLY public.orgs
    ADD CONSTRAINT orgs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.orgs
    ADD CONSTRAINT orgs_slug_key UNIQUE (slug);

ALTER TABLE ONLY public.platform_idempotency_keys
    ADD CONSTRAINT platform_idempotency_keys_pkey PRIMARY KEY (key);

ALTER TABLE ONLY public.rate_limits
    ADD CONSTRAINT rate_limits_pkey PRIMARY KEY (singleton);

ALTER TABLE ONLY public.removed_finding_numbers
    ADD CONSTRAINT removed_finding_numbers_pkey PRIMARY KEY (org_id, first_number);

ALTER TABLE ONLY public.scan_noise
    ADD CONSTRAINT scan_noise_pkey PRIMARY KEY (org_id, scan_id, kind, rule);

ALTER TABLE ONLY public.scan_sightings
    ADD CONSTRAINT scan_sightings_pkey PRIMARY KEY (org_id, scan_id);

ALTER TABLE ONLY public.scans
    ADD CONSTRAINT scans_content_key UNIQUE (org_id, state_source_id, content_sha256, observed_at);

ALTER TABLE ONLY public.scans
    ADD CONSTRAINT scans_pkey PRIMARY KEY (org_id, id);

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (id_hash);

ALTER TABLE ONLY public.state_source_versions
    ADD CONSTRAINT state_source_versions_pkey PRIMARY KEY (org_id, state_source_id, version);

ALTER TABLE ONLY public.state_sources
    ADD CONSTRAINT state_sources_pkey PRIMARY KEY (org_id, id);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_iss_sub_key UNIQUE (iss, sub);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

CREATE INDEX admin_audit_log_created_at_idx ON public.admin_audit_log USING btree (chain, created_at, seq);

CREATE INDEX audit_chain_rounds_ended_idx ON public.audit_chain_rounds USING btree (extent, ended_at);

CREATE INDEX audit_chain_states_alarm_idx ON public.audit_chain_states USING btree (alarm_since, chain) WHERE (alarm OR (unreadable_since IS NOT NULL));

CREATE INDEX audit_exports_due_idx ON public.audit_exports USING btree (org_id, expires_at) WHERE (status = 'done'::text);

CREATE INDEX audit_exports_figures_idx ON public.audit_exports USING btree (status, expires_at) INCLUDE (size_bytes, org_id);

CREATE INDEX audit_exports_newest_idx ON public.audit_exports USING btree (org_id, requested_at DESC, id DESC);

CREATE UNIQUE INDEX custom_rules_name_key ON public.custom_rules USING btree (org_id, name) WHERE (deleted_at IS NULL);

CREATE UNIQUE INDEX finding_events_current_key ON public.finding_events USING btree (org_id, number) WHERE (until IS NULL);

CREATE INDEX finding_events_decided_idx ON public.finding_events USING btree (org_id, number) WHERE (status = ANY (ARRAY['accepted'::text, 'false_positive'::text]));

CREATE INDEX findings_open_idx ON public.findings USING btree (org_id, state_source_id, tool_family) WHERE (status = 'open'::text);

CREATE INDEX findings_risk_level_idx ON public.findings USING btree (org_id, risk_level, number);

CREATE INDEX findings_status_idx ON public.findings USING btree (org_id, status, number);

CREATE INDEX idempotency_keys_created_at_idx ON public.idempotency_keys USING btree (org_id, created_at);

CREATE INDEX invitations_created_at_idx ON public.invitations USING btree (org_id, created_at DESC, id);

CREATE INDEX invitations_email_idx ON public.invitations USING btree (email) WHERE (status = 'pending'::text);

CREATE UNIQUE INDEX invitations_pending_key ON public.invitations USING btree (org_id, email) WHERE (status = 'pending'::text);

CREATE INDEX memberships_user_idx ON public.memberships USING btree (user_id);

CREATE INDEX platform_idempotency_keys_created_at_idx ON public.platform_idempotency_keys USING btree (created_at);

CREATE INDEX scans_observed_at_idx ON public.scans USING btree (org_id, observed_at, id);

CREATE INDEX scans_source_idx ON public.scans USING btree (org_id, state_source_id, observed_at);

CREATE INDEX sessions_expires_at_idx ON public.sessions USING btree (expires_at);

CREATE INDEX sessions_user_idx ON public.sessions USING btree (user_id);

CREATE UNIQUE INDEX state_sources_name_key ON public.state_sources USING btree (org_id, name) WHERE (deleted_at IS NULL);

CREATE TRIGGER admin_audit_log_append_only BEFORE DELETE OR UPDATE ON public.admin_audit_log FOR EACH ROW EXECUTE FUNCTION public.driftpack_refuse_change();

CREATE TRIGGER admin_audit_log_no_truncate BEFORE TRUNCATE ON public.admin_audit_log FOR EACH STATEMENT EXECUTE FUNCTION public.driftpack_refuse_change();

CREATE TRIGGER admin_audit_log_sealed BEFORE INSERT ON public.admin_audit_log FOR EACH ROW EXECUTE FUNCTION public.driftpack_sealed_chain_takes_nothing();

CREATE TRIGGER audit_chain_checks_keep BEFORE DELETE OR UPDATE ON public.audit_chain_checks FOR EACH ROW EXECUTE FUNCTION public.driftpack_keep_checks();

CREATE TRIGGER audit_chain_checks_no_truncate BEFORE TRUNCATE ON public.audit_chain_checks FOR EACH STATEMENT EXECUTE FUNCTION public.driftpack_refuse_change();

CREATE TRIGGER audit_chain_heads_forward BEFORE UPDATE ON public.audit_chain_heads FOR EACH ROW EXECUTE FUNCTION public.driftpack_head_moves_forward();

CREATE TRIGGER audit_chain_heads_no_delete BEFORE DELETE ON public.audit_chain_heads FOR EACH ROW EXECUTE FUNCTION public.driftpack_refuse_change();

CREATE TRIGGER audit_chain_heads_no_truncate BEFORE TRUNCATE ON public.audit_chain_heads FOR EACH STATEMENT EXECUTE FUNCTION public.driftpack_refuse_change();

CREATE TRIGGER audit_chain_rounds_append_only BEFORE DELETE OR UPDATE ON public.audit_chain_rounds FOR EACH ROW EXECUTE FUNCTION public.driftpack_refuse_change();

CREATE TRIGGER audit_chain_rounds_no_truncate BEFORE TRUNCATE ON public.audit_chain_rounds FOR EACH STATEMENT EXECUTE FUNCTION public.driftpack_refuse_change();

CREATE TRIGGER audit_chain_states_forward BEFORE UPDATE ON public.audit_chain_states FOR EACH ROW EXECUTE FUNCTION public.driftpack_position_moves_forward();

CREATE TRIGGER audit_chain_states_no_delete BEFORE DELETE ON public.audit_chain_states FOR EACH ROW EXECUTE FUNCTION public.driftpack_refuse_change();

CREATE TRIGGER audit_chain_states_no_truncate BEFORE TRUNCATE ON public.audit_chain_states FOR EACH STATEMENT EXECUTE FUNCTION public.driftpack_refuse_change();

CREATE TRIGGER audit_exports_no_delete BEFORE DELETE ON public.audit_exports FOR EACH ROW EXECUTE FUNCTION public.driftpack_keep_while_it_lives();

CREATE TRIGGER audit_exports_no_truncate BEFORE TRUNCATE ON public.audit_exports FOR EACH STATEMENT EXECUTE FUNCTION public.driftpack_refuse_change();

CREATE TRIGGER audit_exports_steps BEFORE UPDATE ON public.audit_exports FOR EACH ROW EXECUTE FUNCTION public.driftpack_export_steps();

CREATE TRIGGER custom_rule_versions_history BEFORE UPDATE ON public.custom_rule_versions FOR EACH ROW EXECUTE FUNCTION public.driftpack_only_end_is_set('valid_until');

CREATE TRIGGER custom_rule_versions_no_delete BEFORE DELETE ON public.custom_rule_versions FOR EACH ROW EXECUTE FUNCTION public.driftpack_keep_while_it_lives();

CREATE TRIGGER custom_rule_versions_no_truncate BEFORE TRUNCATE ON public.custom_rule_versions FOR EACH STATEMENT EXECUTE FUNCTION public.driftpack_refuse_change();

CREATE TRIGGER finding_events_history BEFORE UPDATE ON public.finding_events FOR EACH ROW EXECUTE FUNCTION public.driftpack_only_end_is_set('until');

CREATE TRIGGER finding_events_no_truncate BEFORE TRUNCATE ON public.finding_events FOR EACH STATEMENT EXECUTE FUNCTION public.driftpack_refuse_change();

CREATE TRIGGER finding_events_past_retention AFTER DELETE ON public.finding_events REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION public.driftpack_only_past_retention();

CREATE TRIGGER findings_no_truncate BEFORE TRUNCATE ON public.findings FOR EACH STATEMENT EXECUTE FUNCTION public.driftpack_refuse_change();

CREATE TRIGGER findings_origin BEFORE UPDATE ON public.findings FOR EACH ROW WHEN ((((((((((new.org_id IS DISTINCT FROM old.org_id) OR (new.id IS DISTINCT FROM old.id)) OR (new.number IS DISTINCT FROM old.number)) OR (new.state_source_id IS DISTINCT FROM old.state_source_id)) OR (new.tool_family IS DISTINCT FROM old.tool_family)) OR (new.drift_type IS DISTINCT FROM old.drift_type)) OR (new.risk_level IS DISTINCT FROM old.risk_level)) OR (new.risk_rule IS DISTINCT FROM old.risk_rule)) OR (new.detected_at IS DISTINCT FROM old.detected_at))) EXECUTE FUNCTION public.driftpack_finding_keeps_its_origin();

CREATE TRIGGER findings_past_retention AFTER DELETE ON public.findings REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION public.driftpack_only_past_retention();

CREATE TRIGGER history_retention_forward BEFORE UPDATE ON public.history_retention FOR EACH ROW EXECUTE FUNCTION public.driftpack_retention_moves_forward();

CREATE TRIGGER history_retention_no_delete BEFORE DELETE ON public.history_retention FOR EACH ROW EXECUTE FUNCTION public.driftpack_keep_while_it_lives();

CREATE TRIGGER history_retention_no_truncate BEFORE TRUNCATE ON public.history_retention FOR EACH STATEMENT EXECUTE FUNCTION public.driftpack_refuse_change();

CREATE TRIGGER invitations_end_once BEFORE UPDATE ON public.invitations FOR EACH ROW EXECUTE FUNCTION public.driftpack_invitation_ends_once();

CREATE TRIGGER org_plan_versions_append_only BEFORE UPDATE ON public.org_plan_versions FOR EACH ROW EXECUTE FUNCTION public.driftpack_refuse_change();

CREATE TRIGGER org_plan_versions_no_delete BEFORE DELETE ON public.org_plan_versions FOR EACH ROW EXECUTE FUNCTION public.driftpack_keep_while_it_lives();

CREATE TRIGGER org_plan_versions_no_truncate BEFORE TRUNCATE ON public.org_plan_versions FOR EACH STATEMENT EXECUTE FUNCTION public.driftpack_refuse_change();

CREATE TRIGGER orgs_stay_deleted BEFORE UPDATE ON public.orgs FOR EACH ROW WHEN (((old.deleted_at IS NOT NULL) AND (new.deleted_at IS DISTINCT FROM old.deleted_at))) EXECUTE FUNCTION public.driftpack_orgs_stay_deleted();

CREATE TRIGGER removed_finding_numbers_no_truncate BEFORE TRUNCATE ON public.removed_finding_numbers FOR EACH STATEMENT EXECUTE FUNCTION public.driftpack_refuse_change();

CREATE TRIGGER scan_noise_append_only BEFORE UPDATE ON public.scan_noise FOR EACH ROW EXECUTE FUNCTION public.driftpack_refuse_change();

CREATE TRIGGER scan_noise_no_truncate BEFORE TRUNCATE ON public.scan_noise FOR EACH STATEMENT EXECUTE FUNCTION public.driftpack_refuse_change();

CREATE TRIGGER scan_noise_past_retention AFTER DELETE ON public.scan_noise REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION public.driftpack_only_past_retention();

CREATE TRIGGER scan_sightings_append_only BEFORE UPDATE ON public.scan_sightings FOR EACH ROW EXECUTE FUNCTION public.driftpack_refuse_change();

CREATE TRIGGER scan_sightings_no_truncate BEFORE TRUNCATE ON public.scan_sightings FOR EACH STATEMENT EXECUTE FUNCTION public.driftpack_refuse_change();

CREATE TRIGGER scan_sightings_past_retention AFTER DELETE ON public.scan_sightings REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION public.driftpack_only_past_retention();

CREATE TRIGGER scans_append_only BEFORE UPDATE ON public.scans FOR EACH ROW EXECUTE FUNCTION public.driftpack_refuse_change();

CREATE TRIGGER scans_no_truncate BEFORE TRUNCATE ON public.scans FOR EACH STATEMENT EXECUTE FUNCTION public.driftpack_refuse_change();

CREATE TRIGGER scans_past_retention AFTER DELETE ON public.scans REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION public.driftpack_only_past_retention();

CREATE TRIGGER state_source_versions_history BEFORE UPDATE ON public.state_source_versions FOR EACH ROW EXECUTE FUNCTION public.driftpack_only_end_is_set('valid_until');

CREATE TRIGGER state_source_versions_no_delete BEFORE DELETE ON public.state_source_versions FOR EACH ROW EXECUTE FUNCTION public.driftpack_keep_while_it_lives();

CREATE TRIGGER state_source_versions_no_truncate BEFORE TRUNCATE ON public.state_source_versions FOR EACH STATEMENT EXECUTE FUNCTION public.driftpack_refuse_change();

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_created_by_fkey FOREIGN KEY (created_by) REFERENCES public.users(id);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_org_fkey FOREIGN KEY (org_id) REFERENCES public.orgs(id);

ALTER TABLE ONLY public.audit_exports
    ADD CONSTRAINT audit_exports_org_fkey FOREIGN KEY (org_id) REFERENCES public.orgs(id);

ALTER TABLE ONLY public.audit_exports
    ADD CONSTRAINT audit_exports_requested_by_fkey FOREIGN KEY (requested_by) REFERENCES public.users(id);

ALTER TABLE ONLY public.custom_rule_versions
    ADD CONSTRAINT custom_rule_versions_rule_fkey FOREIGN KEY (org_id, rule_id) REFERENCES public.custom_rules(org_id, id);

ALTER TABLE ONLY public.custom_rules
    ADD CONSTRAINT custom_rules_org_fkey FOREIGN KEY (org_id) REFERENCES public.orgs(id);

ALTER TABLE ONLY public.finding_events
    ADD CONSTRAINT finding_events_finding_fkey FOREIGN KEY (org_id, number) REFERENCES public.findings(org_id, number);

ALTER TABLE ONLY public.findings
    ADD CONSTRAINT findings_source_fkey FOREIGN KEY (org_id, state_source_id) REFERENCES public.state_sources(org_id, id);

ALTER TABLE ONLY public.history_retention
    ADD CONSTRAINT history_retention_org_fkey FOREIGN KEY (org_id) REFERENCES public.orgs(id);

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_org_fkey FOREIGN KEY (org_id) REFERENCES public.orgs(id);

ALTER TABLE ONLY public.ignored_drifts
    ADD CONSTRAINT ignored_drifts_source_fkey FOREIGN KEY (org_id, state_source_id) REFERENCES public.state_sources(org_id, id);

ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitations_accepted_by_fkey FOREIGN KEY (accepted_by) REFERENCES public.users(id);

ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitations_invited_by_fkey FOREIGN KEY (invited_by) REFERENCES public.users(id);

ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitations_org_fkey FOREIGN KEY (org_id) REFERENCES public.orgs(id);

ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_org_fkey FOREIGN KEY (org_id) REFERENCES public.orgs(id);

ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_user_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

ALTER TABLE ONLY public.org_plan_versions
    ADD CONSTRAINT org_plan_versions_org_fkey FOREIGN KEY (org_id) REFERENCES public.orgs(id);

ALTER TABLE ONLY public.removed_finding_numbers
    ADD CONSTRAINT removed_finding_numbers_org_fkey FOREIGN KEY (org_id) REFERENCES public.orgs(id);

ALTER TABLE ONLY public.scan_noise
    ADD CONSTRAINT scan_noise_scan_fkey FOREIGN KEY (org_id, scan_id) REFERENCES public.scans(org_id, id);

ALTER TABLE ONLY public.scan_sightings
    ADD CONSTRAINT scan_sightings_scan_fkey FOREIGN KEY (org_id, scan_id) REFERENCES public.scans(org_id, id);

ALTER TABLE ONLY public.scans
    ADD CONSTRAINT scans_source_fkey FOREIGN KEY (org_id, state_source_id) REFERENCES public.state_sources(org_id, id);

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_user_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.state_source_versions
    ADD CONSTRAINT state_source_versions_source_fkey FOREIGN KEY (org_id, state_source_id) REFERENCES public.state_sources(org_id, id);

ALTER TABLE ONLY public.state_sources
    ADD CONSTRAINT state_sources_org_fkey FOREIGN KEY (org_id) REFERENCES public.orgs(id);

ALTER TABLE public.admin_audit_log ENABLE ROW LEVEL SECURITY;

CREATE POLICY admin_audit_log_org ON public.admin_audit_log USING ((chain = public.driftpack_org()));

ALTER TABLE public.api_keys ENABLE ROW LEVEL SECURITY;

CREATE POLICY api_keys_holder ON public.api_keys FOR SELECT USING ((key_hmac = decode(NULLIF(current_setting('driftpack.key_hmac'::text, true), ''::text), 'hex'::text)));

CREATE POLICY api_keys_holder_accepted ON public.api_keys FOR SELECT USING ((key_hmac = decode(NULLIF(current_setting('driftpack.key_hmac_accepted'::text, true), ''::text), 'hex'::text)));

CREATE POLICY api_keys_org ON public.api_keys USING ((org_id = public.driftpack_org()));

ALTER TABLE public.audit_chain_checks ENABLE ROW LEVEL SECURITY;

CREATE POLICY audit_chain_checks_org ON public.audit_chain_checks USING ((chain = public.driftpack_org()));

CREATE POLICY audit_chain_checks_platform ON public.audit_chain_checks FOR SELECT USING ((public.driftpack_org() = '00000000-0000-0000-0000-000000000000'::uuid));

ALTER TABLE public.audit_chain_heads ENABLE ROW LEVEL SECURITY;

CREATE POLICY audit_chain_heads_org ON public.audit_chain_heads USING ((chain = public.driftpack_org()));

ALTER TABLE public.audit_chain_rounds ENABLE ROW LEVEL SECURITY;

CREATE POLICY audit_chain_rounds_platform ON public.audit_chain_rounds USING ((public.driftpack_org() = '00000000-0000-0000-0000-000000000000'::uuid));

ALTER TABLE public.audit_chain_states ENABLE ROW LEVEL SECURITY;

CREATE POLICY audit_chain_states_org ON public.audit_chain_states USING ((chain = public.driftpack_org()));

CREATE POLICY audit_chain_states_platform ON public.audit_chain_states FOR SELECT USING ((public.driftpack_org() = '00000000-0000-0000-0000-000000000000'::uuid));

ALTER TABLE public.audit_exports ENABLE ROW LEVEL SECURITY;

CREATE POLICY audit_exports_org ON public.audit_exports USING ((org_id = public.driftpack_org()));

CREATE POLICY audit_exports_platform ON public.audit_exports FOR SELECT USING ((public.driftpack_org() = '00000000-0000-0000-0000-000000000000'::uuid));

ALTER TABLE public.custom_rule_versions ENABLE ROW LEVEL SECURITY;

CREATE POLICY custom_rule_versions_org ON public.custom_rule_versions USING ((org_id = public.driftpack_org()));

ALTER TABLE public.custom_rules ENABLE ROW LEVEL SECURITY;

CREATE POLICY custom_rules_org ON public.custom_rules USING ((org_id = public.driftpack_org()));

ALTER TABLE public.finding_events ENABLE ROW LEVEL SECURITY;

CREATE POLICY finding_events_org ON public.finding_events USING ((org_id = public.driftpack_org()));

ALTER TABLE public.findings ENABLE ROW LEVEL SECURITY;

CREATE POLICY findings_org ON public.findings USING ((org_id = public.driftpack_org()));

ALTER TABLE public.history_retention ENABLE ROW LEVEL SECURITY;

CREATE POLICY history_retention_org ON public.history_retention USING ((org_id = public.driftpack_org()));

ALTER TABLE public.idempotency_keys ENABLE ROW LEVEL SECURITY;

CREATE POLICY idempotency_keys_org ON public.idempotency_keys USING ((org_id = public.driftpack_org()));

ALTER TABLE public.ignored_drifts ENABLE ROW LEVEL SECURITY;

CREATE POLICY ignored_drifts_org ON public.ignored_drifts USING ((org_id = public.driftpack_org()));

ALTER TABLE public.invitations ENABLE ROW LEVEL SECURITY;

CREATE POLICY invitations_invited ON public.invitations FOR SELECT USING (((status = 'pending'::text) AND (email = NULLIF(current_setting('driftpack.invited_email'::text, true), ''::text))));

CREATE POLICY invitations_org ON public.invitations USING ((org_id = public.driftpack_org()));

ALTER TABLE public.memberships ENABLE ROW LEVEL SECURITY;

CREATE POLICY memberships_org ON public.memberships USING ((org_id = public.driftpack_org()));

CREATE POLICY memberships_own ON public.memberships FOR SELECT USING ((user_id = (NULLIF(current_setting('driftpack.user_id'::text, true), ''::text))::uuid));

ALTER TABLE public.org_plan_versions ENABLE ROW LEVEL SECURITY;

CREATE POLICY org_plan_versions_org ON public.org_plan_versions USING ((org_id = public.driftpack_org()));

ALTER TABLE public.orgs ENABLE ROW LEVEL SECURITY;

CREATE POLICY orgs_change ON public.orgs FOR UPDATE USING ((id = public.driftpack_org()));

CREATE POLICY orgs_create ON public.orgs FOR INSERT WITH CHECK (true);

CREATE POLICY orgs_directory ON public.orgs FOR SELECT USING (true);

ALTER TABLE public.removed_finding_numbers ENABLE ROW LEVEL SECURITY;

CREATE POLICY removed_finding_numbers_org ON public.removed_finding_numbers USING ((org_id = public.driftpack_org()));

ALTER TABLE public.scan_noise ENABLE ROW LEVEL SECURITY;

CREATE POLICY scan_noise_org ON public.scan_noise USING ((org_id = public.driftpack_org()));

ALTER TABLE public.scan_sightings ENABLE ROW LEVEL SECURITY;

CREATE POLICY scan_sightings_org ON public.scan_sightings USING ((org_id = public.driftpack_org()));

ALTER TABLE public.scans ENABLE ROW LEVEL SECURITY;

CREATE POLICY scans_org ON public.scans USING ((org_id = public.driftpack_org()));

ALTER TABLE public.state_source_versions ENABLE ROW LEVEL SECURITY;

CREATE POLICY state_source_versions_org ON public.state_source_versions USING ((org_id = public.driftpack_org()));

ALTER TABLE public.state_sources ENABLE ROW LEVEL SECURITY;

CREATE POLICY state_sources_org ON public.state_sources USING ((org_id = public.driftpack_org()));

GRANT USAGE ON SCHEMA public TO driftpack_app;

REVOKE ALL ON FUNCTION public.driftpack_erase_invitations(address text, person uuid, at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION public.driftpack_erase_invitations(address text, person uuid, at timestamp with time zone) TO driftpack_app;

REVOKE ALL ON FUNCTION public.driftpack_erase_person(person uuid, at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION public.driftpack_erase_person(person uuid, at timestamp with time zone) TO driftpack_app;

GRANT SELECT,INSERT ON TABLE public.orgs TO driftpack_app;

GRANT UPDATE(name) ON TABLE public.orgs TO driftpack_app;

GRANT UPDATE(plan) ON TABLE public.orgs TO driftpack_app;

GRANT UPDATE(finding_seq) ON TABLE public.orgs TO driftpack_app;

GRANT SELECT ON TABLE public.history_retention TO driftpack_app;

REVOKE ALL ON FUNCTION public.driftpack_lock_sources(sources uuid[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.driftpack_note_removed(numbers int8multirange) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.driftpack_remove_findings(after_number bigint, size integer, OUT last_number bigint, OUT removed bigint, OUT removed_events bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.driftpack_remove_findings(after_number bigint, size integer, OUT last_number bigint, OUT removed bigint, OUT removed_events bigint) TO driftpack_app;

REVOKE ALL ON FUNCTION public.driftpack_remove_org_rows(size integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.driftpack_remove_org_rows(size integer) TO driftpack_app;

REVOKE ALL ON FUNCTION public.driftpack_remove_scans(after_at timestamp with time zone, after_id uuid, size integer, OUT last_at timestamp with time zone, OUT last_id uuid, OUT looked_at bigint, OUT removed bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.driftpack_remove_scans(after_at timestamp with time zone, after_id uuid, size integer, OUT last_at timestamp with time zone, OUT last_id uuid, OUT looked_at bigint, OUT removed bigint) TO driftpack_app;

REVOKE ALL ON FUNCTION public.driftpack_retain_history(at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION public.driftpack_retain_history(at timestamp with time zone) TO driftpack_app;

REVOKE ALL ON FUNCTION public.driftpack_tell_removed(OUT kept_from timestamp with time zone, OUT scans bigint, OUT findings bigint, OUT events bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.driftpack_tell_removed(OUT kept_from timestamp with time zone, OUT scans bigint, OUT findings bigint, OUT events bigint) TO driftpack_app;

GRANT SELECT,INSERT ON TABLE public.admin_audit_log TO driftpack_app;

GRANT SELECT,INSERT ON TABLE public.api_keys TO driftpack_app;

GRANT UPDATE(key_hmac) ON TABLE public.api_keys TO driftpack_app;

GRANT UPDATE(revoked_at) ON TABLE public.api_keys TO driftpack_app;

GRANT UPDATE(last_used_at) ON TABLE public.api_keys TO driftpack_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.audit_chain_checks TO driftpack_app;

GRANT SELECT,INSERT ON TABLE public.audit_chain_heads TO driftpack_app;

GRANT UPDATE(seq) ON TABLE public.audit_chain_heads TO driftpack_app;

GRANT UPDATE(hash) ON TABLE public.audit_chain_heads TO driftpack_app;

GRANT UPDATE(created_at) ON TABLE public.audit_chain_heads TO driftpack_app;

GRANT UPDATE(sealed_at) ON TABLE public.audit_chain_heads TO driftpack_app;

GRANT SELECT,INSERT ON TABLE public.audit_chain_rounds TO driftpack_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.audit_chain_states TO driftpack_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.audit_exports TO driftpack_app;

GRANT SELECT,INSERT ON TABLE public.custom_rule_versions TO driftpack_app;

GRANT UPDATE(valid_until) ON TABLE public.custom_rule_versions TO driftpack_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.custom_rules TO driftpack_app;

GRANT SELECT,INSERT ON TABLE public.finding_events TO driftpack_app;

GRANT UPDATE(until) ON TABLE public.finding_events TO driftpack_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.findings TO driftpack_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.idempotency_keys TO driftpack_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.ignored_drifts TO driftpack_app;

GRANT SELECT,INSERT ON TABLE public.invitations TO driftpack_app;

GRANT UPDATE(status) ON TABLE public.invitations TO driftpack_app;

GRANT UPDATE(ended_at) ON TABLE public.invitations TO driftpack_app;

GRANT UPDATE(accepted_by) ON TABLE public.invitations TO driftpack_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.memberships TO driftpack_app;

GRANT UPDATE(role) ON TABLE public.memberships TO driftpack_app;

GRANT UPDATE(updated_at) ON TABLE public.memberships TO driftpack_app;

GRANT SELECT,INSERT ON TABLE public.org_plan_versions TO driftpack_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.platform_idempotency_keys TO driftpack_app;

GRANT SELECT,INSERT ON TABLE public.rate_limits TO driftpack_app;

GRANT SELECT ON TABLE public.removed_finding_numbers TO driftpack_app;

GRANT SELECT,INSERT ON TABLE public.scan_noise TO driftpack_app;

GRANT SELECT,INSERT ON TABLE public.scan_sightings TO driftpack_app;

GRANT SELECT,INSERT ON TABLE public.scans TO driftpack_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.sessions TO driftpack_app;

GRANT UPDATE(seen_at) ON TABLE public.sessions TO driftpack_app;

GRANT UPDATE(expires_at) ON TABLE public.sessions TO driftpack_app;

GRANT SELECT,INSERT ON TABLE public.state_source_versions TO driftpack_app;

GRANT UPDATE(valid_until) ON TABLE public.state_source_versions TO driftpack_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.state_sources TO driftpack_app;

GRANT SELECT ON TABLE public.state_source_history TO driftpack_app;

GRANT SELECT,INSERT ON TABLE public.users TO driftpack_app;

GRANT UPDATE(email) ON TABLE public.users TO driftpack_app;

GRANT UPDATE(is_platform_admin) ON TABLE public.users TO driftpack_app;

GRANT UPDATE(seen_at) ON TABLE public.users TO driftpack_app;

GRANT UPDATE(name) ON TABLE public.users TO driftpack_app;
