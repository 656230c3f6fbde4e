//! The journal: without gaps, closed where its run is over, and with as many attempts as it counts.

use super::Check;

pub(super) fn checks() -> Vec<Check> {
    [places(), attempts()].concat()
}

fn places() -> Vec<Check> {
    vec![
        Check::new(
            "journal_gap",
            "the steps of a run are numbered from 1 without a gap",
            "select run_id, format('places %s', array_agg(seq order by seq))
               from engine.steps
              group by run_id having min(seq) <> 1 or max(seq) <> count(*)
              union all
             select run_id, format('places %s were taken back in generation %s', array_agg(seq order by seq), generation)
               from engine.past_steps
              group by run_id, generation having max(seq) - min(seq) + 1 <> count(*)",
        ),
        Check::new(
            "journal_open",
            "a run that succeeded has no step that is still to be tried",
            "select run.id, format('it succeeded, and %s#%s is %s', step.name, step.occurrence, step.state)
               from engine.runs as run
               join engine.steps as step on step.run_id = run.id
              where run.state = 'succeeded' and step.state <> 'done'",
        ),
        Check::new(
            "claim_unknown",
            "the journal is written under claims that the run has had",
            "select step.run_id,
                    format('%s#%s is on record under claim %s of %s', step.name, step.occurrence,
                           step.epoch, run.epoch)
               from engine.steps as step
               join engine.runs as run on run.id = step.run_id
              where step.epoch > run.epoch or step.epoch < 1",
        ),
        Check::new(
            "order_wrong",
            "steps are recorded in the order of their claims",
            "select run_id, format('place %s is of claim %s, after one of claim %s', seq, epoch, before)
               from (select run_id, seq, epoch,
                            lag(epoch) over (partition by run_id order by seq) as before
                       from engine.steps) as step
              where epoch < before",
        ),
    ]
}

fn attempts() -> Vec<Check> {
    vec![
        Check::new(
            "attempts_wrong",
            "every failed attempt is on record, each under its number, lost workers included",
            "select step.run_id,
                    format('%s#%s is %s after %s attempts, %s of them lost; on record are %s, %s of them lost, from %s to %s',
                           step.name, step.occurrence, step.state, step.attempts, step.losses,
                           counted.failed, counted.lost, counted.first, counted.last)
               from chaos.steps as step
              cross join lateral (
                    select count(*) as failed, min(attempt) as first, max(attempt) as last,
                           count(*) filter (where error->>'kind' = 'worker_lost') as lost
                      from engine.attempts as attempt
                     where (attempt.run_id, attempt.name, attempt.occurrence, attempt.seq)
                         = (step.run_id, step.name, step.occurrence, step.seq)
                       and attempt.generation between step.first_generation and step.last_generation) as counted
              where counted.failed <> step.attempts - (step.state in ('done', 'waiting'))::integer
                 or counted.lost <> step.losses
                 or counted.failed > 0 and (counted.first <> 1 or counted.last <> counted.failed)",
        ),
        Check::new(
            "attempt_stray",
            "an attempt belongs to a step",
            "select attempt.run_id, format('attempt %s of %s#%s', attempt, name, occurrence)
               from engine.attempts as attempt
              where not exists (select from chaos.steps as step
                                 where (step.run_id, step.name, step.occurrence, step.seq)
                                     = (attempt.run_id, attempt.name, attempt.occurrence, attempt.seq)
                                   and attempt.generation between step.first_generation and step.last_generation)",
        ),
    ]
}
