//! Removes history that nobody needs any more. Runs once a night.
//!
//! Invariants
//! - What goes, and when, is decided where it is kept: runs by the retention of their workflow, answers to repeated requests
//!   after a day, checks that found an audit chain right after 90 days.
//! - Everything is removed in small batches, each a transaction of its own; a night removes a bounded number of runs, and the
//!   next one goes on.
//! - Exports, audit entries and whatever else is evidence stay. What outlives its run treats a run that is not known as over.

mod rows;
mod runs;

#[cfg(test)]
mod tests;

use engine::{Context, Failure, Limits, Workflow};
use serde::{Deserialize, Serialize};

use crate::Ports;
use crate::progress::{at, whole};
use crate::stage::unless_cancelled;
use crate::walk::{self, Reached};

/// The steps, in order; the last two come as often as there are batches and parts. Data in the database: stable for ever.
pub(crate) const STEPS: [&str; 3] = [SURVEY, PURGE_RUNS, PURGE_ROWS];
const SURVEY: &str = "survey";
const PURGE_RUNS: &str = "purge_runs";
const PURGE_ROWS: &str = "purge_rows";

/// Steps that purge runs, at most: five million runs a night.
const RUN_STEPS: usize = 100;

/// One night's cleaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Organisations in one step, at least.
    pub part: u32,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Runs, with their steps and attempts.
    pub runs: u64,
    /// Whether more runs are due than one night removes.
    pub more_runs: bool,
    /// Answers to repeated requests.
    pub answers: u64,
    /// Checks that found an audit chain right.
    pub checks: u64,
    /// Organisations of which nothing could be removed.
    pub left_behind: u64,
}

impl History {
    /// Every night's.
    pub const NIGHTLY: Self = Self { part: walk::PART };
}

impl Workflow for History {
    const NAME: &'static str = "history.purge";
    // A second one at the same time would do the same work twice.
    const LIMITS: Limits = Limits::NONE.running(1);
    type Output = Removed;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<Removed, Failure> {
        at(cx, &STEPS, SURVEY).await;
        let plan = cx.step(SURVEY, walk::POLICY, |step| walk::plan(step, self.part)).await?;
        let mut removed = Removed { more_runs: true, ..Removed::default() };
        for _ in 0..RUN_STEPS {
            cx.progress(PURGE_RUNS, whole(removed.runs), 0).await;
            let batch = cx
                .step(PURGE_RUNS, walk::POLICY, |step| {
                    unless_cancelled(step.cancelled(), runs::batch(step))
                })
                .await?;
            removed.runs += batch.runs;
            removed.more_runs = !batch.is_end;
            if batch.is_end {
                break;
            }
        }
        let mut reached = Reached::default();
        while !reached.is_end {
            let done = cx
                .step(PURGE_ROWS, walk::POLICY, |step| {
                    unless_cancelled(step.cancelled(), rows::part(step, plan, reached))
                })
                .await?;
            removed.answers += done.answers;
            removed.checks += done.checks;
            removed.left_behind += done.left_behind;
            reached = done.reached;
            cx.progress(PURGE_ROWS, whole(reached.orgs), whole(plan.orgs)).await;
        }
        Ok(removed)
    }
}
