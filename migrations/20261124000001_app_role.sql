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

-- Triggers of history, which is only added to. Grants keep the server from anything else; triggers
-- keep everybody, the owner included, from doing it by mistake.
create function driftpack_refuse_change() returns trigger
  language plpgsql as $$
begin
  raise exception '% is append-only: % refused', tg_table_name, lower(tg_op)
    using errcode = 'insufficient_privilege';
end
$$;
comment on function driftpack_refuse_change() is 'Trigger of append-only tables';

create function driftpack_only_end_is_set() returns trigger
  language plpgsql as $$
declare
  ending constant text := tg_argv[0];
  before constant jsonb := to_jsonb(old);
  after constant jsonb := to_jsonb(new);
begin
  if before -> ending <> 'null' or after -> ending = 'null'
     or (after - ending) is distinct from (before - ending) then
    raise exception '% is append-only: only % may be set, once', tg_table_name, ending
      using errcode = 'insufficient_privilege';
  end if;
  return new;
end
$$;
comment on function driftpack_only_end_is_set() is
  'Trigger: of an interval only the end is ever written, once; its argument names the column';
