-- Runs, their steps and attempts.
--
-- `json`, not `jsonb`: the engine only carries these values, and `jsonb` refuses the \u0000 that hostile
-- input may hold.

-- The moves a run may make. The engine's code holds the same table; a test compares the two.
create function engine.run_may_become(from_state text, to_state text) returns boolean
    language sql immutable strict parallel safe
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
        ('running', 'cancelled')
    );

create table engine.runs (
    id                  uuid        not null,
    workflow            text        not null,
    version             integer     not null,
    state               text        not null,
    input               json        not null,
    output              json,
    error               json,
    key                 text,
    priority            integer     not null default 0,
    idempotency_key     text,
    trace               text,
    epoch               bigint      not null default 0,
    losses              integer     not null default 0,
    owner               text,
    lease_until         timestamptz,
    wake_at             timestamptz not null,
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
    constraint runs_pause_asked_for check (state <> 'paused' or pause_requested_at is not null),
    constraint runs_end_when_final check (
        (state in ('succeeded', 'failed', 'cancelled')) = (ended_at is not null)),
    constraint runs_output_when_succeeded check ((state = 'succeeded') = (output is not null)),
    constraint runs_error_when_failed check ((state = 'failed') = (error is not null)),
    constraint runs_values_small check (
        octet_length(input::text) <= 262144 and octet_length(output::text) <= 262144)
) with (fillfactor = 70);

comment on table engine.runs is 'One execution of a workflow.';
comment on column engine.runs.key is 'Whose run it is, such as a tenant.';
comment on column engine.runs.trace is 'Text that ties the run to what started it, such as a request id.';
comment on column engine.runs.epoch is 'Raised by each claim; every write of a worker compares it (the fence).';
comment on column engine.runs.losses is 'Workers lost since the last checkpoint or recorded attempt.';
comment on column engine.runs.pause_requested_at is 'Set from the request to pause until the run is resumed.';
comment on column engine.runs.wake_at is 'Due from this moment on. For finished runs: when it was last due.';

-- Partial, so that a million finished runs cost a claim nothing.
create index runs_queued on engine.runs (priority desc, wake_at, id) where state = 'queued';
create index runs_waiting on engine.runs (wake_at) where state = 'waiting';
create index runs_leased on engine.runs (lease_until) where state = 'running';
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
    name       text        not null,
    occurrence integer     not null,
    seq        integer     not null,
    kind       text        not null,
    state      text        not null,
    attempts   integer     not null,
    losses     integer     not null default 0,
    output     json,
    error      json,
    epoch      bigint      not null,
    started_at timestamptz not null,
    ended_at   timestamptz not null,
    constraint steps_pkey primary key (run_id, name, occurrence),
    constraint steps_seq unique (run_id, seq),
    constraint steps_run foreign key (run_id) references engine.runs (id) on delete cascade,
    constraint steps_kind_known check (kind in ('step', 'step_tx')),
    constraint steps_state_known check (state in ('retrying', 'done', 'failed')),
    constraint steps_output_when_done check ((state = 'done') = (output is not null)),
    constraint steps_output_small check (octet_length(output::text) <= 262144)
);

comment on table engine.steps is 'The journal: a step that has a result, or is being tried again.';
comment on column engine.steps.occurrence is '0 for the first use of the name in the run, 1 for the second …';
comment on column engine.steps.attempts is 'All attempts, the successful and the lost ones included.';
comment on column engine.steps.losses is 'Attempts that ended because their worker died.';

create table engine.attempts (
    run_id     uuid        not null,
    name       text        not null,
    occurrence integer     not null,
    attempt    integer     not null,
    epoch      bigint      not null,
    error      json        not null,
    started_at timestamptz not null,
    ended_at   timestamptz not null,
    constraint attempts_pkey primary key (run_id, name, occurrence, attempt),
    constraint attempts_run foreign key (run_id) references engine.runs (id) on delete cascade
);

comment on table engine.attempts is 'Failed attempts. The successful one is the step itself.';
