-- Whether the numbers of the organisation's findings have no gaps, but for those that retention has removed.
with present as (
  select count(*) as findings, min(number) as lowest, max(number) as highest
    from findings
   where org_id = $1
),
removed as (
  select coalesce(sum(last_number - first_number + 1), 0)::bigint as findings
    from removed_finding_numbers
   where org_id = $1
)
select o.finding_seq as "given!: Count",
       present.findings as "present!: Count",
       removed.findings as "removed!: Count",
       present.lowest,
       present.highest,
       case when present.findings + removed.findings = o.finding_seq then '{}'::bigint[]
            else array(
              select given.number
                from generate_series(1, o.finding_seq) as given (number)
               where not exists (select from findings f
                                  where f.org_id = $1 and f.number = given.number)
                 and not exists (select from removed_finding_numbers r
                                  where r.org_id = $1
                                    and given.number between r.first_number and r.last_number)
               order by given.number
               limit 100)
       end as "missing!"
  from orgs o, present, removed
 where o.id = $1
