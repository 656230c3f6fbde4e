select c.id, c.state_source_id, s.name as state_source, c.status as "status: Word<ScanStatus>",
       c.format, c.tool, c.tool_version, c.observed_at, c.ingested_at, c.late, c.drift_reported,
       c.resources_total, c.resources_managed, c.drifted, c.missing, c.extra, c.noise_suppressed,
       c.ignored, c.serial, c.lineage, c.triggered_by, c.ci, c.error, c.warnings,
       c.content_sha256 as "content_sha256: Digest", c.size_bytes
  from scans c
  join state_sources s on s.org_id = c.org_id and s.id = c.state_source_id
 where c.org_id = $1 and c.id = $2
