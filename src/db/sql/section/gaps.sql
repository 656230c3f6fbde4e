-- The twenty longest times without a complete scan of a source in scope, as far as they lie in the
-- period. Where the source has a schedule, only those that are longer than it asks for: the ordinary
-- weeks of one source must not push the lost days of another from the list. Names and intervals are
-- those of the period's end.
with source as (
  select state_source_id, name, expected_scan_interval_hours
    from state_source_history
   where org_id = $1
     and holds_from < $3
     and (holds_until is null or holds_until >= $3)
),
span as (
  select state_source_id,
         greatest(holds_from, $2) as starts,
         least(holds_until, $3) as ends
    from state_source_history
   where org_id = $1
     and in_scope
     and holds_from < $3
     and (holds_until is null or holds_until > $2)
),
-- Versions that follow each other without a break are one time in scope.
stretch as (
  select state_source_id, stretch, min(starts) as starts, max(ends) as ends
    from (select span.*, count(*) filter (where breaks)
                   over (partition by state_source_id order by starts) as stretch
            from (select span.*, starts is distinct from lag(ends)
                           over (partition by state_source_id order by starts) as breaks
                    from span) span) span
   group by state_source_id, stretch
),
look as (
  select state_source_id, stretch, starts as at from stretch
  union all
  select state_source_id, stretch, ends from stretch
  union all
  select c.state_source_id, stretch.stretch, c.observed_at
    from stretch
    join scans c
      on c.org_id = $1
     and c.state_source_id = stretch.state_source_id
     and c.status = 'done'
     and c.observed_at > stretch.starts
     and c.observed_at < stretch.ends
),
gap as (
  select state_source_id, at as starts,
         lead(at) over (partition by state_source_id, stretch order by at) as ends
    from look
)
select source.name as "state_source!",
       gap.starts as "from!",
       gap.ends as "to!",
       (extract(epoch from gap.ends - gap.starts) / 3600)::float8 as "hours!",
       source.expected_scan_interval_hours as "expected_interval_hours?",
       count(*) over () as "total!: Count"
  from gap
  join source using (state_source_id)
 where gap.ends > gap.starts
   and (source.expected_scan_interval_hours is null
        or gap.ends - gap.starts > make_interval(hours => source.expected_scan_interval_hours))
 order by gap.ends - gap.starts desc, source.name, gap.starts
 limit 20
