-- What the identity provider calls a person, as at the latest sign-in with a browser, for pages that greet them; null when
-- it says nothing, or after erasure.
alter table users add column name text;
alter table users add constraint users_name_length check (octet_length(name) between 1 and 1000);
grant update (name) on users to driftpack_app;

-- People who are signed in with a browser.
create table sessions (
  id_hash    bytea       not null,
  user_id    uuid        not null,
  created_at timestamptz not null,
  seen_at    timestamptz not null,
  expires_at timestamptz not null,
  ends_at    timestamptz not null,
  constraint sessions_pkey primary key (id_hash),
  constraint sessions_user_fkey foreign key (user_id) references users (id) on delete cascade,
  constraint sessions_hash_length check (octet_length(id_hash) = 32),
  constraint sessions_times_in_order check (created_at <= seen_at and expires_at <= ends_at)
);
comment on table sessions is 'Browsers that are signed in. The id that the browser holds is stored nowhere';
comment on column sessions.id_hash is 'SHA-256 of the id: who reads this table cannot sign in with what it says';
comment on column sessions.seen_at is 'Latest request, to the minute: it is written at most once a minute';
comment on column sessions.expires_at is 'When it ends unless it is used; moves with use';
comment on column sessions.ends_at is 'When it ends however much it is used';
create index sessions_user_idx on sessions (user_id);
create index sessions_expires_at_idx on sessions (expires_at);
grant select, insert, delete, update (seen_at, expires_at) on sessions to driftpack_app;
