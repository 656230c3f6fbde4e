insert into scans (
  org_id, id, state_source_id, status, format, tool_family, tool, tool_version, observed_at,
  ingested_at, late, drift_reported, resources_total, resources_managed, drifted, missing, extra,
  noise_suppressed, ignored, serial, lineage, triggered_by, ci, error, warnings, content_sha256,
  size_bytes)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
        $21, $22, $23, $24, $25, $26, $27)
