//! Limits: never more runs at a time than the workflow declares, whichever process has them.

use super::Check;
use crate::workload::limited::{RUNNING, RUNNING_PER_KEY};

/// Who claims counts what runs, and sees an end only when it is committed: the ledger's order is that of the truth.
pub(super) fn checks() -> Vec<Check> {
    vec![Check::new(
        "limit_exceeded",
        "no more runs go at a time than the workflow's limits allow, in all and of each key",
        format!(
            "with event as (
                 select move.id, move.run_id, run.key, move.at,
                        case move.to_state when 'running' then 1 else -1 end as change
                   from chaos.moves as move
                   join engine.runs as run on run.id = move.run_id
                  where run.workflow = 'chaos.limited' and 'running' in (move.to_state, move.from_state)),
             level as (
                 select run_id, key, at, sum(change) over (order by id) as running,
                        sum(change) over (partition by key order by id) as of_key
                   from event)
             select run_id, format('at %s %s went, %s of them of key %s', at, running, of_key, key)
               from level where running > {RUNNING} or of_key > {RUNNING_PER_KEY}"
        ),
    )]
}
