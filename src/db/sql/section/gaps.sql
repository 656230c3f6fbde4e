-- The twenty longest times without a complete scan of a source in scope, as far as they lie in the
-- period.
with scope as (
  select state_source_id,
         greatest(min(holds_from), $2) as starts,
         least(max(coalesce(holds_until, 'infinity')), $3) as ends
    from state_source_history
   where org_id = $1
     and in_scope
     and holds_from < $3
     and (holds_until is null or holds_until > $2)
   group by state_source_id
),
look as (
  select state_source_id, starts as at from scope
  union all
  select state_source_id, ends from scope
  union all
  select c.state_source_id, c.observed_at
    from scope
    join scans c
      on c.org_id = $1
     and c.state_source_id = scope.state_source_id
     and c.status = 'done'
     and c.observed_at > scope.starts
     and c.observed_at < scope.ends
),
gap as (
  select state_source_id, at as starts,
         lead(at) over (partition by state_source_id order by at) as ends
    from look
)
select s.name as state_source,
       gap.starts as "from!",
       gap.ends as "to!",
       (extract(epoch from gap.ends - gap.starts) / 3600)::float8 as "hours!",
       s.expected_scan_interval_hours as expected_interval_hours
  from gap
  join state_sources s on s.org_id = $1 and s.id = gap.state_source_id
 where gap.ends > gap.starts
 order by gap.ends - gap.starts desc, s.name, gap.starts
 limit 20
