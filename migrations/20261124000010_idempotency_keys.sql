-- Answers that are given again when a caller repeats a request with the same key.
create table idempotency_keys (
  org_id       uuid        not null,
  key          text        not null,
  request_hash bytea       not null,
  status       integer     not null,
  body         text        not null,
  created_at   timestamptz not null,
  constraint idempotency_keys_pkey primary key (org_id, key),
  constraint idempotency_keys_org_fkey foreign key (org_id) references orgs (id),
  constraint idempotency_keys_key_length check (octet_length(key) between 1 and 255),
  constraint idempotency_keys_hash_length check (octet_length(request_hash) = 32),
  constraint idempotency_keys_status_http check (status between 100 and 599)
);
comment on table idempotency_keys is 'Answers to repeat for a repeated request';
comment on column idempotency_keys.request_hash is 'SHA-256 of who asked for what; another request under the same key is refused';
comment on column idempotency_keys.body is 'The body of the answer, as it was sent';
create index idempotency_keys_created_at_idx on idempotency_keys (org_id, created_at);

alter table idempotency_keys enable row level security;
alter table idempotency_keys force row level security;
create policy idempotency_keys_org on idempotency_keys using (org_id = driftpack_org());
grant select, insert, delete on idempotency_keys to driftpack_app;
