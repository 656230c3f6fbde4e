-- What earlier scans of a source ($2) by a tool family ($3) say about the place of the next one.
select (select observed_at
          from scans
         where org_id = $1 and state_source_id = $2 and tool_family = $3 and status <> 'failed'
         order by observed_at desc
         limit 1) as newest_observed_at,
       -- A late one may have shown what a finding is now opened for.
       (select observed_at
          from scans
         where org_id = $1 and state_source_id = $2 and tool_family = $3 and status = 'done'
           and not late
         order by observed_at desc
         limit 1) as newest_done_at
