-- The entries of the chain $1 from position $2 on, in order.
select seq, id, action, actor_type, actor_id,
       -- A time beyond what a program can hold, 'infinity' for one, is another than that of the text: so is this.
       case when created_at between '0001-01-01' and '9999-12-31' then created_at
            else 'epoch'
       end as created_at,
       detail, origin, outcome, prev_hash, hash, canonical
  from admin_audit_log
 where chain = $1 and seq >= $2
 order by seq
