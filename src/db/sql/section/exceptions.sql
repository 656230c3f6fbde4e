-- What was suppressed, accepted or left out in the period.
with observed as (
  select c.id, c.state_source_id, c.status, c.late, c.observed_at, c.triggered_by, c.error
    from scans c
   where c.org_id = $1 and c.observed_at >= $2 and c.observed_at < $3
),
suppressed as (
  select n.kind, n.rule, n.rule_version,
         sum(n.resources)::bigint as resources, sum(n.attributes)::bigint as attributes
    from observed c
    join scan_noise n on n.org_id = $1 and n.scan_id = c.id
   group by n.kind, n.rule, n.rule_version
),
-- Times for which a rule was disabled, each with the version that disabled it.
disabled as (
  select distinct on (rule_id, stretch)
         rule_id::text as rule, name, reason, valid_from, who,
         max(coalesce(valid_until, 'infinity')) over (partition by rule_id, stretch) as ends
    from (select v.*, changed_by_kind || ':' || changed_by_id as who,
                 count(*) filter (where enabled or deleted)
                   over (partition by rule_id order by version) as stretch
            from custom_rule_versions v
           where org_id = $1 and (valid_until is null or valid_until > valid_from)) v
   where not enabled and not deleted
   order by rule_id, stretch, version
),
source as (
  select state_source_id, name
    from state_source_history
   where org_id = $1
     and holds_from < $3
     and (holds_until is null or holds_until >= $3)
),
closed as (
  select distinct on (number, resolved_at)
         number, status, address, resolved_at, resolved_by, resolution_reason
    from finding_events
   where org_id = $1
     and status in ('accepted', 'false_positive')
     and occurred_at < $3
     and (until is null or until > $2)
   order by number, resolved_at, seq desc
),
exception as (
  select 'noise_rule' as kind, rule as reference, rule as subject, resources as count, attributes,
         null as who, null::timestamptz as "when",
         'differences that are none: set aside by a built-in rule' as why
    from suppressed
   where kind = 'noise'
  union all
  select 'ignored_by_custom_rule', s.rule, v.name, s.resources, null,
         v.changed_by_kind || ':' || v.changed_by_id, v.valid_from, v.reason
    from suppressed s
    join custom_rule_versions v
      on v.org_id = $1 and v.rule_id::text = s.rule and v.version = s.rule_version
   where s.kind = 'ignored'
  union all
  select case c.status when 'accepted' then 'accepted_risk' else 'false_positive' end,
         c.number::text, c.address, 1, null,
         'user:' || c.resolved_by, c.resolved_at, c.resolution_reason
    from closed c
  union all
  select 'disabled_rule', rule, name, 1, null, who, valid_from, reason
    from disabled
   where valid_from < $3 and ends > $2
  union all
  select 'late_scan', o.id::text, s.name, 1, null, o.triggered_by, o.observed_at,
         'observed before a scan that was already there: counted, but moved no finding'
    from observed o
    join source s on s.state_source_id = o.state_source_id
   where o.late
  union all
  select 'incomplete_scan', o.id::text, s.name, 1, null, o.triggered_by, o.observed_at,
         o.status || coalesce(': ' || o.error, '')
    from observed o
    join source s on s.state_source_id = o.state_source_id
   where o.status <> 'done'
)
select kind as "kind!",
       reference as "reference!",
       subject as "subject!",
       count as "count!: Count",
       attributes,
       who,
       "when",
       why
  from exception
 order by kind, "when" nulls first, reference
