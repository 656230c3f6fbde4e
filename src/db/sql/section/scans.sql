-- Scans that were observed in the period, in order of observation.
select id,
       state_source_id,
       status as "status: Word<ScanStatus>",
       tool,
       tool_version,
       observed_at,
       ingested_at,
       resources_total,
       resources_managed,
       drifted,
       missing,
       extra,
       noise_suppressed,
       ignored,
       serial,
       lineage,
       triggered_by,
       ci,
       error,
       late,
       encode(content_sha256, 'hex') as "content_sha256!"
  from scans
 where org_id = $1
   and observed_at >= $2
   and observed_at < $3
 order by observed_at, id
