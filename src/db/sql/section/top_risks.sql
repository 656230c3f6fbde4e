-- At most ten findings that were open at the end of the period ($2): the most severe, then the oldest.
with source as (
  select state_source_id, name
    from state_source_history
   where org_id = $1
     and holds_from < $2
     and (holds_until is null or holds_until >= $2)
),
-- The few that count, before anything is looked up for them: the events have what decides.
worst as (
  select number, address, changed_attributes, risk_level, open_since
    from finding_events
   where org_id = $1
     and status = 'open'
     and occurred_at < $2
     and (until is null or until >= $2)
   order by array_position(array['critical', 'high', 'medium', 'low'], risk_level), open_since, number
   limit 10
)
select f.number,
       f.risk_level as "risk_level: Word<RiskLevel>",
       f.drift_type as "drift_type: Word<DriftType>",
       e.address,
       f.resource_type,
       coalesce(source.name, s.name) as "state_source!",
       e.changed_attributes,
       e.open_since,
       date_part('epoch', $2 - e.open_since) / 3600 as "open_hours!"
  from worst e
  join findings f on f.org_id = $1 and f.number = e.number
  join state_sources s on s.org_id = $1 and s.id = f.state_source_id
  left join source on source.state_source_id = f.state_source_id
 order by array_position(array['critical', 'high', 'medium', 'low'], e.risk_level),
          e.open_since, e.number
