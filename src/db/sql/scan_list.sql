select c.id, c.state_source_id, s.name as state_source, c.status as "status: Word<ScanStatus>",
       c.format, c.tool, c.tool_version, c.observed_at, c.ingested_at, c.late, c.drift_reported,
       c.resources_total, c.resources_managed, c.drifted, c.missing, c.extra, c.noise_suppressed,
       c.ignored, c.serial, c.lineage, c.triggered_by, c.ci, c.error, c.warnings,
       c.content_sha256 as "content_sha256: Digest", c.size_bytes
  from scans c
  join state_sources s on s.org_id = c.org_id and s.id = c.state_source_id
 where c.org_id = $1
   and ($2::uuid is null or c.state_source_id = $2)
   and ($3::text is null or c.status = $3)
   and ($4::timestamptz is null or c.observed_at >= $4)
   and ($5::timestamptz is null or c.observed_at < $5)
   and ($6::timestamptz is null or (c.observed_at, c.id) < ($6, $7::uuid))
 order by c.observed_at desc, c.id desc
 limit $8
