-- Records the results of steps of many runs at once, also of steps that have left a mark before. Those missing in the
-- answer were fenced off, or somebody has their run's row locked: each of them is then written alone, and that write
-- decides. Nothing is joined twice: with hundreds of rows that costs more than the writing.
-- A lease stands for `running` here (a constraint says so), because indexes on what is running must not be used: the
-- planner, told that nothing runs, would read them whole for each row.
with fence as materialized (
    select item.*,
           run.cancel_requested_at is not null as cancel_requested,
           run.pause_requested_at is not null as pause_requested
      from unnest($1::uuid[], $2::bigint[], $3::integer[], $4::text[], $5::integer[], $6::text[], $7::integer[],
                  $8::text[], $9::timestamptz[], $10::timestamptz[])
           as item(run_id, epoch, seq, name, occurrence, kind, attempts, output, started_at, ended_at)
      join engine.runs as run
        on run.id = item.run_id
       and run.epoch = item.epoch
       and run.lease_until is not null
       for no key update of run skip locked
),
written as (
    insert into engine.steps as step
           (run_id, seq, name, occurrence, kind, state, attempts, output, epoch, started_at, ended_at)
    select run_id, seq, name, occurrence, kind, 'done', attempts, output::json, epoch, started_at, ended_at
      from fence
        on conflict (run_id, seq) do update
       set state = 'done',
           attempts = excluded.attempts,
           output = excluded.output,
           error = null,
           epoch = excluded.epoch,
           started_at = excluded.started_at,
           ended_at = excluded.ended_at
     where step.state in ('retrying', 'waiting')
        or step.epoch = excluded.epoch
    returning 1
)
select run_id as "id!", epoch as "epoch!", cancel_requested as "cancel_requested!", pause_requested as "pause_requested!"
  from fence
 where (select count(*) from fence) = (select count(*) from written)
