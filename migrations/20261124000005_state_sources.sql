-- Terraform states that are scanned. Every version is kept: a pack shows them as they were.
create table state_sources (
  org_id                       uuid        not null,
  id                           uuid        not null,
  name                         text        not null,
  kind                         text        not null,
  location                     text        not null,
  expected_scan_interval_hours integer,
  active                       boolean     not null,
  version                      integer     not null,
  created_at                   timestamptz not null,
  updated_at                   timestamptz not null,
  deleted_at                   timestamptz,
  first_observed_at            timestamptz,
  constraint state_sources_pkey primary key (org_id, id),
  constraint state_sources_org_fkey foreign key (org_id) references orgs (id),
  constraint state_sources_name_length check (char_length(name) between 1 and 200),
  constraint state_sources_location_length check (char_length(location) <= 2000),
  constraint state_sources_kind_known
    check (kind in ('s3', 'gcs', 'azure_blob', 'tfc', 'local', 'upload')),
  constraint state_sources_interval_positive
    check (expected_scan_interval_hours between 1 and 87600)
);
comment on table state_sources is 'Terraform states that are scanned for drift, as they are';
comment on column state_sources.location is 'For a person: bucket and key, workspace, path; may be empty';
comment on column state_sources.expected_scan_interval_hours is 'How often a complete scan is due; null: no schedule is known';
comment on column state_sources.active is 'Whether it is in scope';
comment on column state_sources.version is 'Number of the row in state_source_versions that says the same';
comment on column state_sources.deleted_at is 'Since when it is out of scope for good; its history stays';
comment on column state_sources.first_observed_at is 'Time of the earliest scan';
create unique index state_sources_name_key on state_sources (org_id, name) where deleted_at is null;

create table state_source_versions (
  org_id                       uuid        not null,
  state_source_id              uuid        not null,
  version                      integer     not null,
  name                         text        not null,
  kind                         text        not null,
  location                     text        not null,
  expected_scan_interval_hours integer,
  active                       boolean     not null,
  deleted                      boolean     not null,
  valid_from                   timestamptz not null,
  valid_until                  timestamptz,
  changed_by_kind              text        not null,
  changed_by_id                text        not null,
  constraint state_source_versions_pkey primary key (org_id, state_source_id, version),
  constraint state_source_versions_source_fkey
    foreign key (org_id, state_source_id) references state_sources (org_id, id),
  constraint state_source_versions_interval check (valid_until >= valid_from),
  constraint state_source_versions_actor_known
    check (changed_by_kind in ('user', 'api_key', 'system', 'operator'))
);
comment on table state_source_versions is 'What held for a state source in [valid_from, valid_until)';
comment on column state_source_versions.valid_until is 'Null: still holds';

create trigger state_source_versions_history before update on state_source_versions
  for each row execute function driftpack_only_end_is_set('valid_until');
create trigger state_source_versions_no_delete before delete on state_source_versions
  for each row execute function driftpack_refuse_change();
create trigger state_source_versions_no_truncate before truncate on state_source_versions
  for each statement execute function driftpack_refuse_change();

alter table state_sources enable row level security;
alter table state_sources force row level security;
create policy state_sources_org on state_sources using (org_id = driftpack_org());
alter table state_source_versions enable row level security;
alter table state_source_versions force row level security;
create policy state_source_versions_org on state_source_versions using (org_id = driftpack_org());
-- A source may be made known after scans of it were taken: it was in scope from the first of them on.
create view state_source_history with (security_invoker) as
select v.org_id,
       v.state_source_id,
       v.version,
       v.name,
       v.kind,
       v.location,
       v.expected_scan_interval_hours,
       v.active and not v.deleted as in_scope,
       v.deleted,
       case when v.version = 1 then least(v.valid_from, s.first_observed_at)
            else v.valid_from
       end as holds_from,
       v.valid_until as holds_until,
       v.valid_from as changed_at,
       v.changed_by_kind,
       v.changed_by_id
  from state_source_versions v
  join state_sources s on s.org_id = v.org_id and s.id = v.state_source_id
 where v.valid_until is null or v.valid_until > v.valid_from or v.version = 1;
comment on view state_source_history is
  'What held for a state source in [holds_from, holds_until); the first version reaches back to the first scan';
grant select on state_source_history to driftpack_app;

grant select, insert, update on state_sources to driftpack_app;
grant select, insert, update (valid_until) on state_source_versions to driftpack_app;
