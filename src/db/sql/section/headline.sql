-- Figures of the first page that are no sum of the tables.
with finding as (
  select count(distinct number) as in_period
    from finding_events
   where org_id = $1
     and status = 'open'
     and occurred_at < $3
     and (until is null or until >= $2)
),
scan as (
  select count(*) filter (where status = 'done') as done,
         count(*) filter (where status = 'partial') as partial,
         count(*) filter (where status = 'failed') as failed
    from scans
   where org_id = $1 and observed_at >= $2 and observed_at < $3
),
source as (
  select count(*) as in_scope
    from state_source_history
   where org_id = $1
     and in_scope
     and holds_from < $3
     and (holds_until is null or holds_until >= $3)
),
-- Scans due by schedule, month by month and source by source: the months of coverage_monthly sum up to
-- this. A source that is scanned more often than it must be does not make up for another.
month as (
  select greatest(first at time zone 'UTC', $2) as starts,
         least((first + interval '1 month') at time zone 'UTC', $3) as ends
    from generate_series(date_trunc('month', $2::timestamptz at time zone 'UTC'),
                         ($3::timestamptz at time zone 'UTC') - interval '1 microsecond',
                         interval '1 month') as first
),
span as (
  select month.starts as month, h.state_source_id, h.expected_scan_interval_hours as every,
         greatest(h.holds_from, month.starts) as starts,
         least(h.holds_until, month.ends) as ends
    from month
    join state_source_history h
      on h.org_id = $1
     and h.in_scope
     and h.holds_from < month.ends
     and (h.holds_until is null or h.holds_until > month.starts)
),
due as (
  select month, state_source_id,
         floor(sum(extract(epoch from ends - starts) / 3600 / every)) as expected
    from span
   group by month, state_source_id
  having sum(every) is not null
),
done as (
  select span.month, span.state_source_id, count(*) as scans
    from span
    join scans c
      on c.org_id = $1
     and c.state_source_id = span.state_source_id
     and c.status = 'done'
     and c.observed_at >= span.starts
     and c.observed_at < span.ends
   group by span.month, span.state_source_id
),
cadence as (
  select sum(due.expected) as expected, sum(least(due.expected, coalesce(done.scans, 0))) as kept
    from due
    left join done using (month, state_source_id)
)
select finding.in_period as "findings_in_period!: Count",
       scan.done as "scans_done!: Count",
       scan.partial as "scans_partial!: Count",
       scan.failed as "scans_failed!: Count",
       source.in_scope as "sources!: Count",
       least(coalesce(cadence.expected, 0), 9223372036854775807)::bigint as "scans_expected!: Count",
       least(coalesce(cadence.kept, 0), 9223372036854775807)::bigint as "scans_kept!: Count"
  from finding, scan, source, cadence
