-- Per risk level as at detection: the roll-forward of the period and of its calendar months (UTC), hours to resolve, ages of what is
-- open at its end, against the targets in force; hours to resolve of all levels, too. $4: levels, $5: their targets in hours. The
-- events are read once, and those of resolutions once more to be put in order.
with event as (
  -- Hours of a resolution: until it; of others: up to the end of the period. Whatever a row is grouped by or asked for is computed
  -- once, which is what "offset 0" is for.
  select risk_level, kind, month, is_at_start, is_at_end,
         count(*) as events, sum(hours) as hours, max(hours) as longest,
         -- Written out: to look for the level in the array for each row takes longer.
         count(*) filter (where hours <= case risk_level
                                           when ($4::text[])[1] then ($5::bigint[])[1]
                                           when ($4::text[])[2] then ($5::bigint[])[2]
                                           when ($4::text[])[3] then ($5::bigint[])[3]
                                           when ($4::text[])[4] then ($5::bigint[])[4]
                                         end) as within_target
    from (select risk_level, kind,
                 case when occurred_at >= $2 then date_trunc('month', occurred_at at time zone 'UTC') end as month,
                 -- A finding that is open up to the start has exactly one interval that reaches it; so has the end.
                 status = 'open' and occurred_at < $2 as is_at_start,
                 status = 'open' and (until is null or until >= $3) as is_at_end,
                 date_part('epoch', case when kind = 'resolved' then occurred_at else $3 end - open_since) / 3600 as hours
            from finding_events
           where org_id = $1 and occurred_at < $3 and (until is null or until >= $2)
          offset 0) seen
   group by risk_level, kind, month, is_at_start, is_at_end
),
moved as (
  select risk_level,
         sum(events) filter (where is_at_start) as open_at_start,
         sum(events) filter (where kind = 'detected' and month is not null) as opened,
         sum(events) filter (where kind = 'reopened' and month is not null) as reopened,
         sum(events) filter (where kind = 'resolved' and month is not null) as resolved,
         sum(events) filter (where kind = 'accepted' and month is not null) as accepted,
         sum(events) filter (where kind = 'false_positive' and month is not null) as false_positive,
         sum(hours) filter (where kind = 'resolved' and month is not null) as hours,
         max(longest) filter (where kind = 'resolved' and month is not null) as longest,
         sum(within_target) filter (where kind = 'resolved' and month is not null) as within_sla,
         sum(events) filter (where is_at_end) as open_at_end,
         max(longest) filter (where is_at_end) as oldest,
         sum(hours) filter (where is_at_end) as open_hours,
         sum(events - within_target) filter (where is_at_end) as overdue
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
