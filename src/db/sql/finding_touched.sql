-- Findings of a source ($2): the one with id $5, or else those of a tool family ($3) that are open or
-- stand at an address with one of the digests $4. The digests come as they are: a function that might
-- leak what it sees could not be part of an index condition under row security.
with touched as (
  select id from findings
   where org_id = $1 and state_source_id = $2 and tool_family = $3 and status = 'open'
     and $5::uuid is null
  union
  select f.id
    from unnest($4::bytea[]) as wanted (digest)
    join findings f
      on f.org_id = $1
     and f.state_source_id = $2
     and f.tool_family = $3
     and f.drift_type in ('missing', 'extra', 'changed')
     and f.address_digest = wanted.digest
  union
  select $5 where $5::uuid is not null
)
select f.id, f.number, f.status as "status: Word<Status>",
       f.resolution as "resolution!: MaybeWord<Resolution>", f.address,
       f.drift_type as "drift_type: Word<DriftType>", f.risk_level as "risk_level: Word<RiskLevel>",
       f.risk_level_now as "risk_level_now: Word<RiskLevel>", f.changed_attributes, f.open_since,
       f.state_since, f.event_seq, f.last_clean_scan_at, f.last_seen_at, f.reopen_count,
       f.resolved_at, f.resolved_by, f.resolution_reason
  from touched
  join findings f on f.org_id = $1 and f.id = touched.id
 order by f.number
