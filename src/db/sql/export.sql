select e.org_id, e.id, e.status as "status: Word<Status>", e.period_start, e.period_end,
       e.requested_by, u.email as "requested_by_email?",
       e.requested_role as "requested_role: Word<Role>", e.requested_at, e.requested_seq,
       e.request_id, e.started_at, e.finished_at, e.expires_at, e.file_name,
       e.size_bytes as "size_bytes!: MaybeCount", e.sha256 as "sha256!: MaybeDigest",
       e.manifest_sha256 as "manifest_sha256!: MaybeDigest", e.pdf_included,
       e.entries as "entries!: MaybeEntries", e.error_code, e.error_message, e.workflow_run_id,
       e.object_key, e.attested_seq, e.attested_hash as "attested_hash!: MaybeDigest"
  from audit_exports e
  left join users u on u.id = e.requested_by
 where e.org_id = $1 and e.id = $2
