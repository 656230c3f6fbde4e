-- Makes due what is due at $1: runs whose worker let the lease lapse (the loss is counted) and runs whose
-- time has come. Returns what is queued for the kinds ($2, $3) and when the next timer is due.
with lapsed as (
    update engine.runs
       set state = case when pause_requested_at is null then 'queued' else 'paused' end,
           owner = null,
           lease_until = null,
           losses = losses + 1
     where id in (
            select id
              from engine.runs
             where state = 'running'
               and lease_until < coalesce($1::timestamptz, now())
             order by lease_until
             limit 500
               for update skip locked)
    returning id
),
woken as (
    update engine.runs
       set state = 'queued'
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
              from engine.runs
             where state = 'queued'
               and (workflow, version) in (select * from unnest($2::text[], $3::integer[]))
       ) as "queued!",
       (extract(epoch from (
            select min(wake_at)
              from engine.runs
             where state = 'waiting'
               and wake_at > coalesce($1, now())
       ) - coalesce($1, now())) * 1000000)::bigint as next_timer_micros,
       (extract(epoch from (
            select min(next_at) from engine.schedules where name = any($4::text[])
       ) - coalesce($1, now())) * 1000000)::bigint as next_tick_micros
