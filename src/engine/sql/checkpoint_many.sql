-- Records the results of steps of many runs at once. Those missing in the answer were fenced off, or somebody has
-- their run's row locked: each of them is then written alone, and that write decides.
with item as materialized (
    select *
      from unnest($1::uuid[], $2::bigint[], $3::integer[], $4::text[], $5::integer[], $6::text[], $7::integer[],
                  $8::text[], $9::timestamptz[], $10::timestamptz[])
           as item(run_id, epoch, seq, name, occurrence, kind, attempts, output, started_at, ended_at)
),
fence as materialized (
    select run.id,
           run.cancel_requested_at is not null as cancel_requested,
           run.pause_requested_at is not null as pause_requested
      from item
      join engine.runs as run
        on run.id = item.run_id
       and run.epoch = item.epoch
       and run.state = 'running'
       for no key update of run skip locked
),
written as (
    insert into engine.steps as step
           (run_id, seq, name, occurrence, kind, state, attempts, output, epoch, started_at, ended_at)
    select item.run_id, item.seq, item.name, item.occurrence, item.kind, 'done', item.attempts,
           item.output::json, item.epoch, item.started_at, item.ended_at
      from item
      join fence on fence.id = item.run_id
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
    returning step.run_id
)
select fence.id as "id!", fence.cancel_requested as "cancel_requested!", fence.pause_requested as "pause_requested!"
  from fence
  join written on written.run_id = fence.id
