//! Every committed start, and no other, ends exactly once, and as its workload says.

use super::Check;
use crate::workload;

const FINAL: &str = "('succeeded', 'failed', 'cancelled')";

pub(super) fn checks() -> Vec<Check> {
    let mut checks = vec![
        Check::new(
            "start_lost",
            "a committed start is a run",
            "select run_id, 'its commit was answered, but there is no such run'
               from chaos.started where run_id not in (select id from engine.runs)",
        ),
        Check::new(
            "start_unasked",
            "a start that was rolled back is no run",
            "select run_id, 'its transaction was rolled back, but there is a run'
               from chaos.withdrawn where run_id in (select id from engine.runs)",
        ),
        Check::new(
            "request_torn",
            "a run exists if and only if the transaction that started it committed",
            "select coalesce(run.id, request.run_id),
                    case when run.id is null then 'a request without its run' else 'a run without its request' end
               from (select id from engine.runs where workflow <> 'chaos.tick' and parent_id is null) as run
               full join chaos.requests as request on request.run_id = run.id
              where run.id is null or request.run_id is null",
        ),
    ];
    checks.extend(endings());
    checks.extend(workload::all().iter().map(|workload| {
        Check::new(
            "wrong_end",
            "a run ends as its workflow and its input demand",
            format!(
                "select run.id, format('%s version %s ended %s: %s', run.workflow, run.version, run.state,
                                       coalesce(run.error, run.output))
                   from engine.runs as run
                  where run.workflow = '{}' and run.ended_at is not null and ({}) is not true",
                workload.name(),
                workload.right_end()
            ),
        )
    }));
    checks
}

fn endings() -> Vec<Check> {
    vec![
        Check::new(
            "run_unfinished",
            "every run ends",
            format!(
                "select id, format('%s is %s, due %s, lost workers %s', workflow, state, wake_at, losses)
                   from engine.runs where state not in {FINAL}"
            ),
        ),
        Check::new(
            "run_ended_twice",
            "no run ends twice, unless it was sent back between",
            format!(
                "select run_id, format('it ended %s times in generation %s', count(*), generation)
                   from chaos.moves where to_state in {FINAL} group by run_id, generation having count(*) > 1"
            ),
        ),
        Check::new(
            "end_unseen",
            "a run that is over has ended",
            format!(
                "select run.id, format('it is %s, and the ledger knows of no such end', run.state)
                   from engine.runs as run
                  where run.state in {FINAL}
                    and not exists (select from chaos.moves
                                     where run_id = run.id and to_state = run.state
                                       and generation = run.generation)"
            ),
        ),
        Check::new(
            "hook_missed",
            "the workflow's on_end takes part in each failure and cancellation exactly once",
            "select run.id, format('it ended %s %s times, and on_end wrote %s rows', ended.outcome, ended.times, hook.rows)
               from (select run_id, to_state as outcome, count(*) as times
                       from chaos.moves where to_state in ('failed', 'cancelled') group by 1, 2) as ended
               join engine.runs as run on run.id = ended.run_id
              cross join lateral (
                    select count(*) as rows
                      from chaos.endings as ending
                     where (ending.run_id, ending.outcome) = (ended.run_id, ended.outcome)) as hook
              where run.workflow <> 'chaos.poison' and hook.rows <> ended.times",
        ),
        Check::new(
            "hook_stray",
            "on_end leaves nothing behind for a run that did not end so",
            "select ending.run_id, format('on_end wrote %s, and the run never ended so', ending.outcome)
               from chaos.endings as ending
              where not exists (select from chaos.moves as move
                                 where (move.run_id, move.to_state) = (ending.run_id, ending.outcome))",
        ),
    ]
}
