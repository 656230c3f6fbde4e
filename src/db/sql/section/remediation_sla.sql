-- Per risk level as at detection: the roll-forward of the period and of its calendar months (UTC), hours to resolve, ages of what is
-- open at its end, against the targets in force; hours to resolve of all levels, too. $4: levels, $5: their targets in hours. The
-- events are read once, and those of resolutions once more to be put in order.
with event as (
  select risk_level, kind,
         case when occurred_at >= $2 then date_trunc('month', occurred_at at time zone 'UTC') end as month,
         count(*) filter (where occurred_at >= $2) as events,
         -- A finding that is open up to the start has exactly one interval that reaches it; so has the end.
         count(*) filter (where status = 'open' and occurred_at < $2) as open_at_start,
         count(*) filter (where status = 'open' and (until is null or until >= $3)) as open_at_end,
         min(open_since) filter (where status = 'open' and (until is null or until >= $3)) as open_since,
         sum(date_part('epoch', $3 - open_since) / 3600)
           filter (where status = 'open' and (until is null or until >= $3)) as open_hours,
         count(*) filter (where status = 'open' and (until is null or until >= $3)
                            and date_part('epoch', $3 - open_since) / 3600
                                > ($5::bigint[])[array_position($4::text[], risk_level)]) as overdue,
         sum(date_part('epoch', occurred_at - open_since) / 3600)
           filter (where kind = 'resolved' and occurred_at >= $2) as hours,
         max(occurred_at - open_since) filter (where kind = 'resolved' and occurred_at >= $2) as longest,
         count(*) filter (where kind = 'resolved' and occurred_at >= $2
                            and date_part('epoch', occurred_at - open_since) / 3600
                                <= ($5::bigint[])[array_position($4::text[], risk_level)]) as within_sla
    from finding_events
   where org_id = $1 and occurred_at < $3 and (until is null or until >= $2)
   group by 1, 2, 3
),
moved as (
  select risk_level,
         sum(open_at_start) as open_at_start,
         sum(events) filter (where kind = 'detected') as opened,
         sum(events) filter (where kind = 'reopened') as reopened,
         sum(events) filter (where kind = 'resolved') as resolved,
         sum(events) filter (where kind = 'accepted') as accepted,
         sum(events) filter (where kind = 'false_positive') as false_positive,
         sum(open_at_end) as open_at_end,
         sum(hours) as hours,
         date_part('epoch', max(longest)) / 3600 as longest,
         sum(within_sla) as within_sla,
         date_part('epoch', $3 - min(open_since)) / 3600 as oldest,
         sum(open_hours) as open_hours,
         sum(overdue) as overdue
    from event
   group by risk_level
),
month as (
  select risk_level, month,
         coalesce(sum(events) filter (where kind = 'detected'), 0) as opened,
         coalesce(sum(events) filter (where kind = 'reopened'), 0) as reopened,
         coalesce(sum(events) filter (where kind = 'resolved'), 0) as resolved,
         coalesce(sum(events) filter (where kind = 'accepted'), 0) as accepted,
         coalesce(sum(events) filter (where kind = 'false_positive'), 0) as false_positive
    from event
   where month is not null
   group by risk_level, month
),
course as (
  select risk_level,
         json_agg(json_build_object(
           'month', to_char(month, 'YYYY-MM'), 'opened', opened, 'reopened', reopened, 'resolved', resolved,
           'accepted', accepted, 'false_positive', false_positive) order by month) as months
    from month
   group by risk_level
),
resolution as (
  select percentile_cont(array[0.5, 0.9]) within group (order by hours) as of_all,
         percentile_cont(array[0.5, 0.9]) within group (order by hours) filter (where risk_level = 'critical') as critical,
         percentile_cont(array[0.5, 0.9]) within group (order by hours) filter (where risk_level = 'high') as high,
         percentile_cont(array[0.5, 0.9]) within group (order by hours) filter (where risk_level = 'medium') as medium,
         percentile_cont(array[0.5, 0.9]) within group (order by hours) filter (where risk_level = 'low') as low
    from (select risk_level, date_part('epoch', occurred_at - open_since) / 3600 as hours
            from finding_events
           where org_id = $1 and kind = 'resolved' and occurred_at >= $2 and occurred_at < $3) resolved
),
quantile as (
  select level, of_level[1] as median, of_level[2] as p90, of_all[1] as median_of_all, of_all[2] as p90_of_all
    from resolution,
         lateral (values ('critical', critical), ('high', high), ('medium', medium), ('low', low)) as quantiles (level, of_level)
)
select wanted.level as "risk_level!: Word<RiskLevel>",
       coalesce(moved.open_at_start, 0)::bigint as "open_at_start!: Count",
       coalesce(moved.opened, 0)::bigint as "opened!: Count",
       coalesce(moved.reopened, 0)::bigint as "reopened!: Count",
       coalesce(moved.resolved, 0)::bigint as "resolved!: Count",
       coalesce(moved.accepted, 0)::bigint as "accepted!: Count",
       coalesce(moved.false_positive, 0)::bigint as "false_positive!: Count",
       coalesce(moved.open_at_end, 0)::bigint as "open_at_end!: Count",
       moved.hours / nullif(moved.resolved, 0) as mean,
       quantile.median,
       quantile.p90,
       moved.longest as max,
       moved.oldest as oldest_open_hours,
       moved.open_hours / nullif(moved.open_at_end, 0) as mean_open_hours,
       coalesce(moved.within_sla, 0)::bigint as "within_sla!: Count",
       coalesce(moved.overdue, 0)::bigint as "overdue_open!: Count",
       course.months as "months: Json<Vec<Moves>>",
       sum(moved.hours) over () / nullif(sum(moved.resolved) over (), 0) as mean_of_all,
       quantile.median_of_all,
       quantile.p90_of_all,
       max(moved.longest) over () as max_of_all
  from unnest($4::text[]) with ordinality as wanted (level, position)
  left join moved on moved.risk_level = wanted.level
  left join course on course.risk_level = wanted.level
  left join quantile on quantile.level = wanted.level
 order by wanted.position
