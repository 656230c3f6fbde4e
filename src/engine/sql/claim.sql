-- Takes up to $5 due runs of the kinds ($2, $3) for owner $4; $6 = length of the lease.
with due as (
    select id
      from engine.runs
     where state = 'queued'
       and (workflow, version) in (select * from unnest($2::text[], $3::integer[]))
     order by priority desc, wake_at, id
     limit $5
       for update skip locked
)
update engine.runs as run
   set state = 'running',
       epoch = run.epoch + 1,
       owner = $4,
       lease_until = coalesce($1::timestamptz, now()) + $6::interval,
       started_at = coalesce(run.started_at, $1, now())
  from due
 where run.id = due.id
returning run.id,
          run.workflow,
          run.version,
          run.input as "input: Json<Box<RawValue>>",
          run.epoch,
          run.losses,
          run.trace,
          run.cancel_requested_at is not null as "cancel_requested!"
