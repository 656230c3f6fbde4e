-- Puts an entry behind the head of its chain, which stays locked until the transaction ends. The text that is hashed is the
-- frame ($9 and $10) with the entry's place in it, as `evidence::chain::Frame` says.
with head as materialized (
  select chain, seq, hash, created_at from audit_chain_heads where chain = $1 for update
),
-- Apart from the part that waits, so that the time is taken when the lock is held.
place as materialized (
  select chain, seq + 1 as seq, hash as prev_hash, greatest(clock_timestamp(), created_at) as created_at from head
),
placed as materialized (
  select *,
         $9 || to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
            || $10 || coalesce('"' || encode(prev_hash, 'hex') || '"', 'null')
            || ',"seq":' || seq || '}' as canonical
    from place
),
entry as (
  insert into admin_audit_log (
    chain, seq, id, action, actor_type, actor_id, created_at, detail, origin, outcome,
    prev_hash, hash, canonical)
  select chain, seq, $2, $3, $4, $5, created_at, $6, $7, $8,
         prev_hash, sha256(convert_to(E'v1\n' || canonical, 'UTF8')), canonical
    from placed
  returning chain, seq, created_at, prev_hash, hash
)
update audit_chain_heads as head
   set seq = entry.seq,
       hash = entry.hash,
       created_at = entry.created_at
  from entry
 where head.chain = entry.chain
returning entry.seq, entry.created_at, entry.prev_hash, entry.hash
