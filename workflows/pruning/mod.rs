//! Removes history that the plan of an organisation keeps no longer: scans, and findings that were resolved. Runs once a night.
//!
//! Invariants
//! - The database decides what may go (`db::retention`), by the earlier of its clock and ours; a clock that has jumped far ahead
//!   takes a week along, not everything.
//! - From when on history is whole is on record before the first row goes, so that every pack can say so.
//! - What a pack needs that is made, waits to be made, or may yet be sent back, stays.
//! - Everything is removed in small batches, each a transaction of its own. How far they have got is in the database, so whoever
//!   begins again finds the rest. One entry of the audit log tells what went, exactly once, however often it was begun.
//! - Audit entries, settings and their versions, and packs are not touched.

mod organisation;

#[cfg(test)]
mod tests;

use engine::{Context, Failure, Limits, Workflow};
use serde::{Deserialize, Serialize};

use crate::Ports;
use crate::progress::{at, whole};
use crate::stage::unless_cancelled;
use crate::walk::{self, Reached};

/// The steps, in order; the last one comes as often as there are parts. Data in the database: stable for ever.
pub(crate) const STEPS: [&str; 2] = [SURVEY, PRUNE];
const SURVEY: &str = "survey";
const PRUNE: &str = "prune";

/// One night's pruning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruning {
    /// Organisations in one step, at least.
    pub part: u32,
    /// Rows that one transaction looks at.
    pub batch: u32,
}

/// What was removed and told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    pub scans: u64,
    pub findings: u64,
    /// Of these findings.
    pub events: u64,
    /// Organisations that lost something.
    pub orgs: u64,
    /// Organisations of which not everything could be removed; the next night goes on.
    pub left_behind: u64,
}

impl Pruning {
    /// Every night's. A transaction takes some tens of milliseconds, and keeps scans of the sources in it waiting for so long.
    pub const NIGHTLY: Self = Self { part: walk::PART, batch: 500 };
}

impl Pruned {
    fn add(&mut self, other: Self) {
        self.scans += other.scans;
        self.findings += other.findings;
        self.events += other.events;
        self.orgs += other.orgs;
        self.left_behind += other.left_behind;
    }
}

impl Workflow for Pruning {
    const NAME: &'static str = "history.prune";
    // A second one at the same time would wait for the first, row by row.
    const LIMITS: Limits = Limits::NONE.running(1);
    type Output = Pruned;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<Pruned, Failure> {
        at(cx, &STEPS, SURVEY).await;
        let plan = cx.step(SURVEY, walk::POLICY, |step| walk::plan(step, self.part)).await?;
        let (mut pruned, mut reached) = (Pruned::default(), Reached::default());
        while !reached.is_end {
            let done = cx
                .step(PRUNE, walk::POLICY, |step| {
                    let cancelled = step.cancelled();
                    unless_cancelled(cancelled, organisation::part(step, plan, reached, self.batch))
                })
                .await?;
            pruned.add(done.pruned);
            reached = done.reached;
            cx.progress(PRUNE, whole(reached.orgs), whole(plan.orgs)).await;
        }
        Ok(pruned)
    }
}
