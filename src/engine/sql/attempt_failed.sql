-- Records that attempt $8 of a step failed; with $13 the run then waits that long without a worker.
with fence as (
    update engine.runs
       set state = case when $13::interval is null then state else 'waiting' end,
           owner = case when $13 is null then owner end,
           lease_until = case when $13 is null then lease_until end,
           wake_at = coalesce(coalesce($12::timestamptz, now()) + $13, wake_at)
     where id = $1
       and epoch = $2
       and state = 'running'
    returning id, cancel_requested_at is not null as cancel_requested
),
attempt as (
    insert into engine.attempts (run_id, name, occurrence, attempt, epoch, error, started_at, ended_at)
    select id, $3, $4, $8, $2, $9::json, $10, $11
      from fence
        on conflict do nothing
),
step as (
    insert into engine.steps as step
           (run_id, name, occurrence, seq, kind, state, attempts, error, epoch, started_at, ended_at)
    select id, $3, $4, $5, $6, $7, $8, $9, $2, $10, $11
      from fence
        on conflict (run_id, name, occurrence) do update
       set state = excluded.state,
           attempts = excluded.attempts,
           error = excluded.error,
           epoch = excluded.epoch,
           started_at = excluded.started_at,
           ended_at = excluded.ended_at
)
select cancel_requested as "cancel_requested!" from fence
