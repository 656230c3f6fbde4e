-- The whole chain $1, in order, and of each entry whether it was written in [$2, $3): the rows of section/audit_events.sql are among
-- these.
select seq, id, action, actor_type, actor_id,
       -- A time beyond what a program can hold, 'infinity' for one, is another than that of the text: so is this.
       case when created_at between '0001-01-01' and '9999-12-31' then created_at
            else 'epoch'
       end as created_at,
       detail, origin, outcome, prev_hash, hash, canonical,
       created_at >= $2 and created_at < $3 as in_period
  from admin_audit_log
 where chain = $1
 order by seq
