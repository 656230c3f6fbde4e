-- expand
-- Erasure of a person: their names and addresses go, their opaque id stays, because the audit chains name it and must verify.
alter table users add column erased_at timestamptz;
comment on column users.erased_at is 'Since when nothing but the id is known; issuer and subject then name nobody';

create function driftpack_erase_person(person uuid, at timestamptz) returns boolean
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  delete from sessions where user_id = person;
  update users
     set iss = 'erased', sub = person::text, email = null, name = null, is_platform_admin = false,
         erased_at = at
   where id = person and erased_at is null;
  return found;
end
$$;
comment on function driftpack_erase_person(uuid, timestamptz) is
  'Takes names, addresses, identity and sessions of a person away; whether there was something to take';

create function driftpack_erase_invitations(address text, person uuid, at timestamptz) returns bigint
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  erased bigint;
begin
  update invitations
     set email = 'erased-' || id || '@invalid',
         status = case status when 'pending' then 'revoked' else status end,
         ended_at = coalesce(ended_at, at)
   where org_id = driftpack_org()
     and (email = address or accepted_by = person)
     and email <> 'erased-' || id || '@invalid';
  get diagnostics erased = row_count;
  return erased;
end
$$;
comment on function driftpack_erase_invitations(text, uuid, timestamptz) is
  'Takes an address, and that of who accepted it, out of the invitations of the transaction''s organisation; ends those that wait';

revoke all on function driftpack_erase_person(uuid, timestamptz),
                       driftpack_erase_invitations(text, uuid, timestamptz) from public;
grant execute on function driftpack_erase_person(uuid, timestamptz),
                          driftpack_erase_invitations(text, uuid, timestamptz) to driftpack_app;

-- An invitation ends once, and never says anything else afterwards, but that its address was erased.
create or replace function driftpack_invitation_ends_once() returns trigger
  language plpgsql as $$
declare
  ending constant text[] := array['status', 'ended_at', 'accepted_by'];
begin
  if old.status <> 'pending'
     and (new.status, new.ended_at, new.accepted_by)
         is distinct from (old.status, old.ended_at, old.accepted_by)
     or (to_jsonb(new) - ending - 'email') is distinct from (to_jsonb(old) - ending - 'email')
     or new.email not in (old.email, 'erased-' || old.id || '@invalid') then
    raise exception 'invitation % is %: it only ends, and once', old.id, old.status
      using errcode = 'check_violation';
  end if;
  return new;
end
$$;
