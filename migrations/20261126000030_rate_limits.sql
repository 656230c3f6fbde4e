-- Whether a Redis counts requests for this database: from then on one without its data has lost it.
create table rate_limits (
  singleton      boolean     not null default true,
  established_at timestamptz not null,
  constraint rate_limits_pkey primary key (singleton),
  constraint rate_limits_singleton check (singleton)
);
comment on table rate_limits is 'Whether a Redis counts requests for this database; one row, or none yet';
comment on column rate_limits.singleton is 'Always true: there is one row';
comment on column rate_limits.established_at is 'When a Redis was first found without data, which was no loss';
grant select, insert on rate_limits to driftpack_app;

-- Answers to platform administrators; those of organisations are in idempotency_keys.
create table platform_idempotency_keys (
  key          text        not null,
  request_hash bytea       not null,
  status       integer     not null,
  body         text,
  created_at   timestamptz not null,
  constraint platform_idempotency_keys_pkey primary key (key),
  constraint platform_idempotency_keys_key_length check (octet_length(key) between 1 and 255),
  constraint platform_idempotency_keys_hash_length check (octet_length(request_hash) = 32),
  constraint platform_idempotency_keys_status_http check (status between 100 and 599)
);
comment on table platform_idempotency_keys is 'Answers to repeat for a repeated request of a platform administrator';
comment on column platform_idempotency_keys.request_hash is
  'SHA-256 of who asked for what; another request under the same key is refused';
comment on column platform_idempotency_keys.body is 'The body of the answer, as it was sent; null: it held a secret that is shown once';
create index platform_idempotency_keys_created_at_idx on platform_idempotency_keys (created_at);
grant select, insert, delete on platform_idempotency_keys to driftpack_app;

-- An answer that held a secret is not kept.
alter table idempotency_keys alter column body drop not null;
comment on column idempotency_keys.body is 'The body of the answer, as it was sent; null: it held a secret that is shown once';
