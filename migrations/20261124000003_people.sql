-- People, their roles, and the keys of their machines.
create table users (
  id                uuid        not null,
  iss               text        not null,
  sub               text        not null,
  email             text,
  is_platform_admin boolean     not null default false,
  created_at        timestamptz not null,
  seen_at           timestamptz not null,
  constraint users_pkey primary key (id),
  constraint users_iss_sub_key unique (iss, sub),
  constraint users_iss_length check (octet_length(iss) between 1 and 1000),
  constraint users_sub_length check (octet_length(sub) between 1 and 1000),
  constraint users_email_length check (octet_length(email) between 1 and 1000)
);
comment on table users is
  'People known from an OIDC issuer. Names and addresses live only here, so that they can be erased';
comment on column users.iss is 'Issuer of the token';
comment on column users.sub is 'Subject of the token, unique within the issuer';
comment on column users.email is 'As the issuer says; null when it says nothing or after erasure';
comment on column users.seen_at is 'Latest time that the profile was taken from a token';
grant select, insert, update (email, is_platform_admin, seen_at) on users to driftpack_app;

create table memberships (
  org_id     uuid        not null,
  user_id    uuid        not null,
  role       text        not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  constraint memberships_pkey primary key (org_id, user_id),
  constraint memberships_org_fkey foreign key (org_id) references orgs (id),
  constraint memberships_user_fkey foreign key (user_id) references users (id),
  constraint memberships_role_known check (role in ('viewer', 'member', 'admin', 'owner'))
);
comment on table memberships is 'What a person may do in an organisation';
create index memberships_user_idx on memberships (user_id);

alter table memberships enable row level security;
alter table memberships force row level security;
create policy memberships_org on memberships using (org_id = driftpack_org());
-- A person may see the memberships that are their own, whatever the organisation.
create policy memberships_own on memberships for select
  using (user_id = nullif(current_setting('driftpack.user_id', true), '')::uuid);
grant select, insert, delete, update (role, updated_at) on memberships to driftpack_app;

create table api_keys (
  org_id       uuid        not null,
  id           uuid        not null,
  name         text        not null,
  key_hmac     bytea       not null,
  scopes       text[]      not null,
  created_by   uuid        not null,
  created_at   timestamptz not null,
  revoked_at   timestamptz,
  last_used_at timestamptz,
  constraint api_keys_pkey primary key (org_id, id),
  constraint api_keys_key_hmac_key unique (key_hmac),
  constraint api_keys_org_fkey foreign key (org_id) references orgs (id),
  constraint api_keys_created_by_fkey foreign key (created_by) references users (id),
  constraint api_keys_name_length check (char_length(name) between 1 and 200),
  constraint api_keys_hmac_length check (octet_length(key_hmac) = 32),
  constraint api_keys_scopes_known
    check (scopes <@ array['read', 'write'] and cardinality(scopes) between 1 and 2)
);
comment on table api_keys is 'Keys of machines. The key itself is stored nowhere';
comment on column api_keys.key_hmac is 'HMAC-SHA-256 of the key under the configured pepper';
comment on column api_keys.last_used_at is 'To the minute: it is written at most once a minute';

alter table api_keys enable row level security;
alter table api_keys force row level security;
create policy api_keys_org on api_keys using (org_id = driftpack_org());
-- Who holds a key may find its row before the organisation is known: the key names it.
create policy api_keys_holder on api_keys for select
  using (key_hmac = decode(nullif(current_setting('driftpack.key_hmac', true), ''), 'hex'));
grant select, insert, update (revoked_at, last_used_at) on api_keys to driftpack_app;
