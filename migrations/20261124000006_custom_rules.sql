-- Risk rules of an organisation. Every version is kept: a pack shows them as they were.
create table custom_rules (
  org_id            uuid        not null,
  id                uuid        not null,
  name              text        not null,
  position          integer     not null,
  resource_pattern  text        not null,
  attribute_pattern text,
  drift_type        text,
  risk_level        text        not null,
  reason            text        not null,
  enabled           boolean     not null,
  version           integer     not null,
  created_at        timestamptz not null,
  updated_at        timestamptz not null,
  deleted_at        timestamptz,
  constraint custom_rules_pkey primary key (org_id, id),
  constraint custom_rules_org_fkey foreign key (org_id) references orgs (id),
  constraint custom_rules_name_length check (char_length(name) between 1 and 200),
  constraint custom_rules_reason_length check (char_length(reason) between 1 and 2000),
  constraint custom_rules_drift_type_known check (drift_type in ('missing', 'extra', 'changed')),
  constraint custom_rules_risk_level_known
    check (risk_level in ('critical', 'high', 'medium', 'low', 'ignore'))
);
comment on table custom_rules is 'Risk rules of an organisation, as they are';
comment on column custom_rules.position is 'Rules are asked from the lowest position up; the first that matches decides';
comment on column custom_rules.resource_pattern is 'Glob on the address or the type of a resource';
comment on column custom_rules.attribute_pattern is 'Glob on changed attribute names; null: any';
comment on column custom_rules.drift_type is 'Null: any';
comment on column custom_rules.risk_level is 'ignore: the drift becomes no finding, but is counted';
comment on column custom_rules.version is 'Number of the row in custom_rule_versions that says the same';
create unique index custom_rules_name_key on custom_rules (org_id, name) where deleted_at is null;

create table custom_rule_versions (
  org_id            uuid        not null,
  rule_id           uuid        not null,
  version           integer     not null,
  name              text        not null,
  position          integer     not null,
  resource_pattern  text        not null,
  attribute_pattern text,
  drift_type        text,
  risk_level        text        not null,
  reason            text        not null,
  enabled           boolean     not null,
  deleted           boolean     not null,
  valid_from        timestamptz not null,
  valid_until       timestamptz,
  changed_by_kind   text        not null,
  changed_by_id     text        not null,
  constraint custom_rule_versions_pkey primary key (org_id, rule_id, version),
  constraint custom_rule_versions_rule_fkey
    foreign key (org_id, rule_id) references custom_rules (org_id, id),
  constraint custom_rule_versions_interval check (valid_until >= valid_from),
  constraint custom_rule_versions_actor_known
    check (changed_by_kind in ('user', 'api_key', 'system', 'operator'))
);
comment on table custom_rule_versions is 'What a rule said in [valid_from, valid_until)';
comment on column custom_rule_versions.valid_until is 'Null: still holds';

create trigger custom_rule_versions_history before update on custom_rule_versions
  for each row execute function driftpack_only_end_is_set('valid_until');
create trigger custom_rule_versions_no_delete before delete on custom_rule_versions
  for each row execute function driftpack_refuse_change();
create trigger custom_rule_versions_no_truncate before truncate on custom_rule_versions
  for each statement execute function driftpack_refuse_change();

alter table custom_rules enable row level security;
alter table custom_rules force row level security;
create policy custom_rules_org on custom_rules using (org_id = driftpack_org());
alter table custom_rule_versions enable row level security;
alter table custom_rule_versions force row level security;
create policy custom_rule_versions_org on custom_rule_versions using (org_id = driftpack_org());
grant select, insert, update on custom_rules to driftpack_app;
grant select, insert, update (valid_until) on custom_rule_versions to driftpack_app;
