-- What came of verifying the audit chains: where each one stands, every check of it, and the rounds in which all are checked.
-- Nothing here repairs a chain. A chain's own rows are those of its organisation; the platform may look at all of them.
create table audit_chain_states (
  chain            uuid        not null,
  status           text,
  verified_seq     bigint      not null default 0,
  verified_hash    bytea,
  checked_at       timestamptz,
  checked_by       uuid,
  read_whole_at    timestamptz,
  alarm_since      timestamptz,
  first_bad_seq    bigint,
  first_bad_kind   text,
  message          text,
  recorded_seq     bigint,
  unreadable_since timestamptz,
  alarm            boolean     not null generated always as (
    coalesce(status <> 'ok', false)
    and not (chain = '00000000-0000-0000-0000-000000000000' and status = 'empty')) stored,
  constraint audit_chain_states_pkey primary key (chain),
  constraint audit_chain_states_status_known check (status in ('ok', 'broken', 'truncated', 'empty')),
  constraint audit_chain_states_kind_known
    check (first_bad_kind in ('content', 'link', 'gap', 'columns', 'head')),
  constraint audit_chain_states_position
    check (verified_seq >= 0 and (verified_seq = 0) = (verified_hash is null)),
  constraint audit_chain_states_hash_length check (octet_length(verified_hash) = 32),
  constraint audit_chain_states_bad_together check ((first_bad_seq is null) = (first_bad_kind is null)),
  constraint audit_chain_states_checked_together
    check (num_nulls(status, checked_at, checked_by, message) in (0, 4)),
  constraint audit_chain_states_alarm_since check (alarm = (alarm_since is not null))
);
comment on table audit_chain_states is 'What the latest check of each audit chain found, and how far the chain was ever found right';
comment on column audit_chain_states.chain is 'The organisation, or the nil UUID for the platform';
comment on column audit_chain_states.status is 'Latest verdict; null while there is none';
comment on column audit_chain_states.verified_seq is 'The furthest entry up to which all were found right; it stays when the chain is found broken';
comment on column audit_chain_states.verified_hash is 'Hash of that entry; null when there is none';
comment on column audit_chain_states.checked_at is 'Time of the latest verdict';
comment on column audit_chain_states.checked_by is 'Run that came to it';
comment on column audit_chain_states.read_whole_at is 'Latest verdict for which the chain was read from its first entry';
comment on column audit_chain_states.alarm_since is 'Since when every verdict has been an alarm';
comment on column audit_chain_states.first_bad_seq is 'Position of the first fault';
comment on column audit_chain_states.first_bad_kind is 'What is wrong there';
comment on column audit_chain_states.message is 'The verdict for a person';
comment on column audit_chain_states.recorded_seq is 'Entry of the platform chain that records the alarm; null when none does';
comment on column audit_chain_states.unreadable_since is 'Since when no check came to a verdict, because the chain could not be read';
comment on column audit_chain_states.alarm is 'Whether the verdict is an alarm: any but ok, and before the first act on the platform its chain may be empty';
create index audit_chain_states_alarm_idx on audit_chain_states (alarm_since, chain)
  where alarm or unreadable_since is not null;

-- Known positions are what a shortened or rewritten chain is found by.
create function driftpack_position_moves_forward() returns trigger
  language plpgsql as $$
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
comment on function driftpack_position_moves_forward() is 'Trigger: what was verified once stays known';
create trigger audit_chain_states_forward before update on audit_chain_states
  for each row execute function driftpack_position_moves_forward();
create trigger audit_chain_states_no_delete before delete on audit_chain_states
  for each row execute function driftpack_refuse_change();
create trigger audit_chain_states_no_truncate before truncate on audit_chain_states
  for each statement execute function driftpack_refuse_change();

create table audit_chain_checks (
  chain             uuid        not null,
  checked_at        timestamptz not null,
  checked_by        uuid        not null,
  extent            text        not null,
  status            text        not null,
  checked           bigint      not null,
  verified_from_seq bigint,
  head_seq          bigint,
  head_hash         bytea,
  first_bad_seq     bigint,
  first_bad_kind    text,
  message           text        not null,
  constraint audit_chain_checks_pkey primary key (chain, checked_at, checked_by),
  constraint audit_chain_checks_extent_known check (extent in ('partial', 'full')),
  constraint audit_chain_checks_status_known check (status in ('ok', 'broken', 'truncated', 'empty')),
  constraint audit_chain_checks_kind_known
    check (first_bad_kind in ('content', 'link', 'gap', 'columns', 'head')),
  constraint audit_chain_checks_hash_length check (octet_length(head_hash) = 32)
);
comment on table audit_chain_checks is 'Every check of a chain: those that found it right for 90 days, all others for ever';
comment on column audit_chain_checks.extent is 'partial: from the last verified entry on; full: from the first';
comment on column audit_chain_checks.checked is 'Entries found right, up to the first bad one';
comment on column audit_chain_checks.verified_from_seq is 'First entry that was read; null when there was none';
comment on column audit_chain_checks.head_seq is 'Last entry that was found right';
comment on column audit_chain_checks.head_hash is 'Its hash';

create function driftpack_keep_checks() returns trigger
  language plpgsql as $$
begin
  if tg_op = 'DELETE' and old.status = 'ok' and old.checked_at < now() - interval '90 days' then
    return old;
  end if;
  raise exception '% is append-only for 90 days, and for ever where a fault was found: % refused',
    tg_table_name, lower(tg_op)
    using errcode = 'insufficient_privilege';
end
$$;
comment on function driftpack_keep_checks() is 'Trigger: only checks that found nothing wrong ever go, after 90 days';
create trigger audit_chain_checks_keep before update or delete on audit_chain_checks
  for each row execute function driftpack_keep_checks();
create trigger audit_chain_checks_no_truncate before truncate on audit_chain_checks
  for each statement execute function driftpack_refuse_change();

create table audit_chain_rounds (
  run_id     uuid        not null,
  extent     text        not null,
  started_at timestamptz not null,
  ended_at   timestamptz not null,
  ok         bigint      not null,
  broken     bigint      not null,
  truncated  bigint      not null,
  empty      bigint      not null,
  unreadable bigint      not null,
  constraint audit_chain_rounds_pkey primary key (run_id),
  constraint audit_chain_rounds_extent_known check (extent in ('partial', 'full')),
  constraint audit_chain_rounds_counts check (least(ok, broken, truncated, empty, unreadable) >= 0)
);
comment on table audit_chain_rounds is 'Completed rounds of checks over all chains, with how many had which verdict';
comment on column audit_chain_rounds.run_id is 'Run that made the round';
comment on column audit_chain_rounds.ended_at is 'When every chain had its turn';
comment on column audit_chain_rounds.ok is 'Chains found right';
comment on column audit_chain_rounds.broken is 'Chains found broken';
comment on column audit_chain_rounds.truncated is 'Chains found cut off';
comment on column audit_chain_rounds.empty is 'Chains found without an entry';
comment on column audit_chain_rounds.unreadable is 'Chains that could not be read';
create index audit_chain_rounds_ended_idx on audit_chain_rounds (extent, ended_at);
create trigger audit_chain_rounds_append_only before update or delete on audit_chain_rounds
  for each row execute function driftpack_refuse_change();
create trigger audit_chain_rounds_no_truncate before truncate on audit_chain_rounds
  for each statement execute function driftpack_refuse_change();

alter table audit_chain_states enable row level security;
alter table audit_chain_states force row level security;
create policy audit_chain_states_org on audit_chain_states using (chain = driftpack_org());
create policy audit_chain_states_platform on audit_chain_states for select
  using (driftpack_org() = '00000000-0000-0000-0000-000000000000');
alter table audit_chain_checks enable row level security;
alter table audit_chain_checks force row level security;
create policy audit_chain_checks_org on audit_chain_checks using (chain = driftpack_org());
create policy audit_chain_checks_platform on audit_chain_checks for select
  using (driftpack_org() = '00000000-0000-0000-0000-000000000000');
alter table audit_chain_rounds enable row level security;
alter table audit_chain_rounds force row level security;
create policy audit_chain_rounds_platform on audit_chain_rounds
  using (driftpack_org() = '00000000-0000-0000-0000-000000000000');
grant select, insert, update on audit_chain_states to driftpack_app;
grant select, insert, delete on audit_chain_checks to driftpack_app;
grant select, insert on audit_chain_rounds to driftpack_app;
