//! Effects: at least once for a step, exactly once for what commits with its checkpoint, never again after it.

use super::Check;
use crate::workload;

pub(super) fn checks() -> Vec<Check> {
    [with_checkpoint(), by_themselves()].concat()
}

fn with_checkpoint() -> Vec<Check> {
    vec![
        // A step that an operator took back may run once more, in a generation of its own.
        Check::new(
            "effect_doubled",
            "the effect of a step_tx happens at most once in the life of the step",
            "select effect.run_id,
                    format('%s#%s has had its effect %s times', effect.step, effect.occurrence, count(*))
               from chaos.placed_effects as effect
               left join chaos.steps as step
                 on (step.run_id, step.name, step.occurrence) = (effect.run_id, effect.step, effect.occurrence)
                and effect.generation between step.first_generation and step.last_generation
              where effect.kind = 'step_tx'
              group by effect.run_id, effect.step, effect.occurrence, step.first_generation having count(*) > 1",
        ),
        Check::new(
            "effect_lost",
            "a step_tx that is on record has had its effect",
            "select step.run_id, format('%s#%s is on record without its effect', step.name, step.occurrence)
               from chaos.steps as step
              where step.kind = 'step_tx' and step.state = 'done'
                and not exists (select from chaos.placed_effects as effect
                                 where effect.kind = 'step_tx'
                                   and (effect.run_id, effect.step, effect.occurrence)
                                     = (step.run_id, step.name, step.occurrence)
                                   and effect.generation between step.first_generation and step.last_generation)",
        ),
        Check::new(
            "effect_unrecorded",
            "the effect of a step_tx commits with its record, under the same claim",
            "select effect.run_id,
                    format('%s#%s had its effect under claim %s; on record is %s', effect.step,
                           effect.occurrence, effect.epoch, coalesce(step.epoch::text, 'nothing'))
               from chaos.placed_effects as effect
               left join chaos.steps as step
                 on (step.run_id, step.name, step.occurrence) = (effect.run_id, effect.step, effect.occurrence)
                and effect.generation between step.first_generation and step.last_generation
                and step.state = 'done'
              where effect.kind = 'step_tx' and step.epoch is distinct from effect.epoch",
        ),
    ]
}

fn by_themselves() -> Vec<Check> {
    let uncounted: Vec<_> = workload::all()
        .iter()
        .filter(|workload| !workload.counts_every_step())
        .map(|workload| format!("'{}'", workload.name()))
        .collect();
    vec![
        Check::new(
            "step_unperformed",
            "a step that is on record has run",
            format!(
                "select step.run_id, format('%s#%s is on record and never ran', step.name, step.occurrence)
                   from chaos.steps as step
                   join engine.runs as run on run.id = step.run_id
                  where step.kind = 'step' and step.state = 'done' and run.workflow not in ({})
                    and not exists (select from chaos.placed_effects as effect
                                     where (effect.run_id, effect.step, effect.occurrence)
                                         = (step.run_id, step.name, step.occurrence)
                                       and effect.generation between step.first_generation and step.last_generation)",
                uncounted.join(", ")
            ),
        ),
        Check::new(
            "step_repeated",
            "a step that is on record never runs again, unless it was taken back",
            "select effect.run_id,
                    format('%s#%s is on record under claim %s and ran again under claim %s',
                           step.name, step.occurrence, step.epoch, effect.epoch)
               from chaos.placed_effects as effect
               join chaos.steps as step
                 on (step.run_id, step.name, step.occurrence) = (effect.run_id, effect.step, effect.occurrence)
                and effect.generation between step.first_generation and step.last_generation
              where step.state = 'done' and effect.epoch > step.epoch",
        ),
    ]
}
