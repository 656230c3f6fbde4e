-- The part of the audit log that was written in the period; $1 is the chain. Time never goes back
-- along a chain, so it is consecutive: entries = last_seq - first_seq + 1.
select min(seq) as first_seq,
       max(seq) as last_seq,
       count(*) as "entries!: Count"
  from admin_audit_log
 where chain = $1
   and created_at >= $2
   and created_at < $3
