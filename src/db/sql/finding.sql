select f.id, f.number, f.state_source_id, s.name as state_source, f.address, f.resource_type,
       f.resource_name, f.provider, f.drift_type as "drift_type: Word<DriftType>",
       f.risk_level as "risk_level: Word<RiskLevel>",
       f.risk_level_now as "risk_level_now: Word<RiskLevel>", f.risk_rule, f.changed_attributes,
       f.status as "status: Word<Status>", f.resolution as "resolution!: MaybeWord<Resolution>",
       f.detected_at, f.last_clean_scan_at, f.last_seen_at, f.open_since, f.reopen_count,
       f.resolved_at, f.resolved_by, f.resolution_reason
  from findings f
  join state_sources s on s.org_id = f.org_id and s.id = f.state_source_id
 where f.org_id = $1 and f.id = $2
