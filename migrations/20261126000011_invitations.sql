-- People who are to be members once their identity provider says that an address is theirs.
create table invitations (
  org_id      uuid        not null,
  id          uuid        not null,
  email       text        not null,
  role        text        not null,
  status      text        not null default 'pending',
  invited_by  uuid        not null,
  created_at  timestamptz not null,
  expires_at  timestamptz not null,
  ended_at    timestamptz,
  accepted_by uuid,
  constraint invitations_pkey primary key (org_id, id),
  constraint invitations_org_fkey foreign key (org_id) references orgs (id),
  constraint invitations_invited_by_fkey foreign key (invited_by) references users (id),
  constraint invitations_accepted_by_fkey foreign key (accepted_by) references users (id),
  constraint invitations_email_length check (octet_length(email) between 3 and 254),
  constraint invitations_email_folded check (email !~ '[A-Z]'),
  constraint invitations_role_known check (role in ('viewer', 'member', 'admin', 'owner')),
  constraint invitations_status_known check (status in ('pending', 'accepted', 'revoked', 'expired')),
  constraint invitations_ended check ((status = 'pending') = (ended_at is null)),
  constraint invitations_accepted check ((status = 'accepted') = (accepted_by is not null)),
  constraint invitations_expires_later check (expires_at > created_at)
);
comment on table invitations is 'Addresses whose owners become members when they sign in';
comment on column invitations.email is 'Its ASCII letters in lower case: so it is compared with what a token says';
comment on column invitations.status is 'A pending one whose time is over counts as expired, whether that was written down or not';
comment on column invitations.invited_by is 'While it is pending this person may give the role away: it is withdrawn otherwise';
comment on column invitations.expires_at is 'From then on nobody can accept it';
comment on column invitations.ended_at is 'When it was accepted or revoked, or had expired; null while it is pending';
comment on column invitations.accepted_by is 'Who became a member by it';
create unique index invitations_pending_key on invitations (org_id, email) where status = 'pending';
create index invitations_email_idx on invitations (email) where status = 'pending';
create index invitations_created_at_idx on invitations (org_id, created_at desc, id);

-- An invitation ends once, and never says anything else afterwards.
create function driftpack_invitation_ends_once() returns trigger
  language plpgsql as $$
begin
  if old.status <> 'pending'
     or (to_jsonb(new) - array['status', 'ended_at', 'accepted_by'])
        is distinct from (to_jsonb(old) - array['status', 'ended_at', 'accepted_by']) then
    raise exception 'invitation % is %: it only ends, and once', old.id, old.status
      using errcode = 'check_violation';
  end if;
  return new;
end
$$;
comment on function driftpack_invitation_ends_once() is 'Trigger: of an invitation only its end is written, once';
create trigger invitations_end_once before update on invitations
  for each row execute function driftpack_invitation_ends_once();

alter table invitations enable row level security;
alter table invitations force row level security;
create policy invitations_org on invitations using (org_id = driftpack_org());
-- Whose address it is may find the invitations of all organisations.
create policy invitations_invited on invitations for select
  using (status = 'pending' and email = nullif(current_setting('driftpack.invited_email', true), ''));
grant select, insert, update (status, ended_at, accepted_by) on invitations to driftpack_app;

-- Asked with every request of a person, so it is one round trip.
create function driftpack_is_invited(address text, at timestamptz) returns boolean
  language plpgsql as $$
begin
  perform set_config('driftpack.invited_email', address, true);
  return exists (
    select from invitations where email = address and status = 'pending' and expires_at > at
  );
end
$$;
comment on function driftpack_is_invited(text, timestamptz) is
  'Whether an address has invitations; for the rest of the transaction they can be seen';
