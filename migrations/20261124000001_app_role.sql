-- The role that the server and the workers run as. It owns nothing and cannot bypass row security;
-- every later migration grants it the least that its table needs.
--
-- Roles belong to the whole cluster: two databases may be migrated at once, hence both exceptions.
do $$
begin
  create role driftpack_app nologin;
exception
  when duplicate_object or unique_violation then null;
end
$$;

grant usage on schema public to driftpack_app;
grant select on _sqlx_migrations to driftpack_app;

-- The organisation that the transaction works for; null (and so no row at all) when none is set.
create function driftpack_org() returns uuid
  language sql stable parallel safe
  return nullif(current_setting('driftpack.org_id', true), '')::uuid;
comment on function driftpack_org() is
  'The organisation whose rows the transaction may see: the setting driftpack.org_id';

-- Addresses have any length, index entries have not.
create function driftpack_digest(value text) returns bytea
  language sql immutable strict parallel safe
  return sha256(convert_to(value, 'UTF8'));
comment on function driftpack_digest(text) is
  'SHA-256 of the text; immutable because every database of the product is UTF-8';
