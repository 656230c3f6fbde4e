-- Findings $7 <= number < $8 and their events.
-- $2: sources, $3: seed, $4: start, $5: microseconds between scans, $6: scans, $9: now.
with fate as (
  select number,
         ($2::uuid[])[1 + abs(hashint8extended(number, $3::bigint) % cardinality($2))] as source,
         -- The scans that detect it, that resolve or update it, and that reopen it.
         1 + abs(hashint8extended(number, $3::bigint + 1) % $6::bigint) as detected,
         abs(hashint8extended(number, $3::bigint + 2) % 100) as chance,
         hashint8extended(number, $3::bigint + 3) as later,
         abs(hashint8extended(number, $3::bigint + 4) % 10) as severity,
         (array['aws_iam_role_policy', 'aws_security_group', 'aws_s3_bucket', 'aws_instance',
                'aws_db_instance', 'aws_route53_record', 'aws_lambda_function', 'aws_ebs_volume'])
           [1 + abs(hashint8extended(number, $3::bigint + 5) % 8)] as resource_type,
         (array['changed', 'changed', 'changed', 'missing'])
           [1 + abs(hashint8extended(number, $3::bigint + 6) % 4)] as drift_type,
         md5(number::text || ($3::bigint)::text || ($1::uuid)::text) as noise
    from generate_series($7::bigint, $8::bigint - 1) as number
),
turn as (
  select fate.*,
         case when detected = $6::bigint then detected
              else detected + 1 + abs(later % ($6::bigint - detected)) end as second
    from fate
),
story as materialized (
  select number, source, drift_type, resource_type,
         (lpad(to_hex(floor(extract(epoch from $9::timestamptz) * 1000)::bigint), 12, '0')
           || '7' || substr(noise, 1, 3) || '8' || lpad(to_hex(number), 10, '0')
           || substr(noise, 4, 5))::uuid as id,
         resource_type || '.r["' || substr(noise, 9, 8) || '-' || number || '"]' as address,
         case when severity = 0 then 'critical' when severity <= 2 then 'high'
              when severity <= 7 then 'medium' else 'low' end as level,
         case when drift_type = 'changed' then (array['ingress', 'tags', 'versioning'])[1:1 + severity::int % 3]
              else '{}' end as attributes,
         case when second = detected or chance < 22 then 'open'
              when chance < 75 then 'resolved'
              when chance < 85 and second < $6 then 'reopened'
              when chance < 85 then 'resolved'
              when chance < 92 then 'accepted'
              when chance < 96 then 'false_positive'
              else 'updated' end as ending,
         $4::timestamptz + $5::bigint * interval '1 microsecond' * detected as detected_at,
         case when detected > 1
              then $4::timestamptz + $5::bigint * interval '1 microsecond' * (detected - 1) end as clean_at,
         $4::timestamptz + $5::bigint * interval '1 microsecond' * second as second_at,
         $4::timestamptz + $5::bigint * interval '1 microsecond' * (second - 1) as before_second_at,
         -- A person decides half a step after the scan.
         $4::timestamptz + $5::bigint * interval '1 microsecond' * detected
           + $5::bigint / 2 * interval '1 microsecond' as decided_at,
         $4::timestamptz + $5::bigint * interval '1 microsecond' * (second + 1) as third_at,
         $4::timestamptz + $5::bigint * interval '1 microsecond' * $6 as last_at
    from turn
),
event as materialized (
  select story.*, e.*
    from story,
         lateral (
           select 1 as seq, 'detected' as kind, 'open' as status, null as resolution,
                  detected_at as open_since, detected_at as occurred_at,
                  case ending when 'open' then null
                              when 'accepted' then decided_at
                              when 'false_positive' then decided_at
                              else second_at end as until,
                  clean_at as last_clean_scan_at, detected_at as last_seen_at, 0 as reopen_count,
                  null::timestamptz as resolved_at
           union all
           select 2, 'resolved', 'resolved', 'no_longer_observed', detected_at, second_at,
                  case ending when 'reopened' then third_at end, clean_at, before_second_at, 0,
                  second_at
            where ending in ('resolved', 'reopened')
           union all
           select 3, 'reopened', 'open', null, third_at, third_at, null, second_at, third_at, 1, null
            where ending = 'reopened'
           union all
           select 2, 'updated', 'open', null, detected_at, second_at, null, clean_at, second_at, 0,
                  null
            where ending = 'updated'
           union all
           select 2, ending, ending,
                  case ending when 'accepted' then 'accepted_risk' else 'false_positive' end,
                  detected_at, decided_at, null, clean_at, detected_at, 0, decided_at
            where ending in ('accepted', 'false_positive')
         ) e
),
finding as (
  insert into findings (
    org_id, id, number, state_source_id, tool_family, address, resource_type, resource_name, provider,
    drift_type, risk_level, risk_rule, risk_level_now, changed_attributes, status, resolution,
    detected_at, last_clean_scan_at, last_seen_at, open_since, state_since, event_seq,
    reopen_count, resolved_at, resolved_by, resolution_reason)
  select $1, id, number, source, 'terraform', address, resource_type, 'r', 'registry.terraform.io/hashicorp/aws',
         drift_type, level, 'default', level, attributes, status, resolution,
         detected_at, last_clean_scan_at,
         case when status = 'open' then last_at else last_seen_at end, open_since, occurred_at,
         seq, reopen_count, resolved_at,
         case when kind in ('accepted', 'false_positive') then 'generator' end,
         case when kind in ('accepted', 'false_positive') then 'generated' end
    from event
   where until is null
   order by number
  returning 1
),
written as (
  insert into finding_events (
    org_id, number, seq, kind, status, resolution, address, changed_attributes, risk_level,
    risk_level_now, open_since, last_clean_scan_at, last_seen_at, reopen_count, resolved_at,
    resolved_by, resolution_reason, occurred_at, until, recorded_at, actor_kind, actor_id, reason)
  select $1, number, seq, kind, status, resolution, address, attributes, level,
         level, open_since, last_clean_scan_at, last_seen_at, reopen_count, resolved_at,
         case when kind in ('accepted', 'false_positive') then 'generator' end,
         case when kind in ('accepted', 'false_positive') then 'generated' end,
         occurred_at, until, $9, 'system', 'generator',
         case when kind in ('accepted', 'false_positive') then 'generated' end
    from event
   order by number, seq
  returning 1
)
select (select count(*) from written) + 0 * (select count(*) from finding) as "events!"
