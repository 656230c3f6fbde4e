-- The scans that saw the generated findings: $6 complete ones for each source of $2, and now and then
-- a partial or a failed one in between. $3: seed, $4: start, $5: microseconds between scans,
-- $7: first number, $8: now.
with delta as (
  select f.state_source_id, f.drift_type, e.occurred_at,
         sum(case e.kind when 'resolved' then -1 else 1 end) as change
    from findings f
    join finding_events e on e.org_id = $1 and e.number = f.number
   where f.org_id = $1
     and f.state_source_id = any($2)
     and e.kind in ('detected', 'reopened', 'resolved')
   group by f.state_source_id, f.drift_type, e.occurred_at
),
calendar as (
  select source, step, $4::timestamptz + $5::bigint * interval '1 microsecond' * step as observed_at
    from unnest($2::uuid[]) as source, generate_series(1, $6::bigint) as step
),
-- What was open at each scan: a running sum, of which a change at the very moment of the scan is part.
seen as (
  select source, step, observed_at, drifted, missing
    from (select source, step, at as observed_at,
                 coalesce(sum(change) filter (where drift_type = 'changed') over before, 0) as drifted,
                 coalesce(sum(change) filter (where drift_type = 'missing') over before, 0) as missing
            from (select state_source_id as source, null::bigint as step, occurred_at as at, drift_type, change
                    from delta
                  union all
                  select source, step, observed_at, null, 0 from calendar) moment
          window before as (partition by source order by at range unbounded preceding)) moment
   where step is not null
),
scan as (
  select source, step, 'done' as status, observed_at, drifted, missing from seen
  union all
  select source, step, case when step % 50 = 0 then 'failed' else 'partial' end,
         observed_at - $5::bigint / 4 * interval '1 microsecond', 0, 0
    from seen
   where step % 20 = 0 or step % 50 = 0
)
insert into scans (
  org_id, id, state_source_id, status, format, tool_family, tool, tool_version, observed_at,
  ingested_at, late, drift_reported, resources_total, resources_managed, drifted, missing, extra,
  noise_suppressed, ignored, triggered_by, ci, error, warnings, content_sha256, size_bytes)
select $1,
       (lpad(to_hex(floor(extract(epoch from observed_at) * 1000)::bigint), 12, '0') || '7'
         || substr(digest, 1, 3) || '8' || substr(digest, 4, 15))::uuid,
       source, status, 'plan_json', 'terraform', 'terraform', '1.9.0', observed_at, $8, false,
       true,
       case when status = 'done' then 2 * (drifted + missing) + 100 end,
       null,
       drifted, missing, 0, 0,
       0, 'system:generator', '{}',
       case status when 'partial' then 'generated: not everything could be read'
                   when 'failed' then 'generated: nothing could be read' end,
       '[]', sha256(convert_to(digest, 'UTF8')), 1000
  from scan,
       lateral md5(source::text || status || step::text || ($3::bigint)::text || ($7::bigint)::text) as digest
