-- What the floor is measured on: the least that a checkpointing engine and a queue can be.
create table step (run bigint, seq integer, name text, output json, at timestamptz not null default now(), primary key (run, seq));
create table job (
    id bigint generated always as identity primary key,
    state text not null default 'ready',
    run_at timestamptz not null default now(),
    payload json,
    owner text,
    output json,
    done_at timestamptz
);
create index job_ready on job (run_at, id) where state = 'ready';
