-- Findings: drifted resources followed over time, and every state that each was ever in.
create table findings (
  org_id             uuid        not null,
  id                 uuid        not null,
  number             bigint      not null,
  state_source_id    uuid        not null,
  tool_family        text        not null,
  address            text        not null,
  address_digest     bytea       not null generated always as (driftpack_digest(address)) stored,
  resource_type      text        not null,
  resource_name      text        not null,
  provider           text,
  drift_type         text        not null,
  risk_level         text        not null,
  risk_rule          text        not null,
  risk_level_now     text        not null,
  changed_attributes text[]      not null,
  status             text        not null,
  resolution         text,
  detected_at        timestamptz not null,
  last_clean_scan_at timestamptz,
  last_seen_at       timestamptz not null,
  open_since         timestamptz not null,
  state_since        timestamptz not null,
  event_seq          integer     not null,
  reopen_count       integer     not null,
  resolved_at        timestamptz,
  resolved_by        text,
  resolution_reason  text,
  constraint findings_pkey primary key (org_id, id),
  constraint findings_number_key unique (org_id, number),
  constraint findings_identity_key
    unique (org_id, state_source_id, tool_family, drift_type, address_digest)
    deferrable initially immediate,
  constraint findings_source_fkey
    foreign key (org_id, state_source_id) references state_sources (org_id, id),
  constraint findings_number_positive check (number >= 1),
  constraint findings_drift_type_known check (drift_type in ('missing', 'extra', 'changed')),
  constraint findings_tool_family_known check (tool_family in ('terraform', 'driftctl')),
  constraint findings_risk_level_known check (risk_level in ('critical', 'high', 'medium', 'low')),
  constraint findings_risk_level_now_known
    check (risk_level_now in ('critical', 'high', 'medium', 'low')),
  constraint findings_status_known
    check (status in ('open', 'resolved', 'accepted', 'false_positive')),
  constraint findings_resolution_known
    check (resolution in ('no_longer_observed', 'reverted', 'codified', 'accepted_risk',
                          'false_positive')),
  constraint findings_resolved_together check (
    (status = 'open') = (resolution is null) and (status = 'open') = (resolved_at is null))
);
comment on table findings is 'Drifted resources, followed over time: the latest state of each';
comment on column findings.number is 'Per organisation: 1, 2, 3 … without gaps';
comment on column findings.tool_family is
  'Tools that can see it; only a complete scan by one of them says that it is gone';
comment on column findings.address_digest is 'SHA-256 of the address: identity for addresses of any length';
comment on column findings.risk_level is 'As at detection; never changes';
comment on column findings.risk_rule is 'What graded it at detection: builtin:<id>, custom:<uuid> or default';
comment on column findings.risk_level_now is 'As at the latest scan that saw it';
comment on column findings.changed_attributes is 'Names only, never values';
comment on column findings.detected_at is 'The first scan that saw it';
comment on column findings.last_clean_scan_at is 'The latest complete scan before it was opened: the true start lies in between';
comment on column findings.last_seen_at is 'The latest scan that saw it';
comment on column findings.open_since is 'Start of the latest time open';
comment on column findings.state_since is 'occurred_at of the newest event';
comment on column findings.event_seq is 'seq of the newest event';
comment on column findings.resolved_by is 'Opaque id of the person; null: a scan';
create index findings_open_idx on findings (org_id, state_source_id, tool_family)
  where status = 'open';
create index findings_status_idx on findings (org_id, status, number);
create index findings_risk_level_idx on findings (org_id, risk_level, number);

create function driftpack_finding_keeps_its_origin() returns trigger
  language plpgsql as $$
begin
  raise exception 'what a finding was at detection is never changed'
    using errcode = 'insufficient_privilege';
end
$$;
comment on function driftpack_finding_keeps_its_origin() is
  'Trigger: refuses a change of what a finding was at detection';
create trigger findings_origin before update on findings
  for each row
  when ((new.org_id, new.id, new.number, new.state_source_id, new.tool_family, new.drift_type,
         new.risk_level, new.risk_rule, new.detected_at)
        is distinct from
        (old.org_id, old.id, old.number, old.state_source_id, old.tool_family, old.drift_type,
         old.risk_level, old.risk_rule, old.detected_at))
  execute function driftpack_finding_keeps_its_origin();

create table finding_events (
  org_id             uuid        not null,
  number             bigint      not null,
  seq                integer     not null,
  kind               text        not null,
  status             text        not null,
  resolution         text,
  address            text        not null,
  changed_attributes text[]      not null,
  risk_level         text        not null,
  risk_level_now     text        not null,
  open_since         timestamptz not null,
  last_clean_scan_at timestamptz,
  last_seen_at       timestamptz not null,
  reopen_count       integer     not null,
  resolved_at        timestamptz,
  resolved_by        text,
  resolution_reason  text,
  occurred_at        timestamptz not null,
  until              timestamptz,
  recorded_at        timestamptz not null,
  actor_kind         text        not null,
  actor_id           text        not null,
  reason             text,
  scan_id            uuid,
  constraint finding_events_pkey primary key (org_id, number, seq),
  constraint finding_events_finding_fkey
    foreign key (org_id, number) references findings (org_id, number),
  constraint finding_events_interval check (until > occurred_at),
  constraint finding_events_kind_known
    check (kind in ('detected', 'updated', 'regraded', 'moved', 'resolved', 'reopened', 'accepted',
                    'false_positive')),
  constraint finding_events_status_known
    check (status in ('open', 'resolved', 'accepted', 'false_positive')),
  constraint finding_events_actor_known
    check (actor_kind in ('user', 'api_key', 'system', 'operator'))
);
comment on table finding_events is
  'What a finding was in [occurred_at, until), and the event that made it so. Packs read nothing else';
comment on column finding_events.number is
  'The finding''s. A pack reads events in this order, beside the findings, and sorts nothing';
comment on column finding_events.seq is '1 is the detection';
comment on column finding_events.risk_level is 'As at detection';
comment on column finding_events.open_since is 'Hours to resolve = occurred_at of the resolved event - open_since';
comment on column finding_events.resolved_at is 'When the closing event occurred, carried along by later ones';
comment on column finding_events.reason is 'Why a person decided so';
comment on column finding_events.occurred_at is 'Observation time of the scan, or the time of a person''s decision';
comment on column finding_events.until is 'occurred_at of the next event; null: still so. The only column that is ever updated';
comment on column finding_events.recorded_at is 'When the row was written';
create unique index finding_events_current_key on finding_events (org_id, number)
  where until is null;

create trigger finding_events_history before update on finding_events
  for each row execute function driftpack_only_end_is_set('until');
create trigger finding_events_no_delete before delete on finding_events
  for each row execute function driftpack_refuse_change();
create trigger findings_no_delete before delete on findings
  for each row execute function driftpack_refuse_change();
create trigger finding_events_no_truncate before truncate on finding_events
  for each statement execute function driftpack_refuse_change();
create trigger findings_no_truncate before truncate on findings
  for each statement execute function driftpack_refuse_change();

alter table findings enable row level security;
alter table findings force row level security;
create policy findings_org on findings using (org_id = driftpack_org());
alter table finding_events enable row level security;
alter table finding_events force row level security;
create policy finding_events_org on finding_events using (org_id = driftpack_org());
grant select, insert, update on findings to driftpack_app;
grant select, insert, update (until) on finding_events to driftpack_app;
