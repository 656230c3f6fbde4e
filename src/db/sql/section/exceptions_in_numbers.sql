-- How much was suppressed, accepted or left out in the period. The rows themselves: exceptions.
with observed as (
  select id, late
    from scans
   where org_id = $1 and observed_at >= $2 and observed_at < $3
),
aside as (
  select sum(n.resources) filter (where n.kind = 'noise') as noise_resources,
         sum(n.attributes) filter (where n.kind = 'noise') as noise_attributes,
         sum(n.resources) filter (where n.kind = 'ignored') as ignored
    from observed c
    join scan_noise n on n.org_id = $1 and n.scan_id = c.id
),
-- Each closing as the period left it.
closed as (
  select distinct on (number, resolved_at) status
    from finding_events
   where org_id = $1
     and status in ('accepted', 'false_positive')
     and occurred_at < $3
     and (until is null or until > $2)
   order by number, resolved_at, seq desc
),
decided as (
  select count(*) filter (where status = 'accepted') as accepted,
         count(*) filter (where status = 'false_positive') as false_positive
    from closed
),
-- Times for which a rule was disabled.
disabled as (
  select rule_id, stretch, min(valid_from) as starts, max(coalesce(valid_until, 'infinity')) as ends
    from (select v.*, count(*) filter (where enabled or deleted)
                   over (partition by rule_id order by version) as stretch
            from custom_rule_versions v
           where org_id = $1 and (valid_until is null or valid_until > valid_from)) v
   where not enabled and not deleted
   group by rule_id, stretch
)
select coalesce(aside.noise_resources, 0)::bigint as "noise_resources!: Count",
       coalesce(aside.noise_attributes, 0)::bigint as "noise_attributes!: Count",
       coalesce(aside.ignored, 0)::bigint as "ignored_by_custom_rules!: Count",
       decided.accepted as "accepted_risks!: Count",
       decided.false_positive as "false_positives!: Count",
       (select count(*) from disabled where starts < $3 and ends > $2) as "disabled_rules!: Count",
       (select count(*) from observed where late) as "late_scans!: Count"
  from aside, decided
