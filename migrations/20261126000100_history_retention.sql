-- expand
-- How long history is kept. Scans, and findings that were resolved, are removed when the plan of their organisation keeps them no
-- longer; nothing else of history ever is.
--
-- The rule stands in this file alone. The server's role still cannot delete a row of history: it may call the functions below,
-- which run as the owner of the tables, remove a batch at a time and take no row, no table and no time as a parameter that
-- could widen what goes. Triggers look at every row that goes, whoever removes it, the owner included.
create table history_retention (
  org_id          uuid        not null,
  kept_from       timestamptz not null,
  moved_at        timestamptz not null,
  scans           bigint      not null default 0,
  findings        bigint      not null default 0,
  events          bigint      not null default 0,
  scans_told      bigint      not null default 0,
  findings_told   bigint      not null default 0,
  events_told     bigint      not null default 0,
  constraint history_retention_pkey primary key (org_id),
  constraint history_retention_org_fkey foreign key (org_id) references orgs (id),
  constraint history_retention_finite check (isfinite(kept_from) and isfinite(moved_at)),
  constraint history_retention_counts check (
    least(scans_told, findings_told, events_told) >= 0
    and scans_told <= scans and findings_told <= findings and events_told <= events)
);
comment on table history_retention is 'From when on the history of an organisation is whole, and what was removed from before';
comment on column history_retention.kept_from is
  'Scans observed before it, and findings resolved before it, are removed or about to be. It only moves forward';
comment on column history_retention.moved_at is 'When it moved last';
comment on column history_retention.scans is 'Scans that were removed';
comment on column history_retention.findings is 'Findings that were removed';
comment on column history_retention.events is 'Events of these findings';
comment on column history_retention.scans_told is 'Of the removed scans those that the audit log tells of';
comment on column history_retention.findings_told is 'Of the removed findings those that the audit log tells of';
comment on column history_retention.events_told is 'Of the removed events those that the audit log tells of';

create table removed_finding_numbers (
  org_id       uuid   not null,
  first_number bigint not null,
  last_number  bigint not null,
  constraint removed_finding_numbers_pkey primary key (org_id, first_number),
  constraint removed_finding_numbers_org_fkey foreign key (org_id) references orgs (id),
  constraint removed_finding_numbers_order check (1 <= first_number and first_number <= last_number)
);
comment on table removed_finding_numbers is
  'Numbers of findings that retention has removed, as runs of neighbours: any other number that is missing is a gap';
comment on column removed_finding_numbers.first_number is 'The lowest number of the run';
comment on column removed_finding_numbers.last_number is 'The highest number of the run';

alter table findings add column sighted_until timestamptz;
comment on column findings.sighted_until is
  'Latest sighting that was listed with a scan which retention has removed; null: none was';

alter table history_retention enable row level security;
alter table history_retention force row level security;
create policy history_retention_org on history_retention using (org_id = driftpack_org());
alter table removed_finding_numbers enable row level security;
alter table removed_finding_numbers force row level security;
create policy removed_finding_numbers_org on removed_finding_numbers using (org_id = driftpack_org());
grant select on history_retention, removed_finding_numbers to driftpack_app;

-- The rule.

create function driftpack_plan_keeps(plan text) returns interval
  language sql immutable strict parallel safe
  return case plan when 'free' then interval '24 hours' when 'team' then interval '30 days' end;
comment on function driftpack_plan_keeps(text) is
  'How long a plan keeps history; null: without limit. The same as evidence::org::Plan::history';

create function driftpack_needed_from(at timestamptz) returns timestamptz
  language sql stable as $$
  -- A pack that has failed may be sent back to the step that failed for a week.
  select min(period_start)
    from audit_exports
   where org_id = driftpack_org()
     and (status in ('pending', 'running')
          or status = 'failed' and finished_at > at - interval '7 days')
$$;
comment on function driftpack_needed_from(timestamptz) is
  'From when on packs need history that are being made, wait to be made, or may be made after all; null: none does';

create function driftpack_history_ends(at timestamptz) returns timestamptz
  language sql stable as $$
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
comment on function driftpack_history_ends(timestamptz) is
  'Before when the history of the transaction''s organisation may go, by plan and by packs that need it; null: all is kept';

create function driftpack_retain_history(at timestamptz) returns timestamptz
  language plpgsql security definer set search_path = public, pg_temp as $$
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
comment on function driftpack_retain_history(timestamptz) is
  'Moves on what is kept of the transaction''s organisation; answers before when rows go now, null: nothing does';

-- Removing, a batch at a time.

create function driftpack_lock_sources(sources uuid[]) returns void
  language plpgsql as $$
begin
  -- As a scan does that is taken in: neither overlooks what the other does to a finding.
  perform from state_sources
    where org_id = driftpack_org() and id = any (sources)
    order by id
      for no key update;
end
$$;
comment on function driftpack_lock_sources(uuid[]) is 'Keeps scans and decisions away from the findings of these sources';

create function driftpack_remove_scans(after_at timestamptz, after_id uuid, size integer,
                                       out last_at timestamptz, out last_id uuid,
                                       out looked_at bigint, out removed bigint)
  language plpgsql security definer set search_path = public, pg_temp as $$
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
comment on function driftpack_remove_scans(timestamptz, uuid, integer) is
  'Removes scans of the transaction''s organisation that are older than what is kept: of the next ones in order those that nothing needs';

create function driftpack_remove_findings(after_number bigint, size integer,
                                          out last_number bigint, out removed bigint,
                                          out removed_events bigint)
  language plpgsql security definer set search_path = public, pg_temp as $$
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
comment on function driftpack_remove_findings(bigint, integer) is
  'Removes findings of the transaction''s organisation, with their events, that were resolved before what is kept';

create function driftpack_note_removed(numbers int8multirange) returns void
  language plpgsql as $$
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
comment on function driftpack_note_removed(int8multirange) is 'Keeps in mind which numbers retention has taken away';

create function driftpack_tell_removed(out kept_from timestamptz, out scans bigint, out findings bigint,
                                       out events bigint)
  language plpgsql security definer set search_path = public, pg_temp as $$
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
comment on function driftpack_tell_removed() is
  'What was removed since the audit log was told last; the caller tells it in the same transaction';

revoke all on function driftpack_retain_history(timestamptz),
                       driftpack_remove_scans(timestamptz, uuid, integer),
                       driftpack_remove_findings(bigint, integer),
                       driftpack_tell_removed(),
                       driftpack_lock_sources(uuid[]),
                       driftpack_note_removed(int8multirange) from public;
grant execute on function driftpack_retain_history(timestamptz),
                          driftpack_remove_scans(timestamptz, uuid, integer),
                          driftpack_remove_findings(bigint, integer),
                          driftpack_tell_removed() to driftpack_app;

-- What goes is looked at, whoever removes it.

create function driftpack_kept_from(org uuid) returns timestamptz
  language sql stable
  return (select kept_from from history_retention where org_id = org);
comment on function driftpack_kept_from(uuid) is 'Before when history of an organisation may go; null: none may';

create function driftpack_only_past_retention() returns trigger
  language plpgsql as $$
declare
  kept boolean;
begin
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
comment on function driftpack_only_past_retention() is 'Trigger: of history only what is older than retention keeps ever goes';

drop trigger scans_append_only on scans;
create trigger scans_append_only before update on scans
  for each row execute function driftpack_refuse_change();
create trigger scans_past_retention after delete on scans
  referencing old table as gone for each statement execute function driftpack_only_past_retention();
drop trigger scan_noise_append_only on scan_noise;
create trigger scan_noise_append_only before update on scan_noise
  for each row execute function driftpack_refuse_change();
create trigger scan_noise_past_retention after delete on scan_noise
  referencing old table as gone for each statement execute function driftpack_only_past_retention();
drop trigger scan_sightings_append_only on scan_sightings;
create trigger scan_sightings_append_only before update on scan_sightings
  for each row execute function driftpack_refuse_change();
create trigger scan_sightings_past_retention after delete on scan_sightings
  referencing old table as gone for each statement execute function driftpack_only_past_retention();
drop trigger findings_no_delete on findings;
create trigger findings_past_retention after delete on findings
  referencing old table as gone for each statement execute function driftpack_only_past_retention();
drop trigger finding_events_no_delete on finding_events;
create trigger finding_events_past_retention after delete on finding_events
  referencing old table as gone for each statement execute function driftpack_only_past_retention();

-- What was removed stays told.

create function driftpack_retention_moves_forward() returns trigger
  language plpgsql as $$
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
comment on function driftpack_retention_moves_forward() is 'Trigger: what is kept begins later and later, and what was removed stays counted';
create trigger history_retention_forward before update on history_retention
  for each row execute function driftpack_retention_moves_forward();
create trigger history_retention_no_delete before delete on history_retention
  for each row execute function driftpack_refuse_change();
create trigger history_retention_no_truncate before truncate on history_retention
  for each statement execute function driftpack_refuse_change();
create trigger removed_finding_numbers_no_truncate before truncate on removed_finding_numbers
  for each statement execute function driftpack_refuse_change();
