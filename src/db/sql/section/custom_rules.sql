-- Custom rules as they were at the end of the period ($2), in the order in which they were asked.
select v.rule_id as id,
       v.name,
       v.position,
       v.resource_pattern,
       v.attribute_pattern,
       v.drift_type as "drift_type!: MaybeWord<DriftType>",
       v.risk_level as "risk_level: Word<CustomLevel>",
       v.reason,
       v.enabled,
       v.version,
       v.changed_by_kind as "changed_by_kind: Word<ActorKind>",
       v.changed_by_id,
       v.valid_from as changed_at
  from custom_rule_versions v
  join custom_rules r on r.org_id = v.org_id and r.id = v.rule_id
 where v.org_id = $1
   and not v.deleted
   and v.valid_from < $2
   and (v.valid_until is null or (v.valid_until >= $2 and v.valid_until > v.valid_from))
 order by v.position, r.created_at, v.rule_id
