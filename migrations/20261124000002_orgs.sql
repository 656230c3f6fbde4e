-- Organisations: the directory of tenants. Every role may look an organisation up; only a transaction
-- that works for it may change it.
create table orgs (
  id          uuid        not null,
  slug        text        not null,
  name        text        not null,
  plan        text        not null,
  finding_seq bigint      not null default 0,
  created_at  timestamptz not null,
  constraint orgs_pkey primary key (id),
  constraint orgs_slug_key unique (slug),
  constraint orgs_id_not_nil check (id <> '00000000-0000-0000-0000-000000000000'),
  constraint orgs_slug_valid check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  constraint orgs_name_length check (char_length(name) between 1 and 200),
  constraint orgs_plan_known check (plan in ('free', 'team', 'enterprise')),
  constraint orgs_finding_seq_positive check (finding_seq >= 0)
);
comment on table orgs is 'The tenant directory';
comment on column orgs.id is 'Never nil: the nil UUID names the platform chain';
comment on column orgs.slug is 'Short name in file names and on the command line';
comment on column orgs.plan is 'Plan in force; earlier ones in org_plan_versions';
comment on column orgs.finding_seq is 'Highest number given to a finding; numbers have no gaps';

alter table orgs enable row level security;
alter table orgs force row level security;
create policy orgs_directory on orgs for select using (true);
create policy orgs_create on orgs for insert with check (true);
create policy orgs_change on orgs for update using (id = driftpack_org());
grant select, insert, update (name, plan, finding_seq) on orgs to driftpack_app;

create table org_plan_versions (
  org_id          uuid        not null,
  version         integer     not null,
  plan            text        not null,
  valid_from      timestamptz not null,
  changed_by_kind text        not null,
  changed_by_id   text        not null,
  constraint org_plan_versions_pkey primary key (org_id, version),
  constraint org_plan_versions_org_fkey foreign key (org_id) references orgs (id),
  constraint org_plan_versions_plan_known check (plan in ('free', 'team', 'enterprise')),
  constraint org_plan_versions_actor_known
    check (changed_by_kind in ('user', 'api_key', 'system', 'operator'))
);
comment on table org_plan_versions is 'Which plan held from when, and who said so';
comment on column org_plan_versions.version is '1 is the plan that the organisation began with';
comment on column org_plan_versions.changed_by_id is 'Opaque id of the actor';

alter table org_plan_versions enable row level security;
alter table org_plan_versions force row level security;
create policy org_plan_versions_org on org_plan_versions using (org_id = driftpack_org());
create trigger org_plan_versions_append_only before update or delete on org_plan_versions
  for each row execute function driftpack_refuse_change();
create trigger org_plan_versions_no_truncate before truncate on org_plan_versions
  for each statement execute function driftpack_refuse_change();
grant select, insert on org_plan_versions to driftpack_app;
