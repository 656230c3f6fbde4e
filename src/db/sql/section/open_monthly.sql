-- What happened to findings in the period, by calendar month (UTC) and risk level as at detection. What
-- was open in each month follows from it and from what was open at the start of the period.
select to_char(month, 'YYYY-MM') as "month!",
       risk_level as "risk_level: Word<RiskLevel>",
       opened as "opened!: Count",
       reopened as "reopened!: Count",
       resolved as "resolved!: Count",
       accepted as "accepted!: Count",
       false_positive as "false_positive!: Count"
  from (select date_trunc('month', occurred_at at time zone 'UTC') as month, risk_level,
               count(*) filter (where kind = 'detected') as opened,
               count(*) filter (where kind = 'reopened') as reopened,
               count(*) filter (where kind = 'resolved') as resolved,
               count(*) filter (where kind = 'accepted') as accepted,
               count(*) filter (where kind = 'false_positive') as false_positive
          from finding_events
         where org_id = $1
           and occurred_at >= $2
           and occurred_at < $3
           and kind in ('detected', 'reopened', 'resolved', 'accepted', 'false_positive')
         group by 1, 2) event
 order by month, risk_level
