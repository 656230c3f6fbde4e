select chain, status as "status!: MaybeWord<Status>", verified_seq,
       verified_hash as "verified_hash!: MaybeDigest", checked_at, checked_by, read_whole_at,
       alarm as "alarm!", alarm_since, first_bad_seq,
       first_bad_kind as "first_bad_kind!: MaybeWord<BadKind>", message, recorded_seq, unreadable_since
  from audit_chain_states
 where alarm or unreadable_since is not null
 order by alarm desc, alarm_since, unreadable_since, chain
 limit $1
