-- Per risk level as at detection: the roll-forward of the period, hours to resolve, ages of what is
-- open at its end, against the targets in force. $4: levels, $5: their targets in hours.
with event as (
  select risk_level,
         kind,
         status,
         occurred_at >= $2 as in_period,
         until is null or until >= $3 as at_end,
         case when kind = 'resolved' and occurred_at >= $2
              then (extract(epoch from occurred_at - open_since) / 3600)::float8 end as hours,
         case when status = 'open' and (until is null or until >= $3)
              then (extract(epoch from $3 - open_since) / 3600)::float8 end as age
    from finding_events
   where org_id = $1
     and occurred_at < $3
     and (until is null or until >= $2)
),
-- A finding that is open up to the start has exactly one interval that reaches it.
level as (
  select e.risk_level,
         count(*) filter (where e.status = 'open' and not e.in_period) as open_at_start,
         count(*) filter (where e.kind = 'detected' and e.in_period) as opened,
         count(*) filter (where e.kind = 'reopened' and e.in_period) as reopened,
         count(*) filter (where e.kind = 'resolved' and e.in_period) as resolved,
         count(*) filter (where e.kind = 'accepted' and e.in_period) as accepted,
         count(*) filter (where e.kind = 'false_positive' and e.in_period) as false_positive,
         count(*) filter (where e.status = 'open' and e.at_end) as open_at_end,
         avg(e.hours) as mean,
         percentile_cont(0.5) within group (order by e.hours) as median,
         percentile_cont(0.9) within group (order by e.hours) as p90,
         max(e.hours) as max,
         max(e.age) as oldest_open_hours,
         avg(e.age) as mean_open_hours,
         count(*) filter (where e.hours <= target.hours) as within_sla,
         count(*) filter (where e.age > target.hours) as overdue_open
    from event e
    join unnest($4::text[], $5::bigint[]) as target (level, hours) on target.level = e.risk_level
   group by e.risk_level
)
select wanted.level as "risk_level!: Word<RiskLevel>",
       coalesce(level.open_at_start, 0) as "open_at_start!: Count",
       coalesce(level.opened, 0) as "opened!: Count",
       coalesce(level.reopened, 0) as "reopened!: Count",
       coalesce(level.resolved, 0) as "resolved!: Count",
       coalesce(level.accepted, 0) as "accepted!: Count",
       coalesce(level.false_positive, 0) as "false_positive!: Count",
       coalesce(level.open_at_end, 0) as "open_at_end!: Count",
       level.mean,
       level.median,
       level.p90,
       level.max,
       level.oldest_open_hours,
       level.mean_open_hours,
       coalesce(level.within_sla, 0) as "within_sla!: Count",
       coalesce(level.overdue_open, 0) as "overdue_open!: Count"
  from unnest($4::text[]) with ordinality as wanted (level, position)
  left join level on level.risk_level = wanted.level
 order by wanted.position
