-- Records that attempt $8 of a step failed; with $13 the run then waits that long without a worker, unless
-- somebody asked to cancel it: that is done at once.
with fence as (
    update engine.runs
       set state = case when $13::interval is null then state
                        when cancel_requested_at is not null then 'queued'
                        when pause_requested_at is not null then 'paused'
                        else 'waiting'
                   end,
           waiting_for = case when $13 is null or cancel_requested_at is not null or pause_requested_at is not null then null
                              else 'time'
                         end,
           owner = case when $13 is null then owner end,
           lease_until = case when $13 is null then lease_until end,
           wake_at = case when $13 is null then wake_at
                          when cancel_requested_at is not null then coalesce($12::timestamptz, now())
                          else coalesce($12, now()) + $13
                     end
     where id = $1
       and epoch = $2
       and state = 'running'
    returning id,
              generation,
              cancel_requested_at is not null as cancel_requested,
              pause_requested_at is not null as pause_requested
),
attempt as (
    insert into engine.attempts
           (run_id, generation, seq, name, occurrence, attempt, epoch, error, started_at, ended_at)
    select id, generation, $5, $3, $4, $8, $2, $9::text::json, $10, $11
      from fence
        on conflict do nothing
),
step as (
    insert into engine.steps as step
           (run_id, name, occurrence, seq, kind, state, attempts, error, epoch, started_at, ended_at)
    select id, $3, $4, $5, $6, $7, $8, $9::text::json, $2, $10, $11
      from fence
        on conflict (run_id, seq) do update
       set state = excluded.state,
           attempts = excluded.attempts,
           error = excluded.error,
           epoch = excluded.epoch,
           started_at = excluded.started_at,
           ended_at = excluded.ended_at
)
select cancel_requested as "cancel_requested!", pause_requested as "pause_requested!" from fence
