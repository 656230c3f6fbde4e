-- The audit log: one hash chain per organisation, and one for the platform (chain = nil UUID).
-- Entries are only ever added. Grants keep the server from anything else; triggers keep everybody,
-- the owner included, from doing it by mistake.
create table audit_chain_heads (
  chain      uuid        not null,
  seq        bigint      not null,
  hash       bytea,
  created_at timestamptz not null,
  constraint audit_chain_heads_pkey primary key (chain),
  constraint audit_chain_heads_seq_positive check (seq >= 0),
  constraint audit_chain_heads_hash_present check ((seq = 0) = (hash is null)),
  constraint audit_chain_heads_hash_length check (octet_length(hash) = 32)
);
comment on table audit_chain_heads is
  'The newest entry of each chain; its row is locked while an entry is appended';
comment on column audit_chain_heads.seq is '0 until the first entry is there';
comment on column audit_chain_heads.created_at is 'Time of the newest entry; entries never go back in time';

create table admin_audit_log (
  chain      uuid        not null,
  seq        bigint      not null,
  id         uuid        not null,
  action     text        not null,
  actor_type text        not null,
  actor_id   text        not null,
  created_at timestamptz not null,
  detail     text        not null,
  origin     text        not null,
  outcome    text        not null,
  prev_hash  bytea,
  hash       bytea       not null,
  canonical  text        not null,
  constraint admin_audit_log_pkey primary key (chain, seq),
  constraint admin_audit_log_prev_hash_key unique nulls not distinct (chain, prev_hash),
  constraint admin_audit_log_id_key unique (chain, id),
  constraint admin_audit_log_seq_positive check (seq >= 1),
  constraint admin_audit_log_genesis check ((seq = 1) = (prev_hash is null)),
  constraint admin_audit_log_hash_length check (octet_length(hash) = 32),
  constraint admin_audit_log_prev_hash_length check (octet_length(prev_hash) = 32),
  constraint admin_audit_log_actor_known
    check (actor_type in ('user', 'api_key', 'system', 'operator')),
  constraint admin_audit_log_outcome_known check (outcome in ('success', 'failure'))
);
comment on table admin_audit_log is 'The audit log: hash chains that are only ever added to';
comment on column admin_audit_log.chain is 'The organisation, or the nil UUID for the platform';
comment on column admin_audit_log.seq is 'Position in the chain: 1, 2, 3 … without gaps';
comment on column admin_audit_log.actor_id is 'Opaque id; names and addresses live in users';
comment on column admin_audit_log.created_at is 'Taken under the lock on the head, so never before the entry before';
comment on column admin_audit_log.detail is 'RFC 8785 JSON, the text that is part of canonical';
comment on column admin_audit_log.origin is 'Request id or workflow run id';
comment on column admin_audit_log.prev_hash is 'Hash of the entry before; null only at seq 1';
comment on column admin_audit_log.hash is 'SHA-256 of "v1\n" and canonical';
comment on column admin_audit_log.canonical is 'RFC 8785 JSON of the entry: the exact text that was hashed';
create index admin_audit_log_created_at_idx on admin_audit_log (chain, created_at, seq);

create trigger admin_audit_log_append_only
  before update or delete on admin_audit_log
  for each row execute function driftpack_refuse_change();
create trigger admin_audit_log_no_truncate
  before truncate on admin_audit_log
  for each statement execute function driftpack_refuse_change();
create trigger audit_chain_heads_no_delete
  before delete on audit_chain_heads
  for each row execute function driftpack_refuse_change();
create trigger audit_chain_heads_no_truncate
  before truncate on audit_chain_heads
  for each statement execute function driftpack_refuse_change();

create function driftpack_head_moves_forward() returns trigger
  language plpgsql as $$
begin
  if new.chain is distinct from old.chain
     or new.seq is distinct from old.seq + 1
     or new.created_at < old.created_at then
    raise exception 'the head of chain % cannot go from % to %', old.chain, old.seq, new.seq
      using errcode = 'check_violation';
  end if;
  return new;
end
$$;
comment on function driftpack_head_moves_forward() is 'Trigger: a chain grows by one entry at a time';
create trigger audit_chain_heads_forward
  before update on audit_chain_heads
  for each row execute function driftpack_head_moves_forward();

alter table audit_chain_heads enable row level security;
alter table audit_chain_heads force row level security;
create policy audit_chain_heads_org on audit_chain_heads using (chain = driftpack_org());
alter table admin_audit_log enable row level security;
alter table admin_audit_log force row level security;
create policy admin_audit_log_org on admin_audit_log using (chain = driftpack_org());
grant select, insert, update (seq, hash, created_at) on audit_chain_heads to driftpack_app;
grant select, insert on admin_audit_log to driftpack_app;
