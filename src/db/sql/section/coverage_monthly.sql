-- One row per calendar month (UTC) of the period, months without scans included.
with month as (
  select to_char(first, 'YYYY-MM') as label,
         greatest(first at time zone 'UTC', $2) as starts,
         least((first + interval '1 month') at time zone 'UTC', $3) as ends,
         first at time zone 'UTC' < $2
           or (first + interval '1 month') at time zone 'UTC' > $3 as partial
    from generate_series(date_trunc('month', $2::timestamptz at time zone 'UTC'),
                         ($3::timestamptz at time zone 'UTC') - interval '1 microsecond',
                         interval '1 month') as first
),
-- How long each version of a source in scope held in each month.
span as (
  select month.label, h.state_source_id, h.expected_scan_interval_hours as every,
         greatest(h.holds_from, month.starts) as starts,
         least(h.holds_until, month.ends) as ends
    from month
    join state_source_history h
      on h.org_id = $1
     and h.in_scope
     and h.holds_from < month.ends
     and (h.holds_until is null or h.holds_until > month.starts)
),
scope as (
  select label, state_source_id, min(starts) as starts, max(ends) as ends,
         floor(sum(extract(epoch from ends - starts) / 3600 / every))::bigint as expected
    from span
   group by label, state_source_id
),
scan as (
  select month.label, c.state_source_id, c.status, c.observed_at, c.id, c.drifted + c.missing as drifted,
         c.resources_total, c.resources_managed
    from month
    join scans c
      on c.org_id = $1 and c.observed_at >= month.starts and c.observed_at < month.ends
),
look as (
  select label, state_source_id, starts as at from scope
  union all
  select label, state_source_id, ends from scope
  union all
  select scan.label, scan.state_source_id, scan.observed_at
    from scan
    join scope using (label, state_source_id)
   where scan.status = 'done' and scan.observed_at > scope.starts and scan.observed_at < scope.ends
),
gap as (
  select label, lead(at) over (partition by label, state_source_id order by at) - at as length
    from look
),
longest as (
  select label, (extract(epoch from max(length)) / 3600)::float8 as hours from gap group by label
),
-- What the last complete scan of each source in the month counted.
last_scan as (
  select distinct on (label, state_source_id)
         label, state_source_id, drifted, resources_total, resources_managed
    from scan
   where status = 'done'
   order by label, state_source_id, observed_at desc, id desc
),
resource as (
  select label,
         sum(resources_total) filter (where resources_managed is not null) as checked,
         sum(resources_managed) filter (where resources_total is not null) as managed,
         sum(resources_total) as compared,
         sum(drifted) filter (where resources_total is not null) as drifted
    from last_scan
   group by label
),
scope_count as (
  select scope.label,
         count(*) as in_scope,
         count(last_scan.state_source_id) as complete,
         sum(scope.expected) as expected
    from scope
    left join last_scan using (label, state_source_id)
   group by scope.label
),
scan_count as (
  select label,
         count(*) filter (where status = 'done') as done,
         count(*) filter (where status = 'partial') as partial,
         count(*) filter (where status = 'failed') as failed
    from scan
   group by label
)
select month.label as "month!",
       month.partial as "partial_month!",
       coalesce(scope_count.in_scope, 0) as "sources_in_scope!: Count",
       coalesce(scope_count.complete, 0) as "sources_with_complete_scan!: Count",
       scope_count.expected::bigint as "scans_expected!: MaybeCount",
       coalesce(scan_count.done, 0) as "scans_done!: Count",
       coalesce(scan_count.partial, 0) as "scans_partial!: Count",
       coalesce(scan_count.failed, 0) as "scans_failed!: Count",
       longest.hours as longest_gap_hours,
       coalesce(resource.checked, 0)::bigint as "resources_checked!: Count",
       coalesce(resource.managed, 0)::bigint as "resources_managed!: Count",
       coalesce(resource.compared, 0)::bigint as "resources_compared!: Count",
       coalesce(resource.drifted, 0)::bigint as "drifted!: Count"
  from month
  left join scope_count using (label)
  left join scan_count using (label)
  left join longest using (label)
  left join resource using (label)
 order by month.starts
