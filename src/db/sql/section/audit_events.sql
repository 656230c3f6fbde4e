-- The entries of the audit log that were written in the period, as they were hashed; $1 is the chain.
select canonical
  from admin_audit_log
 where chain = $1
   and created_at >= $2
   and created_at < $3
 order by seq
