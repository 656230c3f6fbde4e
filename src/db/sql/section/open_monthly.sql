-- What happened to findings in the period, by calendar month (UTC) and risk level as at detection. What
-- was open in each month follows from it and from what was open at the start of the period.
with event as (
  select date_trunc('month', occurred_at at time zone 'UTC') as month, risk_level, kind, count(*) as events
    from finding_events
   where org_id = $1
     and occurred_at >= $2
     and occurred_at < $3
     and kind in ('detected', 'reopened', 'resolved', 'accepted', 'false_positive')
   group by 1, 2, 3
)
select to_char(month, 'YYYY-MM') as "month!",
       risk_level as "risk_level: Word<RiskLevel>",
       coalesce(sum(events) filter (where kind = 'detected'), 0)::bigint as "opened!: Count",
       coalesce(sum(events) filter (where kind = 'reopened'), 0)::bigint as "reopened!: Count",
       coalesce(sum(events) filter (where kind = 'resolved'), 0)::bigint as "resolved!: Count",
       coalesce(sum(events) filter (where kind = 'accepted'), 0)::bigint as "accepted!: Count",
       coalesce(sum(events) filter (where kind = 'false_positive'), 0)::bigint as "false_positive!: Count"
  from event
 group by month, risk_level
 order by month, risk_level
