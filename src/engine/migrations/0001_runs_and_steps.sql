-- Runs, their steps and attempts.
--
-- `json`, not `jsonb`: the engine only carries these values, and `jsonb` refuses the \u0000 that hostile
-- input may hold.

-- The moves a run may make. The engine's code holds the same table; a test compares the two.
-- Not `strict`: a strict function of this form is not inlined, and each move would start an executor of its own.
create function engine.run_may_become(from_state text, to_state text) returns boolean
    language sql immutable parallel safe
    return (from_state, to_state) in (
        ('queued', 'running'),
        ('queued', 'paused'),
        ('waiting', 'queued'),
        ('waiting', 'paused'),
        ('paused', 'queued'),
        ('paused', 'waiting'),
        ('running', 'queued'),
        ('running', 'waiting'),
        ('running', 'paused'),
        ('running', 'succeeded'),
        ('running', 'failed'),
        ('running', 'cancelled'),
        ('failed', 'queued')
    );

-- What the engine carries. A domain, because it is checked when a value is written; a constraint of a table would be
-- checked, and the value be unpacked for it, whenever anything of the row changes.
create domain engine.value as json constraint value_small check (octet_length(value::text) <= 262144);

create table engine.runs (
    id                  uuid        not null,
    workflow            text        not null,
    version             integer     not null,
    state               text        not null,
    input               engine.value not null,
    output              engine.value,
    error               json,
    key                 text collate "C" not null default '',
    priority            integer     not null default 0,
    idempotency_key     text,
    trace               text,
    epoch               bigint      not null default 0,
    losses              integer     not null default 0,
    owner               text,
    lease_until         timestamptz,
    wake_at             timestamptz,
    waiting_for         text,
    awaited_name        text,
    awaited_seq         integer,
    news                bigint      not null default 0,
    parent_id           uuid,
    parent_seq          integer,
    at_most             integer,
    generation          integer     not null default 0,
    reopened            boolean     not null default false,
    cancel_requested_at timestamptz,
    pause_requested_at  timestamptz,
    progress_step       text,
    progress_done       bigint,
    progress_total      bigint,
    created_at          timestamptz not null,
    started_at          timestamptz,
    ended_at            timestamptz,
    constraint runs_pkey primary key (id),
    constraint runs_state_known check (
        state in ('queued', 'running', 'waiting', 'paused', 'succeeded', 'failed', 'cancelled')),
    constraint runs_lease_while_running check (
        (state = 'running') = (lease_until is not null and owner is not null)),
    constraint runs_waits_for_something check (
        waiting_for in ('time', 'signal', 'children', 'turn')
        and (state = 'waiting' or waiting_for is null)
        and (state <> 'waiting' or waiting_for is not null)),
    constraint runs_child_of_a_step check ((parent_id is null) = (parent_seq is null)),
    constraint runs_pause_asked_for check (state <> 'paused' or pause_requested_at is not null),
    constraint runs_end_when_final check (
        (state in ('succeeded', 'failed', 'cancelled')) = (ended_at is not null)),
    constraint runs_output_when_succeeded check ((state = 'succeeded') = (output is not null)),
    constraint runs_error_when_failed check ((state = 'failed') = (error is not null))
) with (fillfactor = 70);

comment on table engine.runs is 'One execution of a workflow.';
comment on column engine.runs.id is 'Version 7, so that ids sort by the time of creation, to the millisecond.';
comment on column engine.runs.key is 'Whose run it is, such as a tenant; empty when it is nobody''s.';
comment on column engine.runs.trace is 'Text that ties the run to what started it, such as a request id.';
comment on column engine.runs.epoch is 'Raised by each claim; every write of a worker compares it (the fence).';
comment on column engine.runs.losses is 'Workers lost since the last checkpoint or recorded attempt.';
comment on column engine.runs.pause_requested_at is 'Set from the request to pause until the run is resumed.';
comment on column engine.runs.wake_at is 'Due from this moment on; null while only news wakes it. For finished runs: when it was last due.';
comment on column engine.runs.waiting_for is 'time, a signal, children, or (a child of a bounded fan-out) its turn.';
comment on column engine.runs.awaited_name is 'The name of the signal that it waits for.';
comment on column engine.runs.awaited_seq is 'The place of the step whose children it waits for.';
comment on column engine.runs.news is 'Raised by whoever has something for the run, so that its row is locked by them in any case.';
comment on column engine.runs.parent_seq is 'The place of the parent''s step that started it.';
comment on column engine.runs.at_most is 'Of a bounded fan-out: how many of its siblings and itself may be due or running.';
comment on column engine.runs.generation is 'How often an operator has sent it back.';
comment on column engine.runs.reopened is 'Sent back, and the application has not been told yet.';

-- Partial, so that a million finished runs cost a claim nothing. Led by what a claim goes through in turn.
create index runs_queued on engine.runs (workflow, version, priority desc, key, wake_at, id)
    where state = 'queued';
create index runs_waiting on engine.runs (wake_at) where state = 'waiting';
create index runs_paused on engine.runs (id) where state = 'paused';
create index runs_leased on engine.runs (lease_until) where state = 'running';
create index runs_running on engine.runs (workflow, key) where state = 'running';
create index runs_unfinished_children on engine.runs (parent_id, parent_seq, id)
    where parent_id is not null and ended_at is null;
create index runs_children on engine.runs (parent_id, id) where parent_id is not null;
-- For lists, newest first; without a filter they follow the primary key.
create index runs_of_workflow on engine.runs (workflow, id);
create index runs_of_key on engine.runs (key, id) where key <> '';
create index runs_unsuccessful on engine.runs (state, id) where state in ('failed', 'cancelled');
create unique index runs_idempotency on engine.runs (workflow, idempotency_key)
    where idempotency_key is not null;

create function engine.refuse_move() returns trigger language plpgsql as $$
begin
    raise exception 'a run that is % may not become %', old.state, new.state
        using errcode = 'check_violation', constraint = 'runs_moves';
end
$$;

create trigger runs_moves before update of state on engine.runs
    for each row
    when (old.state <> new.state and not engine.run_may_become(old.state, new.state))
    execute function engine.refuse_move();

create table engine.steps (
    run_id     uuid        not null,
    seq        integer     not null,
    name       text        not null,
    occurrence integer     not null,
    kind       text        not null,
    state      text        not null,
    attempts   integer     not null,
    losses     integer     not null default 0,
    output     engine.value,
    error      json,
    epoch      bigint      not null,
    wake_at    timestamptz,
    started_at timestamptz not null,
    ended_at   timestamptz,
    constraint steps_pkey primary key (run_id, seq),
    constraint steps_kind_known check (
        kind in ('step', 'step_tx', 'sleep', 'signal', 'spawn', 'join', 'patch')),
    constraint steps_state_known check (state in ('waiting', 'retrying', 'done', 'failed')),
    constraint steps_end_unless_waiting check ((state = 'waiting') = (ended_at is null)),
    constraint steps_output_when_done check ((state = 'done') = (output is not null))
);

comment on table engine.steps is
    'The journal: a step that has a result, waits, or is being tried again. Written under the fence, so a foreign key would only repeat what holds.';
comment on column engine.steps.seq is 'Its place in the order in which steps first left a mark, from 1.';
comment on column engine.steps.occurrence is '0 for the first use of the name in the run, 1 for the second …';
comment on column engine.steps.attempts is 'All attempts, the successful and the lost ones included.';
comment on column engine.steps.losses is 'Attempts that ended because their worker died.';
comment on column engine.steps.wake_at is 'When a step that waits gives up, or a sleep is over.';

create table engine.attempts (
    run_id     uuid        not null,
    generation integer     not null,
    name       text        not null,
    occurrence integer     not null,
    attempt    integer     not null,
    seq        integer     not null,
    epoch      bigint      not null,
    error      json        not null,
    started_at timestamptz not null,
    ended_at   timestamptz not null,
    constraint attempts_pkey primary key (run_id, generation, name, occurrence, attempt)
);

comment on table engine.attempts is 'Failed attempts. The successful one is the step itself.';
