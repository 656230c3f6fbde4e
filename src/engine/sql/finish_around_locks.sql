-- Ends many runs as succeeded. Those missing in the answer were fenced off, or somebody has their row locked.
-- A lease stands for `running` here (a constraint says so), because indexes on what is running must not be used: the
-- planner, told that nothing runs, would read them whole for each row.
with fence as materialized (
    select run.id, item.output
      from unnest($1::uuid[], $2::bigint[], $3::text[]) as item(run_id, epoch, output)
      join engine.runs as run
        on run.id = item.run_id
       and run.epoch = item.epoch
       and run.lease_until is not null
       for no key update of run skip locked
)
update engine.runs as run
   set state = 'succeeded',
       output = fence.output::json,
       ended_at = coalesce($4::timestamptz, now()),
       owner = null,
       lease_until = null
  from fence
 where run.id = fence.id
returning run.id as "id!", run.epoch as "epoch!"
