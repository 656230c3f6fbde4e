-- Figures of the first page that are no sum of the tables.
with finding as (
  select count(distinct finding_id) as in_period
    from finding_events
   where org_id = $1
     and status = 'open'
     and occurred_at < $3
     and (until is null or until >= $2)
),
closed as (
  select count(hours) as resolved, avg(hours) as mean, max(hours) as max,
         percentile_cont(0.5) within group (order by hours) as median,
         percentile_cont(0.9) within group (order by hours) as p90
    from (select (extract(epoch from occurred_at - open_since) / 3600)::float8 as hours
            from finding_events
           where org_id = $1 and kind = 'resolved'
             and occurred_at >= $2 and occurred_at < $3) resolution
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
-- Scans due by schedule, source by source. A source that is scanned more often than it must be does
-- not make up for another.
due as (
  select state_source_id,
         floor(sum(extract(epoch from least(holds_until, $3) - greatest(holds_from, $2))
                   / 3600 / expected_scan_interval_hours))::bigint as expected
    from state_source_history
   where org_id = $1
     and in_scope
     and expected_scan_interval_hours is not null
     and holds_from < $3
     and (holds_until is null or holds_until > $2)
   group by state_source_id
),
cadence as (
  select sum(due.expected) as expected,
         sum(least(due.expected, (
           select count(*)
             from scans c
            where c.org_id = $1
              and c.state_source_id = due.state_source_id
              and c.status = 'done'
              and c.observed_at >= $2
              and c.observed_at < $3))) as kept
    from due
)
select finding.in_period as "findings_in_period!: Count",
       scan.done as "scans_done!: Count",
       scan.partial as "scans_partial!: Count",
       scan.failed as "scans_failed!: Count",
       source.in_scope as "sources!: Count",
       closed.resolved as "resolved!: Count",
       closed.mean,
       closed.median,
       closed.p90,
       closed.max,
       coalesce(cadence.expected, 0)::bigint as "scans_expected!: Count",
       coalesce(cadence.kept, 0)::bigint as "scans_kept!: Count"
  from finding, closed, scan, source, cadence
