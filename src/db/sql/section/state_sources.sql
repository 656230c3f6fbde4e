-- State sources as they were at the end of the period ($2), by name.
select state_source_id as "id!",
       name as "name!",
       kind as "kind!: Word<SourceKind>",
       location as "location!",
       expected_scan_interval_hours,
       in_scope as "active!",
       version as "version!",
       changed_by_kind as "changed_by_kind!: Word<ActorKind>",
       changed_by_id as "changed_by_id!",
       changed_at as "changed_at!"
  from state_source_history
 where org_id = $1
   and not deleted
   and holds_from < $2
   and (holds_until is null or holds_until >= $2)
 order by name, state_source_id
