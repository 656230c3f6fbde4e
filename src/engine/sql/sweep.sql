-- Makes due what is due at $1: runs whose worker let the lease lapse (the loss is counted) and runs whose
-- time has come. Returns what is queued for the kinds ($2, $3) and when the next timer is due.
--
-- Runs that lose their worker together would be claimed together again, and a step that kills its worker would take the
-- same neighbours along each time. So a run whose step has lost a worker before waits a random while, for longer each
-- time: neighbours part.
with lapsed as (
    update engine.runs as run
       set state = case when pause_requested_at is not null then 'paused'
                        when suspect.losses > 0 and cancel_requested_at is null then 'waiting'
                        else 'queued'
                   end,
           waiting_for = case when suspect.losses > 0 and cancel_requested_at is null and pause_requested_at is null
                              then 'time'
                         end,
           wake_at = case when suspect.losses > 0 and cancel_requested_at is null
                          then coalesce($1::timestamptz, now())
                               + random() * least(8, power(2, least(suspect.losses, 3))) * interval '1 s'
                          else wake_at
                     end,
           owner = null,
           lease_until = null,
           losses = run.losses + 1
      from (
            select lapsed.id,
                   coalesce((
                        select max(step.losses)
                          from engine.steps as step
                         where step.run_id = lapsed.id
                           and step.state = 'retrying'
                   ), 0) as losses
              from (
                    select id
                      from engine.runs
                     where state = 'running'
                       and lease_until < coalesce($1, now())
                     order by lease_until
                     limit 500
                       for update skip locked
                   ) as lapsed
           ) as suspect
     where run.id = suspect.id
    returning run.id
),
woken as (
    update engine.runs
       set state = 'queued',
           waiting_for = null
     where id in (
            select id
              from engine.runs
             where state = 'waiting'
               and wake_at <= coalesce($1, now())
             order by wake_at
             limit 500
               for update skip locked)
    returning id
)
select (select count(*) from lapsed) as "lapsed!",
       (select count(*) from woken) as "woken!",
       exists (
            select
              from unnest($2::text[], $3::integer[]) as kind(workflow, version)
             where exists (
                    select
                      from engine.runs
                     where state = 'queued'
                       and workflow = kind.workflow
                       and version = kind.version)
       ) as "queued!",
       (extract(epoch from (
            select wake_at
              from engine.runs
             where state = 'waiting'
               and wake_at > coalesce($1, now())
             order by wake_at
             limit 1
       ) - coalesce($1, now())) * 1000000)::bigint as next_timer_micros,
       (extract(epoch from (
            select min(tick.at)
              from (
                    select next_at as at from engine.schedules where name = any($4::text[]) and paused_at is null
                    union all
                    select asked_at as at from engine.asked_ticks where schedule = any($4)
                   ) as tick
       ) - coalesce($1, now())) * 1000000)::bigint as next_tick_micros
