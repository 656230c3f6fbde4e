-- Takes up to $6 due runs of the kinds ($2, $3) for owner $5; $7 = length of the lease; $4 = per kind, the key that was
-- served last; ($8, $9) = the kind that was served last. Lanes are served in turn, each with its share of the slots:
-- the first lane of each kind, beginning after that one, then the second of each …
with lane as materialized (
    select workflow.name as workflow, lane.version, lane.priority, lane.key, lane.room,
           row_number() over (partition by workflow.name, lane.version order by lane.place) as nth
      from (
            select kind.name, array_agg(kind.version order by kind.version) as versions, min(kind.cursor) as cursor
              from unnest($2::text[], $3::integer[], $4::text[]) as kind(name, version, cursor)
             group by kind.name
             order by kind.name
           ) as workflow
     cross join lateral engine.lanes(workflow.name, workflow.versions, workflow.cursor, $6)
           with ordinality as lane(version, priority, key, room, place)
),
turn as materialized (
    select lane.*, greatest(1, ceil($6::numeric / count(*) over ()))::integer as share
      from (
            select lane.*,
                   row_number() over (order by nth, (workflow, version) <= ($8, $9::integer), workflow, version)
                       as place
              from lane
             where priority = (select max(priority) from lane)
             order by place
             limit $6
           ) as lane
),
due as materialized (
    select run.id, turn.place
      from turn
     cross join lateral (
            select queued.id
              from engine.runs as queued
             where queued.state = 'queued'
               and queued.workflow = turn.workflow
               and queued.version = turn.version
               and queued.priority = turn.priority
               and queued.key = turn.key
             order by queued.wake_at, queued.id
             limit least(turn.room, turn.share)
               for update skip locked
           ) as run
     limit $6
)
update engine.runs as run
   set state = 'running',
       epoch = run.epoch + 1,
       owner = $5,
       lease_until = coalesce($1::timestamptz, now()) + $7::interval,
       started_at = coalesce(run.started_at, $1, now())
  from due
 where run.id = due.id
returning run.id,
          run.workflow,
          run.version,
          run.input as "input: Json<Box<RawValue>>",
          run.key,
          run.priority,
          run.epoch,
          run.losses,
          run.trace,
          run.traceparent,
          run.parent_id is not null as "is_child!",
          run.reopened,
          run.cancel_requested_at is not null as "cancel_requested!",
          due.place as "place!"
