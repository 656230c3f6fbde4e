//! Time: no sleep and no wait in vain is shorter than it was asked to be.
//!
//! The length is that of the run's input. It is measured from when the run came there, as its first mark says, to the
//! last mark; and, believing no mark, between the effects of the steps around it, which can only be longer.

use super::Check;

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check::new(
            "sleep_early",
            "a sleep is never too short",
            early(
                "wait.kind = 'sleep'",
                ("doze", "wake"),
                "run.input->'naps_ms'->>wait.occurrence",
            ),
        ),
        Check::new(
            "wait_cut_short",
            "a wait for a signal ends by a signal, or not before its time",
            early(
                "wait.kind = 'signal'
                 and exists (select from engine.steps as step
                              where (step.run_id, step.seq) = (wait.run_id, wait.seq)
                                and step.state = 'done' and step.output->>'signal' is null)",
                ("listen", "hear"),
                // No limit: it never ends in vain.
                "coalesce(run.input->>'timeout_ms', 'infinity')",
            ),
        ),
        Check::new(
            "wait_began_twice",
            "when a wait began is written once",
            "select run_id, format('%s#%s began at %s', name, occurrence, array_agg(distinct started_at))
               from chaos.waits
              group by run_id, seq, name, occurrence having count(distinct started_at) > 1",
        ),
    ]
}

/// The waits of a kind that took less time than `length_ms`; `around` are the steps before and after.
fn early(which: &str, around: (&str, &str), length_ms: &str) -> String {
    let (before, after) = around;
    format!(
        "select wait.run_id, format('%s#%s was to take %s ms: from %s to %s, its neighbours at %s and %s', wait.name,
                                    wait.occurrence, length.ms, wait.began_at, wait.ended_at, side.before, side.after)
           from chaos.whole_waits as wait
           join engine.runs as run on run.id = wait.run_id
          cross join lateral (select ({length_ms})::float8 as ms) as length
          cross join lateral (
                select min(at) filter (where step = '{before}') as before,
                       min(at) filter (where step = '{after}') as after
                  from chaos.effects as effect
                 where (effect.run_id, effect.occurrence) = (wait.run_id, wait.occurrence)) as side
          where wait.ended_at is not null and {which}
            and (extract(epoch from wait.ended_at - wait.began_at) * 1000 < length.ms
                 or extract(epoch from side.after - side.before) * 1000 < length.ms)"
    )
}
