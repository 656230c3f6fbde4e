-- Ends many runs as succeeded. Those missing in the answer were fenced off, or somebody has their row locked.
with item as materialized (
    select *
      from unnest($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[]) as item(run_id, epoch, output, at)
),
fence as materialized (
    select run.id
      from item
      join engine.runs as run
        on run.id = item.run_id
       and run.epoch = item.epoch
       and run.state = 'running'
       for no key update of run skip locked
)
update engine.runs as run
   set state = 'succeeded',
       output = item.output::json,
       ended_at = item.at,
       owner = null,
       lease_until = null
  from item
  join fence on fence.id = item.run_id
 where run.id = item.run_id
returning run.id as "id!"
