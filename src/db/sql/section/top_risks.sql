-- At most ten findings that were open at the end of the period ($2): the most severe, then the oldest.
with source as (
  select state_source_id, name
    from state_source_history
   where org_id = $1
     and holds_from < $2
     and (holds_until is null or holds_until >= $2)
)
select f.number,
       f.risk_level as "risk_level: Word<RiskLevel>",
       f.drift_type as "drift_type: Word<DriftType>",
       e.address,
       f.resource_type,
       source.name as "state_source!",
       e.changed_attributes,
       e.open_since,
       (extract(epoch from $2 - e.open_since) / 3600)::float8 as "open_hours!"
  from finding_events e
  join findings f on f.org_id = $1 and f.id = e.finding_id
  join source on source.state_source_id = f.state_source_id
 where e.org_id = $1
   and e.status = 'open'
   and e.occurred_at < $2
   and (e.until is null or e.until >= $2)
 order by array_position(array['critical', 'high', 'medium', 'low'], f.risk_level),
          e.open_since, f.number
 limit 10
