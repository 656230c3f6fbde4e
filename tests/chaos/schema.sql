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
    waiting_for text,
    hurried     boolean     not null,
    generation  integer     not null default 0,
    at          timestamptz not null default clock_timestamp()
);
create index moves_run on chaos.moves (run_id, id);
create index moves_claim on chaos.moves (run_id, epoch) where to_state = 'running';

comment on column chaos.moves.owner is 'Who held the run before, or takes it now.';
comment on column chaos.moves.lost is 'A worker is counted as lost by this move.';
comment on column chaos.moves.lease_until is 'The end of the lease before this move.';
comment on column chaos.moves.wake_at is 'When the run was due before this move.';
comment on column chaos.moves.waiting_for is 'What the run waited for before this move; what it waits for, when it begins so.';
comment on column chaos.moves.hurried is 'Somebody asked to cancel: then a timer is cut short.';
comment on column chaos.moves.generation is 'How often an operator had sent the run back, this move included.';

create function chaos.note_start() returns trigger
    language plpgsql security definer set search_path = '' as $$
begin
    insert into chaos.moves (run_id, from_state, to_state, epoch, losses, lost, wake_at, waiting_for, hurried)
    values (new.id, null, new.state, new.epoch, new.losses, false, new.wake_at, new.waiting_for, false);
    return null;
end
$$;

create function chaos.note_move() returns trigger
    language plpgsql security definer set search_path = '' as $$
begin
    insert into chaos.moves
           (run_id, from_state, to_state, epoch, owner, losses, lost, lease_until, wake_at, waiting_for,
            hurried, generation)
    values (new.id, old.state, new.state, new.epoch, coalesce(new.owner, old.owner), new.losses,
            new.losses > old.losses, old.lease_until, old.wake_at, old.waiting_for,
            new.cancel_requested_at is not null, new.generation);
    return null;
end
$$;

create trigger chaos_note_start after insert on engine.runs
    for each row execute function chaos.note_start();
create trigger chaos_note_move after update on engine.runs
    for each row when (old.state <> new.state or old.epoch <> new.epoch)
    execute function chaos.note_move();

-- Tokens are what signals carry: numbers that are never used twice, also when the transaction that drew them is rolled back.
create sequence chaos.tokens;

-- Written by whoever sends a signal, in the same transaction.
create table chaos.sent (
    run_id     uuid        not null,
    name       text        not null,
    token      bigint      not null,
    sender_key text,
    is_new     boolean     not null,
    began_at   timestamptz not null default now(),
    at         timestamptz not null default clock_timestamp()
);
create index sent_run on chaos.sent (run_id);

-- What the sender knows for certain, written down when all is over.
create table chaos.answered (token bigint not null, at timestamptz not null);
create table chaos.unsent (token bigint not null);

-- Written by whoever has waited for a signal, in a step of its own; without a token: none came in time.
create table chaos.heard (
    run_id     uuid    not null,
    name       text    not null,
    occurrence integer not null,
    token      bigint
);
create index heard_run on chaos.heard (run_id, occurrence);

-- Written by operators that send a run back, in the same transaction; and by on_reopen.
create table chaos.retries (
    run_id     uuid    not null,
    generation integer not null,
    from_seq   integer not null
);
create table chaos.reopenings (run_id uuid not null);

-- Every mark that a step leaves which waits.
create table chaos.waits (
    id         bigint generated always as identity primary key,
    run_id     uuid        not null,
    seq        integer     not null,
    name       text        not null,
    occurrence integer     not null,
    kind       text        not null,
    state      text        not null,
    output     json,
    started_at timestamptz not null,
    at         timestamptz not null default clock_timestamp()
);
create index waits_run on chaos.waits (run_id, seq);

create function chaos.note_wait() returns trigger
    language plpgsql security definer set search_path = '' as $$
begin
    insert into chaos.waits (run_id, seq, name, occurrence, kind, state, output, started_at)
    values (new.run_id, new.seq, new.name, new.occurrence, new.kind, new.state, new.output, new.started_at);
    return null;
end
$$;

create trigger chaos_note_wait after insert or update on engine.steps
    for each row when (new.kind in ('sleep', 'signal', 'join'))
    execute function chaos.note_wait();

-- Each wait as a whole.
create view chaos.whole_waits as
    select run_id, seq, name, occurrence, kind, min(started_at) as began_at,
           min(at) filter (where state = 'done') as ended_at
      from chaos.waits
     group by run_id, seq, name, occurrence, kind;

-- Every step that a run has had, those that an operator took back too, each with the generations that it lived in.
create view chaos.steps as
    select step.*,
           coalesce(lag(last_generation) over (
               partition by run_id, name, occurrence order by last_generation) + 1, 0) as first_generation
      from (
            select past.*, true as is_past, generation as last_generation from engine.past_steps as past
             union all
            select current.*, null, false, 2147483647 from engine.steps as current
           ) as step;

-- Every effect with the generation of the claim that it happened under.
create view chaos.placed_effects as
    select effect.*, coalesce(claim.generation, 0) as generation
      from chaos.effects as effect
      left join chaos.moves as claim
        on (claim.run_id, claim.epoch, claim.to_state) = (effect.run_id, effect.epoch, 'running');

grant usage on schema chaos to chaos_app;
grant select, insert
    on chaos.effects, chaos.requests, chaos.endings, chaos.sent, chaos.heard, chaos.retries, chaos.reopenings
    to chaos_app;
grant usage on sequence chaos.tokens to chaos_app;
-- An input that no client would write is put into the table itself; the engine's own grants allow that.
