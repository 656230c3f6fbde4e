-- What the trial keeps for itself, beside the engine's tables: effects, and ledgers that triggers keep.

create schema chaos;

-- Deliberately without a unique constraint: an effect that happens twice must be there to be seen.
create table chaos.effects (
    id         bigint generated always as identity,
    run_id     uuid        not null,
    step       text        not null,
    occurrence integer     not null,
    kind       text        not null,
    epoch      bigint      not null,
    attempt    integer     not null,
    worker     text        not null,
    build      integer     not null,
    at         timestamptz not null default clock_timestamp()
);
create index effects_run on chaos.effects (run_id, step, occurrence);

-- Written by whoever starts a run, in the same transaction.
create table chaos.requests (
    run_id   uuid not null,
    workflow text not null
);

-- Written by workflows' on_end, in the transaction that ends their run.
create table chaos.endings (
    run_id  uuid not null,
    outcome text not null
);

-- What the starter knows for certain, written down when all is over.
create table chaos.started (run_id uuid not null);
create table chaos.withdrawn (run_id uuid not null);

-- Every change of a run's state.
create table chaos.moves (
    id          bigint generated always as identity primary key,
    run_id      uuid        not null,
    from_state  text,
    to_state    text        not null,
    epoch       bigint      not null,
    owner       text,
    losses      integer     not null,
    lost        boolean     not null,
    lease_until timestamptz,
    wake_at     timestamptz,
    hurried     boolean     not null,
    at          timestamptz not null default clock_timestamp()
);
create index moves_run on chaos.moves (run_id, id);

comment on column chaos.moves.owner is 'Who held the run before, or takes it now.';
comment on column chaos.moves.lost is 'A worker is counted as lost by this move.';
comment on column chaos.moves.lease_until is 'The end of the lease before this move.';
comment on column chaos.moves.wake_at is 'When the run was due before this move.';
comment on column chaos.moves.hurried is 'Somebody asked to cancel: then a timer is cut short.';

create function chaos.note_start() returns trigger
    language plpgsql security definer set search_path = '' as $$
begin
    insert into chaos.moves (run_id, from_state, to_state, epoch, losses, lost, wake_at, hurried)
    values (new.id, null, new.state, new.epoch, new.losses, false, new.wake_at, false);
    return null;
end
$$;

create function chaos.note_move() returns trigger
    language plpgsql security definer set search_path = '' as $$
begin
    insert into chaos.moves
           (run_id, from_state, to_state, epoch, owner, losses, lost, lease_until, wake_at, hurried)
    values (new.id, old.state, new.state, new.epoch, coalesce(new.owner, old.owner), new.losses,
            new.losses > old.losses, old.lease_until, old.wake_at, new.cancel_requested_at is not null);
    return null;
end
$$;

create trigger chaos_note_start after insert on engine.runs
    for each row execute function chaos.note_start();
create trigger chaos_note_move after update on engine.runs
    for each row when (old.state <> new.state or old.epoch <> new.epoch)
    execute function chaos.note_move();

grant usage on schema chaos to chaos_app;
grant select, insert on chaos.effects, chaos.requests, chaos.endings to chaos_app;
-- An input that no client would write is put into the table itself; the engine's own grants allow that.
