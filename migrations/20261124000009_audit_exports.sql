-- Requested Compliance Packs. Rows stay for ever; artifacts do not.
create table audit_exports (
  org_id          uuid        not null,
  id              uuid        not null,
  status          text        not null,
  period_start    timestamptz not null,
  period_end      timestamptz not null,
  requested_by    uuid        not null,
  requested_role  text        not null,
  requested_at    timestamptz not null,
  requested_seq   bigint      not null,
  request_id      text        not null,
  started_at      timestamptz,
  finished_at     timestamptz,
  expires_at      timestamptz not null,
  file_name       text,
  size_bytes      bigint,
  sha256          bytea,
  manifest_sha256 bytea,
  pdf_included    boolean,
  entries         jsonb,
  error_code      text,
  error_message   text,
  workflow_run_id uuid        not null,
  object_key      text,
  attested_seq    bigint,
  attested_hash   bytea,
  constraint audit_exports_pkey primary key (org_id, id),
  constraint audit_exports_run_key unique (org_id, workflow_run_id),
  constraint audit_exports_org_fkey foreign key (org_id) references orgs (id),
  constraint audit_exports_requested_by_fkey foreign key (requested_by) references users (id),
  constraint audit_exports_status_known
    check (status in ('pending', 'running', 'done', 'failed', 'expired', 'deleted')),
  constraint audit_exports_period_valid check (period_start < period_end),
  constraint audit_exports_sha256_length check (octet_length(sha256) = 32),
  constraint audit_exports_manifest_length check (octet_length(manifest_sha256) = 32),
  constraint audit_exports_attested_length check (octet_length(attested_hash) = 32),
  constraint audit_exports_attested_together
    check ((attested_seq is null) = (attested_hash is null)),
  constraint audit_exports_done_complete check (
    status not in ('done', 'expired')
    or num_nulls(started_at, finished_at, file_name, size_bytes, sha256, manifest_sha256,
                 pdf_included, entries, object_key, attested_seq) = 0)
);
comment on table audit_exports is 'Requested Compliance Packs';
comment on column audit_exports.period_end is 'Exclusive';
comment on column audit_exports.requested_role is 'Role of the requester at that time';
comment on column audit_exports.requested_seq is 'Audit entry that records the request';
comment on column audit_exports.expires_at is 'When the artifact is deleted: 90 days after the request';
comment on column audit_exports.entries is 'Array of {name, rows, bytes, sha256}, in the order of the pack';
comment on column audit_exports.workflow_run_id is 'The run that builds it';
comment on column audit_exports.object_key is 'Where storage keeps the artifact';
comment on column audit_exports.attested_seq is
  'Head of the audit chain in the moment that the pack is made from; known from then on, so that no later pack misses it';
create index audit_exports_newest_idx on audit_exports (org_id, requested_at desc, id desc);
create index audit_exports_due_idx on audit_exports (org_id, expires_at) where status = 'done';

create function driftpack_export_may_become(old_status text, new_status text) returns boolean
  language sql immutable strict parallel safe
  return old_status = new_status or (old_status, new_status) in (
    ('pending', 'running'), ('pending', 'failed'), ('pending', 'deleted'),
    ('running', 'done'), ('running', 'failed'), ('running', 'deleted'),
    ('failed', 'running'), ('failed', 'deleted'),
    ('done', 'expired'), ('done', 'deleted'));
comment on function driftpack_export_may_become(text, text) is
  'The legal steps of an export; the same table as db::exports::Status::may_become';

create function driftpack_export_steps() returns trigger
  language plpgsql as $$
begin
  if not driftpack_export_may_become(old.status, new.status) then
    raise exception 'an export that is % cannot become %', old.status, new.status
      using errcode = 'check_violation', constraint = 'audit_exports_step_legal';
  end if;
  return new;
end
$$;
comment on function driftpack_export_steps() is 'Trigger: exports take legal steps only';
create trigger audit_exports_steps before update on audit_exports
  for each row execute function driftpack_export_steps();
create trigger audit_exports_no_delete before delete on audit_exports
  for each row execute function driftpack_refuse_change();
create trigger audit_exports_no_truncate before truncate on audit_exports
  for each statement execute function driftpack_refuse_change();

alter table audit_exports enable row level security;
alter table audit_exports force row level security;
create policy audit_exports_org on audit_exports using (org_id = driftpack_org());
grant select, insert, update on audit_exports to driftpack_app;
