-- Whether the numbers of the organisation's findings have no gaps.
with present as (
  select count(*) as findings, min(number) as lowest, max(number) as highest
    from findings
   where org_id = $1
)
select o.finding_seq as "given!: Count",
       present.findings as "present!: Count",
       present.lowest,
       present.highest,
       case when present.findings = o.finding_seq then '{}'::bigint[]
            else array(
              select given.number
                from generate_series(1, o.finding_seq) as given (number)
               where not exists (select from findings f
                                  where f.org_id = $1 and f.number = given.number)
               order by given.number
               limit 100)
       end as "missing!"
  from orgs o, present
 where o.id = $1
