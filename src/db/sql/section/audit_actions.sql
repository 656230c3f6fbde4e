-- The audit log of the period by action: what was done to rules, sources, people and keys meanwhile, and
-- where in the log it stands; $1 is the chain.
select action as "action!",
       count(*) as "entries!: Count",
       min(seq) as "first_seq!",
       max(seq) as "last_seq!"
  from admin_audit_log
 where chain = $1
   and created_at >= $2
   and created_at < $3
 group by action
 order by action
