update audit_chain_states
   set status = $2, checked_at = $3, checked_by = $4,
       read_whole_at = case when $5 then $3 else read_whole_at end,
       first_bad_seq = $6, first_bad_kind = $7, message = $8,
       verified_seq = coalesce($9, verified_seq), verified_hash = coalesce($10, verified_hash),
       -- The same words as the column alarm, which is made from them.
       alarm_since = case
         when $2 = 'ok' or (chain = '00000000-0000-0000-0000-000000000000' and $2 = 'empty') then null
         else coalesce(alarm_since, $3)
       end,
       recorded_seq = case when $11 then null else recorded_seq end,
       unreadable_since = null
 where chain = $1
