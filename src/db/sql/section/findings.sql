-- Findings that were open at some moment of the period, as they were at its end, by number.
-- Events are intervals [occurred_at, until): "at the end" is the one that reaches up to it. Findings and their
-- events are indexed by number, so that they can be read side by side in the order of the answer.
with story as (
  select number,
         bool_or(occurred_at < $2 and status = 'open') as open_at_start,
         bool_or((until is null or until >= $3) and status = 'open') as open_at_end,
         count(*) filter (where kind = 'detected' and occurred_at >= $2) as opened,
         count(*) filter (where kind = 'reopened' and occurred_at >= $2) as reopened,
         count(*) filter (where kind = 'resolved' and occurred_at >= $2) as resolved,
         count(*) filter (where kind = 'accepted' and occurred_at >= $2) as accepted,
         count(*) filter (where kind = 'false_positive' and occurred_at >= $2) as false_positive
    from finding_events
   where org_id = $1
     and occurred_at < $3
     and (until is null or until >= $2)
   group by number
  -- Nearly all of them, which the planner would not guess from a plain bool_or.
  having nullif(bool_or(status = 'open'), false) is not null
),
source as materialized (
  select s.id as state_source_id, coalesce(h.name, s.name) as name
    from state_sources s
    left join state_source_history h
      on h.org_id = $1
     and h.state_source_id = s.id
     and h.holds_from < $3
     and (h.holds_until is null or h.holds_until >= $3)
   where s.org_id = $1
),
complete_scan as materialized (
  select state_source_id, tool_family, max(observed_at) as observed_at
    from scans
   where org_id = $1 and status = 'done' and not late and observed_at < $3
   group by state_source_id, tool_family
),
sighting as (
  select seen.number, max(c.observed_at) as observed_at
    from scans c
    join scan_sightings s on s.org_id = $1 and s.scan_id = c.id
   cross join unnest(s.findings) as seen (number)
   where c.org_id = $1 and c.observed_at < $3
   group by seen.number
)
select f.number,
       f.id,
       f.state_source_id,
       source.name as state_source,
       e.address,
       f.resource_type,
       f.drift_type,
       f.risk_level,
       e.risk_level_now,
       e.changed_attributes,
       f.detected_at,
       e.last_clean_scan_at,
       -- A complete scan of an open finding's source has seen the finding, or it would have been
       -- resolved; where that does not tell, the sightings do.
       greatest(e.last_seen_at,
                case when e.status = 'open' and source.last_complete_at > e.occurred_at
                     then source.last_complete_at end,
                sighting.observed_at,
                case when f.sighted_until < $3 then f.sighted_until end) as last_seen_at,
       e.reopen_count,
       e.status,
       e.resolution,
       e.resolved_at,
       e.resolved_by,
       case when e.status = 'resolved'
            then date_part('epoch', e.resolved_at - e.open_since) / 3600
       end as time_to_resolve_hours,
       story.open_at_start,
       story.open_at_end,
       story.opened,
       story.reopened,
       story.resolved,
       story.accepted,
       story.false_positive
  from story
  join finding_events e
    on e.org_id = $1
   and e.number = story.number
   and e.occurred_at < $3
   and (e.until is null or e.until >= $3)
  join findings f on f.org_id = $1 and f.number = story.number
  -- A few hundred, each looked up once: a hash join would lose the order.
  left join lateral (
    select name,
           (select observed_at
              from complete_scan
             where complete_scan.state_source_id = f.state_source_id
               and complete_scan.tool_family = f.tool_family
             limit 1) as last_complete_at
      from source
     where source.state_source_id = f.state_source_id
     limit 1) source on true
  left join sighting on sighting.number = f.number
 order by f.number
