-- Charges $9 lost workers ($12 in all) to a step as attempts up to $8, and clears them from the run.
with fence as (
    update engine.runs
       set losses = 0
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
    select id, generation, $5, $3, $4, number, $2, $10::text::json, $11, $11
      from fence, generate_series($8::integer - $9::integer + 1, $8) as number
        on conflict do nothing
),
step as (
    insert into engine.steps as step
           (run_id, name, occurrence, seq, kind, state, attempts, losses, error, epoch, started_at, ended_at)
    select id, $3, $4, $5, $6, $7, $8, $12, $10::text::json, $2, $11, $11
      from fence
        on conflict (run_id, seq) do update
       set state = excluded.state,
           attempts = excluded.attempts,
           losses = excluded.losses,
           error = excluded.error,
           epoch = excluded.epoch,
           ended_at = excluded.ended_at
)
select cancel_requested as "cancel_requested!", pause_requested as "pause_requested!" from fence
