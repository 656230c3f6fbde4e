with entry as (
  insert into admin_audit_log (
    chain, seq, id, action, actor_type, actor_id, created_at, detail, origin, outcome,
    prev_hash, hash, canonical)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
  returning chain, seq, hash, created_at
)
update audit_chain_heads as head
   set seq = entry.seq,
       hash = entry.hash,
       created_at = entry.created_at
  from entry
 where head.chain = entry.chain
