insert into finding_events (
  org_id, number, seq, kind, status, resolution, address, changed_attributes, risk_level,
  risk_level_now, open_since, last_clean_scan_at, last_seen_at, reopen_count, resolved_at,
  resolved_by, resolution_reason, occurred_at, recorded_at, actor_kind, actor_id, reason, scan_id)
select $1, number, seq, kind, status, resolution, address, changed_attributes, risk_level,
       risk_level_now, open_since, last_clean_scan_at, last_seen_at, reopen_count, resolved_at,
       resolved_by, resolution_reason, occurred_at, $3, $4, $5, reason, scan_id
  from json_to_recordset($2::json) as row (
         number bigint, seq integer, kind text, status text, resolution text, address text,
         changed_attributes text[], risk_level text, risk_level_now text, open_since timestamptz,
         last_clean_scan_at timestamptz, last_seen_at timestamptz, reopen_count integer,
         resolved_at timestamptz, resolved_by text, resolution_reason text,
         occurred_at timestamptz, reason text, scan_id uuid)
