insert into findings (
  org_id, id, number, state_source_id, tool_family, address, resource_type, resource_name, provider,
  drift_type, risk_level, risk_rule, risk_level_now, changed_attributes, status, resolution, detected_at,
  last_clean_scan_at, last_seen_at, open_since, state_since, event_seq, reopen_count, resolved_at,
  resolved_by, resolution_reason)
select $1, id, number, $2, $3, address, resource_type, resource_name, provider, drift_type,
       risk_level, risk_rule, risk_level_now, changed_attributes, status, resolution, occurred_at,
       last_clean_scan_at, last_seen_at, open_since, occurred_at, seq, reopen_count, resolved_at,
       resolved_by, resolution_reason
  from json_to_recordset($4::json) as row (
         id uuid, number bigint, address text, resource_type text, resource_name text,
         provider text, drift_type text, risk_level text, risk_rule text, risk_level_now text,
         changed_attributes text[], status text, resolution text, occurred_at timestamptz,
         last_clean_scan_at timestamptz, last_seen_at timestamptz, open_since timestamptz,
         seq integer, reopen_count integer, resolved_at timestamptz, resolved_by text,
         resolution_reason text)
