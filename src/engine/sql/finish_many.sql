-- Ends many runs as succeeded; fails when somebody else keeps one of their rows locked. Those missing in the answer were
-- fenced off.
-- A lease stands for `running` here (a constraint says so), because indexes on what is running must not be used: the
-- planner, told that nothing runs, would read them whole for each row.
update engine.runs as run
   set state = 'succeeded',
       output = item.output::json,
       ended_at = coalesce($4::timestamptz, now()),
       owner = null,
       lease_until = null
  from unnest($1::uuid[], $2::bigint[], $3::text[]) as item(run_id, epoch, output)
 where run.id = item.run_id
   and run.epoch = item.epoch
   and run.lease_until is not null
returning run.id as "id!", run.epoch as "epoch!"
