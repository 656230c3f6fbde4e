-- Scans, as they were read. A scan is never changed or removed.
create table scans (
  org_id            uuid        not null,
  id                uuid        not null,
  state_source_id   uuid        not null,
  status            text        not null,
  format            text        not null,
  tool_family       text        not null,
  tool              text        not null,
  tool_version      text,
  observed_at       timestamptz not null,
  ingested_at       timestamptz not null,
  late              boolean     not null,
  drift_reported    boolean     not null,
  resources_total   bigint,
  resources_managed bigint,
  drifted           bigint      not null,
  missing           bigint      not null,
  extra             bigint      not null,
  noise_suppressed  bigint      not null,
  ignored           bigint      not null,
  serial            bigint,
  lineage           text,
  triggered_by      text        not null,
  ci                jsonb       not null,
  error             text,
  warnings          jsonb       not null,
  content_sha256    bytea       not null,
  size_bytes        bigint      not null,
  constraint scans_pkey primary key (org_id, id),
  constraint scans_content_key unique (org_id, state_source_id, content_sha256, observed_at),
  constraint scans_source_fkey
    foreign key (org_id, state_source_id) references state_sources (org_id, id),
  constraint scans_status_known check (status in ('done', 'partial', 'failed')),
  constraint scans_tool_family_known check (tool_family in ('terraform', 'driftctl')),
  constraint scans_content_sha256_length check (octet_length(content_sha256) = 32),
  constraint scans_ci_object check (jsonb_typeof(ci) = 'object'),
  constraint scans_counts_positive
    check (least(resources_total, resources_managed, drifted, missing, extra, noise_suppressed,
                 ignored, size_bytes) >= 0),
  constraint scans_counts_plausible
    check (greatest(resources_total, resources_managed, drifted, missing, extra) <= 1000000000)
);
comment on table scans is 'Drift scans, as they were read';
comment on column scans.observed_at is 'When the tool looked';
comment on column scans.tool_family is 'Tools that see the same things; a scan moves only findings of its own family';
comment on column scans.late is
  'Observed before the newest scan of its source and family that did not fail: counted, but moved no finding';
comment on column scans.drift_reported is 'Whether the file speaks of drift at all; an absent list is not an empty one';
comment on column scans.resources_total is 'Resources that were checked, the missing ones among them';
comment on column scans.resources_managed is
  'Resources known to the state, where the tool also looks for others; else null';
comment on column scans.drifted is 'Resources that are there but different';
comment on column scans.noise_suppressed is 'Resources whose differences were all set aside as noise; by rule in scan_noise';
comment on column scans.ignored is 'Drifts that a custom rule keeps from being findings; by rule in scan_noise';
comment on column scans.triggered_by is 'Who handed it in: kind and opaque id of the actor';
comment on column scans.ci is 'What the caller said about the pipeline';
comment on column scans.content_sha256 is 'Of the bytes that were handed in, unpacked';
create index scans_observed_at_idx on scans (org_id, observed_at, id);
create index scans_source_idx on scans (org_id, state_source_id, observed_at);

create table scan_noise (
  org_id       uuid    not null,
  scan_id      uuid    not null,
  kind         text    not null,
  rule         text    not null,
  rule_version integer,
  resources    bigint  not null,
  attributes   bigint  not null,
  constraint scan_noise_pkey primary key (org_id, scan_id, kind, rule),
  constraint scan_noise_scan_fkey foreign key (org_id, scan_id) references scans (org_id, id),
  constraint scan_noise_kind_known check (kind in ('noise', 'ignored')),
  constraint scan_noise_version_known check ((kind = 'ignored') = (rule_version is not null)),
  constraint scan_noise_counts_positive check (resources >= 0 and attributes >= 0)
);
comment on table scan_noise is 'What a scan showed and no finding came of, counted by rule';
comment on column scan_noise.kind is 'noise: a built-in rule set the difference aside; ignored: a custom rule said ignore';
comment on column scan_noise.rule is 'Name of the built-in rule, or id of the custom rule';
comment on column scan_noise.rule_version is 'What the custom rule said then: a row of custom_rule_versions';

create table scan_sightings (
  org_id   uuid     not null,
  scan_id  uuid     not null,
  findings bigint[] not null,
  constraint scan_sightings_pkey primary key (org_id, scan_id),
  constraint scan_sightings_scan_fkey foreign key (org_id, scan_id) references scans (org_id, id)
);
comment on table scan_sightings is
  'Findings that a scan saw where nothing else tells: a complete scan saw every finding that stayed open';
comment on column scan_sightings.findings is 'Their numbers';

create table ignored_drifts (
  org_id             uuid  not null,
  state_source_id    uuid  not null,
  tool_family        text  not null,
  drift_type         text  not null,
  address_digest     bytea not null,
  last_clean_scan_at timestamptz,
  constraint ignored_drifts_pkey
    primary key (org_id, state_source_id, tool_family, drift_type, address_digest),
  constraint ignored_drifts_source_fkey
    foreign key (org_id, state_source_id) references state_sources (org_id, id),
  constraint ignored_drifts_digest_length check (octet_length(address_digest) = 32)
);
comment on table ignored_drifts is
  'Drifts that custom rules keep from being findings, as long as no complete scan misses them';
comment on column ignored_drifts.address_digest is 'SHA-256 of the address';
comment on column ignored_drifts.last_clean_scan_at is
  'The latest complete scan before the first that showed it; a finding that it becomes begins after that';

create trigger scans_append_only before update or delete on scans
  for each row execute function driftpack_refuse_change();
create trigger scan_noise_append_only before update or delete on scan_noise
  for each row execute function driftpack_refuse_change();
create trigger scan_sightings_append_only before update or delete on scan_sightings
  for each row execute function driftpack_refuse_change();
create trigger scans_no_truncate before truncate on scans
  for each statement execute function driftpack_refuse_change();
create trigger scan_noise_no_truncate before truncate on scan_noise
  for each statement execute function driftpack_refuse_change();
create trigger scan_sightings_no_truncate before truncate on scan_sightings
  for each statement execute function driftpack_refuse_change();

alter table scans enable row level security;
alter table scans force row level security;
create policy scans_org on scans using (org_id = driftpack_org());
alter table scan_noise enable row level security;
alter table scan_noise force row level security;
create policy scan_noise_org on scan_noise using (org_id = driftpack_org());
alter table scan_sightings enable row level security;
alter table scan_sightings force row level security;
create policy scan_sightings_org on scan_sightings using (org_id = driftpack_org());
alter table ignored_drifts enable row level security;
alter table ignored_drifts force row level security;
create policy ignored_drifts_org on ignored_drifts using (org_id = driftpack_org());
grant select, insert on scan_sightings to driftpack_app;
grant select, insert, delete on ignored_drifts to driftpack_app;
grant select, insert on scans to driftpack_app;
grant select, insert on scan_noise to driftpack_app;
