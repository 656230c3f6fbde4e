update finding_events e
   set until = row.occurred_at
  from json_to_recordset($2::json) as row (id uuid, seq integer, occurred_at timestamptz)
 where e.org_id = $1
   and e.finding_id = row.id
   and e.seq = row.seq - 1
