update finding_events e
   set until = row.occurred_at
  from json_to_recordset($2::json) as row (number bigint, seq integer, occurred_at timestamptz)
 where e.org_id = $1
   and e.number = row.number
   and e.seq = row.seq - 1
