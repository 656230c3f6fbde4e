-- Per risk level as at detection: the roll-forward of the period, hours to resolve, ages of what is
-- open at its end, against the targets in force. $4: levels, $5: their targets in hours. Each part reads
-- the events that it needs and no others.
with target as (
  select level, hours from unnest($4::text[], $5::bigint[]) as target (level, hours)
),
-- A finding that is open up to the start has exactly one interval that reaches it.
at_start as (
  select risk_level, count(*) as findings
    from finding_events
   where org_id = $1 and status = 'open' and occurred_at < $2 and (until is null or until >= $2)
   group by risk_level
),
event as (
  select risk_level, kind, count(*) as events
    from finding_events
   where org_id = $1 and occurred_at >= $2 and occurred_at < $3
   group by risk_level, kind
),
happened as (
  select risk_level,
         sum(events) filter (where kind = 'detected') as opened,
         sum(events) filter (where kind = 'reopened') as reopened,
         sum(events) filter (where kind = 'resolved') as resolved,
         sum(events) filter (where kind = 'accepted') as accepted,
         sum(events) filter (where kind = 'false_positive') as false_positive
    from event
   group by risk_level
),
resolution as (
  select risk_level, avg(hours) as mean, max(hours) as max,
         percentile_cont(array[0.5, 0.9]) within group (order by hours) as quantiles,
         count(*) filter (where hours <= target) as within_sla
    from (select e.risk_level, date_part('epoch', e.occurred_at - e.open_since) / 3600 as hours, target.hours as target
            from finding_events e
            join target on target.level = e.risk_level
           where e.org_id = $1 and e.kind = 'resolved' and e.occurred_at >= $2 and e.occurred_at < $3) resolved
   group by risk_level
),
at_end as (
  select risk_level, count(*) as findings, max(age) as oldest, avg(age) as mean,
         count(*) filter (where age > target) as overdue
    from (select e.risk_level, date_part('epoch', $3 - e.open_since) / 3600 as age, target.hours as target
            from finding_events e
            join target on target.level = e.risk_level
           where e.org_id = $1 and e.status = 'open' and e.occurred_at < $3 and (e.until is null or e.until >= $3)) open
   group by risk_level
)
select wanted.level as "risk_level!: Word<RiskLevel>",
       coalesce(at_start.findings, 0) as "open_at_start!: Count",
       coalesce(happened.opened, 0)::bigint as "opened!: Count",
       coalesce(happened.reopened, 0)::bigint as "reopened!: Count",
       coalesce(happened.resolved, 0)::bigint as "resolved!: Count",
       coalesce(happened.accepted, 0)::bigint as "accepted!: Count",
       coalesce(happened.false_positive, 0)::bigint as "false_positive!: Count",
       coalesce(at_end.findings, 0) as "open_at_end!: Count",
       resolution.mean,
       resolution.quantiles[1] as median,
       resolution.quantiles[2] as p90,
       resolution.max,
       at_end.oldest as oldest_open_hours,
       at_end.mean as mean_open_hours,
       coalesce(resolution.within_sla, 0) as "within_sla!: Count",
       coalesce(at_end.overdue, 0) as "overdue_open!: Count"
  from unnest($4::text[]) with ordinality as wanted (level, position)
  left join at_start on at_start.risk_level = wanted.level
  left join happened on happened.risk_level = wanted.level
  left join resolution on resolution.risk_level = wanted.level
  left join at_end on at_end.risk_level = wanted.level
 order by wanted.position
