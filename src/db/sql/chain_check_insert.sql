insert into audit_chain_checks
       (chain, checked_at, checked_by, extent, status, checked, verified_from_seq, head_seq, head_hash,
        first_bad_seq, first_bad_kind, message)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
