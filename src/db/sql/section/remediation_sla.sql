-- Per risk level as at detection: the roll-forward of the period, hours to resolve, ages of what is
-- open at its end, against the targets in force. $4: levels, $5: their targets in hours.
with event as (
  select risk_level,
         kind,
         status,
         occurred_at >= $2 as in_period,
         until is null or until >= $3 as at_end,
         case when kind = 'resolved' and occurred_at >= $2
              then date_part('epoch', occurred_at - open_since) / 3600 end as hours,
         case when status = 'open' and (until is null or until >= $3)
              then date_part('epoch', $3 - open_since) / 3600 end as age
    from finding_events
   where org_id = $1
     and occurred_at < $3
     and (until is null or until >= $2)
),
-- A handful of classes instead of every event: what happens to all events of a class alike is counted once.
class as (
  select e.risk_level, kind, status, in_period, at_end,
         count(*) as events,
         count(e.hours) as resolutions,
         sum(e.hours) as hours,
         max(e.hours) as longest,
         max(e.age) as oldest,
         sum(e.age) as ages,
         count(*) filter (where e.hours <= target.hours) as within_sla,
         count(*) filter (where e.age > target.hours) as overdue
    from event e
    join unnest($4::text[], $5::bigint[]) as target (level, hours) on target.level = e.risk_level
   group by e.risk_level, kind, status, in_period, at_end
),
-- A finding that is open up to the start has exactly one interval that reaches it.
level as (
  select risk_level,
         sum(events) filter (where status = 'open' and not in_period) as open_at_start,
         sum(events) filter (where kind = 'detected' and in_period) as opened,
         sum(events) filter (where kind = 'reopened' and in_period) as reopened,
         sum(events) filter (where kind = 'resolved' and in_period) as resolved,
         sum(events) filter (where kind = 'accepted' and in_period) as accepted,
         sum(events) filter (where kind = 'false_positive' and in_period) as false_positive,
         sum(events) filter (where status = 'open' and at_end) as open_at_end,
         sum(hours) / nullif(sum(resolutions), 0)::float8 as mean,
         max(longest) as max,
         max(oldest) as oldest_open_hours,
         sum(ages) / nullif(sum(events) filter (where status = 'open' and at_end), 0)::float8 as mean_open_hours,
         sum(within_sla) as within_sla,
         sum(overdue) as overdue_open
    from class
   group by risk_level
),
-- By itself, so that only what was resolved is sorted.
quantile as (
  select risk_level, percentile_cont(array[0.5, 0.9]) within group (order by hours) as hours
    from (select risk_level, date_part('epoch', occurred_at - open_since) / 3600 as hours
            from finding_events
           where org_id = $1 and kind = 'resolved'
             and occurred_at >= $2 and occurred_at < $3) resolution
   group by risk_level
)
select wanted.level as "risk_level!: Word<RiskLevel>",
       coalesce(level.open_at_start, 0)::bigint as "open_at_start!: Count",
       coalesce(level.opened, 0)::bigint as "opened!: Count",
       coalesce(level.reopened, 0)::bigint as "reopened!: Count",
       coalesce(level.resolved, 0)::bigint as "resolved!: Count",
       coalesce(level.accepted, 0)::bigint as "accepted!: Count",
       coalesce(level.false_positive, 0)::bigint as "false_positive!: Count",
       coalesce(level.open_at_end, 0)::bigint as "open_at_end!: Count",
       level.mean,
       quantile.hours[1] as median,
       quantile.hours[2] as p90,
       level.max,
       level.oldest_open_hours,
       level.mean_open_hours,
       coalesce(level.within_sla, 0)::bigint as "within_sla!: Count",
       coalesce(level.overdue_open, 0)::bigint as "overdue_open!: Count"
  from unnest($4::text[]) with ordinality as wanted (level, position)
  left join level on level.risk_level = wanted.level
  left join quantile on quantile.risk_level = wanted.level
 order by wanted.position
