-- From when on the organisation's history is whole, and how much was removed from before. No row: all of it is there.
select kept_from,
       scans as "scans!: Count",
       findings as "findings!: Count"
  from history_retention
 where org_id = $1
