-- One row per calendar month (UTC) of the period, months without scans included. Scans count wherever
-- they are from, so that the months add up to scans.csv; what they covered counts while their source is
-- in scope.
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
-- Versions that follow each other without a break are one time in scope.
stretch as (
  select label, state_source_id, stretch, min(starts) as starts, max(ends) as ends
    from (select span.*, count(*) filter (where breaks)
                   over (partition by label, state_source_id order by starts) as stretch
            from (select span.*, starts is distinct from lag(ends)
                           over (partition by label, state_source_id order by starts) as breaks
                    from span) span) span
   group by label, state_source_id, stretch
),
scope as (
  select label, state_source_id,
         floor(sum(extract(epoch from ends - starts) / 3600 / every))::bigint as expected
    from span
   group by label, state_source_id
),
scan as (
  select stretch.label, stretch.stretch, c.state_source_id, c.status, c.observed_at, c.id,
         c.drifted + c.missing as drifted, c.resources_total, c.resources_managed
    from stretch
    join scans c
      on c.org_id = $1
     and c.state_source_id = stretch.state_source_id
     and c.observed_at >= stretch.starts
     and c.observed_at < stretch.ends
),
look as (
  select label, state_source_id, stretch, starts as at from stretch
  union all
  select label, state_source_id, stretch, ends from stretch
  union all
  select label, state_source_id, stretch, observed_at from scan where status = 'done'
),
gap as (
  select label,
         lead(at) over (partition by label, state_source_id, stretch order by at) - at as length
    from look
),
longest as (
  select label, (extract(epoch from max(length)) / 3600)::float8 as hours from gap group by label
),
-- Of each source in the month the last complete scan that counted what it checked, and the last one
-- that told managed resources from others.
compared as (
  select label, sum(resources_total) as total, sum(drifted) as drifted
    from (select distinct on (label, state_source_id) label, resources_total, drifted
            from scan
           where status = 'done' and resources_total is not null
           order by label, state_source_id, observed_at desc, id desc) last_scan
   group by label
),
checked as (
  select label, sum(resources_total) as total, sum(resources_managed) as managed
    from (select distinct on (label, state_source_id) label, resources_total, resources_managed
            from scan
           where status = 'done' and resources_total is not null and resources_managed is not null
           order by label, state_source_id, observed_at desc, id desc) last_scan
   group by label
),
scope_count as (
  select label, count(*) as in_scope, sum(expected) as expected from scope group by label
),
source_count as (
  select label, count(distinct state_source_id) as complete from scan where status = 'done' group by label
),
scan_count as (
  select month.label,
         count(*) filter (where c.status = 'done') as done,
         count(*) filter (where c.status = 'partial') as partial,
         count(*) filter (where c.status = 'failed') as failed
    from month
    join scans c on c.org_id = $1 and c.observed_at >= month.starts and c.observed_at < month.ends
   group by month.label
)
-- Sums are cut to what a count can hold: no scan must make every pack of its month impossible.
select month.label as "month!",
       month.partial as "partial_month!",
       coalesce(scope_count.in_scope, 0) as "sources_in_scope!: Count",
       coalesce(source_count.complete, 0) as "sources_with_complete_scan!: Count",
       least(scope_count.expected, 9223372036854775807)::bigint as "scans_expected!: MaybeCount",
       coalesce(scan_count.done, 0) as "scans_done!: Count",
       coalesce(scan_count.partial, 0) as "scans_partial!: Count",
       coalesce(scan_count.failed, 0) as "scans_failed!: Count",
       longest.hours as longest_gap_hours,
       least(coalesce(checked.total, 0), 9223372036854775807)::bigint as "resources_checked!: Count",
       least(coalesce(checked.managed, 0), 9223372036854775807)::bigint as "resources_managed!: Count",
       least(coalesce(compared.total, 0), 9223372036854775807)::bigint as "resources_compared!: Count",
       least(coalesce(compared.drifted, 0), 9223372036854775807)::bigint as "drifted!: Count"
  from month
  left join scope_count using (label)
  left join source_count using (label)
  left join scan_count using (label)
  left join longest using (label)
  left join checked using (label)
  left join compared using (label)
 order by month.starts
