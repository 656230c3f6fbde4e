-- The plan that held at the end of the period ($2): the last version that began before it. An
-- organisation that began later has the plan that it began with.
select plan as "plan: Word<Plan>",
       version,
       valid_from as since
  from org_plan_versions
 where org_id = $1
 order by valid_from < $2 desc,
          case when valid_from < $2 then version end desc,
          version
 limit 1
