-- expand
-- Deletion of an organisation. Its rows go; its audit chain stays, is sealed, and verifies for ever.
--
-- Only the owner of the tables says that an organisation is deleted: the server's role cannot, and so can remove no row of one
-- that lives. From that moment on the server takes the organisation for one that is not there.
alter table orgs add column deleted_at timestamptz;
comment on column orgs.deleted_at is 'Since when it is deleted; its slug stays taken, its audit chain stays';

create function driftpack_orgs_stay_deleted() returns trigger
  language plpgsql as $$
begin
  raise exception 'organisation % is deleted, and stays so', old.id
    using errcode = 'check_violation';
end
$$;
comment on function driftpack_orgs_stay_deleted() is 'Trigger: a deletion is not taken back';
create trigger orgs_stay_deleted before update on orgs
  for each row when (old.deleted_at is not null and new.deleted_at is distinct from old.deleted_at)
  execute function driftpack_orgs_stay_deleted();

create function driftpack_is_deleted(org uuid) returns boolean
  language sql stable
  return exists (select from orgs where id = org and deleted_at is not null);
comment on function driftpack_is_deleted(uuid) is 'Whether the organisation is deleted, so that its rows may go';

-- The seal.

alter table audit_chain_heads add column sealed_at timestamptz;
comment on column audit_chain_heads.sealed_at is 'Since when the chain takes no entry any more; null: it takes them';
grant update (sealed_at) on audit_chain_heads to driftpack_app;

create or replace function driftpack_head_moves_forward() returns trigger
  language plpgsql as $$
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

create function driftpack_sealed_chain_takes_nothing() returns trigger
  language plpgsql as $$
begin
  if exists (select from audit_chain_heads where chain = new.chain and sealed_at is not null) then
    raise exception 'chain % is sealed', new.chain using errcode = 'check_violation';
  end if;
  return new;
end
$$;
comment on function driftpack_sealed_chain_takes_nothing() is 'Trigger: no entry comes after the seal';
create trigger admin_audit_log_sealed before insert on admin_audit_log
  for each row execute function driftpack_sealed_chain_takes_nothing();

-- What may go with its organisation, and not before.

create function driftpack_keep_while_it_lives() returns trigger
  language plpgsql as $$
begin
  if driftpack_is_deleted(old.org_id) then
    return old;
  end if;
  raise exception '% is append-only while its organisation lives: % refused', tg_table_name, lower(tg_op)
    using errcode = 'insufficient_privilege';
end
$$;
comment on function driftpack_keep_while_it_lives() is 'Trigger: rows go with their organisation only';

drop trigger org_plan_versions_append_only on org_plan_versions;
create trigger org_plan_versions_append_only before update on org_plan_versions
  for each row execute function driftpack_refuse_change();
create trigger org_plan_versions_no_delete before delete on org_plan_versions
  for each row execute function driftpack_keep_while_it_lives();
drop trigger state_source_versions_no_delete on state_source_versions;
create trigger state_source_versions_no_delete before delete on state_source_versions
  for each row execute function driftpack_keep_while_it_lives();
drop trigger custom_rule_versions_no_delete on custom_rule_versions;
create trigger custom_rule_versions_no_delete before delete on custom_rule_versions
  for each row execute function driftpack_keep_while_it_lives();
drop trigger audit_exports_no_delete on audit_exports;
create trigger audit_exports_no_delete before delete on audit_exports
  for each row execute function driftpack_keep_while_it_lives();
drop trigger history_retention_no_delete on history_retention;
create trigger history_retention_no_delete before delete on history_retention
  for each row execute function driftpack_keep_while_it_lives();

create or replace function driftpack_only_past_retention() returns trigger
  language plpgsql as $$
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

-- Removing, a batch at a time.

create function driftpack_remove_org_rows(size integer) returns bigint
  language plpgsql security definer set search_path = public, pg_temp as $$
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
$$;
comment on function driftpack_remove_org_rows(integer) is
  'Removes some rows of the transaction''s organisation, which is deleted; how many, 0: none is left but those of its audit chain';
revoke all on function driftpack_remove_org_rows(integer) from public;
grant execute on function driftpack_remove_org_rows(integer) to driftpack_app;
