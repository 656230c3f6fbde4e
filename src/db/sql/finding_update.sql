update findings f
   set address = row.address,
       changed_attributes = row.changed_attributes,
       status = row.status,
       resolution = row.resolution,
       risk_level_now = row.risk_level_now,
       open_since = row.open_since,
       state_since = row.occurred_at,
       event_seq = row.seq,
       last_clean_scan_at = row.last_clean_scan_at,
       last_seen_at = row.last_seen_at,
       reopen_count = row.reopen_count,
       resolved_at = row.resolved_at,
       resolved_by = row.resolved_by,
       resolution_reason = row.resolution_reason
  from json_to_recordset($2::json) as row (
         id uuid, seq integer, status text, resolution text, address text,
         changed_attributes text[], risk_level_now text, open_since timestamptz,
         last_clean_scan_at timestamptz, last_seen_at timestamptz, reopen_count integer,
         resolved_at timestamptz, resolved_by text, resolution_reason text,
         occurred_at timestamptz)
 where f.org_id = $1
   and f.id = row.id
