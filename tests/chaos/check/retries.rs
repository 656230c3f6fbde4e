//! What operators send back: every retry is on record, and nothing that was taken back is lost.

use super::Check;
use crate::workload::retried::GATE;

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check::new(
            "retry_unrecorded",
            "a run has as many generations as it was sent back, and each time is on record as an action",
            "select run.id, format('generation %s; sent back from %s; on record from %s', run.generation, asked.places,
                                   acted.places)
               from engine.runs as run
              cross join lateral (
                    select count(*) as times, array_agg(from_seq order by generation) as places
                      from chaos.retries as retry where retry.run_id = run.id) as asked
              cross join lateral (
                    select count(*) as times, array_agg((detail->>'from_seq')::integer order by id) as places
                      from engine.actions as action
                     where action.run_id = run.id and action.action = 'retry' and action.actor = 'chaos') as acted
              where (asked.times, acted.times) is distinct from (run.generation::bigint, run.generation::bigint)
                 or acted.places is distinct from asked.places",
        ),
        Check::new(
            "past_lost",
            "the steps that a retry took back are kept, from the place it went back to up to the one that failed",
            format!(
                "select coalesce(retry.run_id, past.run_id),
                        format('generation %s went back to %s; kept are %s', coalesce(retry.generation, past.generation),
                               retry.from_seq, past.places)
                   from chaos.retries as retry
                   full join (select run_id, generation, array_agg(seq order by seq) as places,
                                     max(seq) filter (where state = 'failed') as failed
                                from engine.past_steps group by run_id, generation) as past
                     on (past.run_id, past.generation) = (retry.run_id, retry.generation)
                  where past.failed is distinct from {GATE}
                     or past.places is distinct from array(select generate_series(retry.from_seq, {GATE}))"
            ),
        ),
        Check::new(
            "reopen_wrong",
            "the workflow's on_reopen takes part in each retry exactly once",
            "select run.id, format('generation %s, and on_reopen wrote %s rows', run.generation, count(hook.run_id))
               from engine.runs as run
               left join chaos.reopenings as hook on hook.run_id = run.id
              where run.workflow = 'chaos.retried'
              group by run.id, run.generation having count(hook.run_id) <> run.generation",
        ),
    ]
}
