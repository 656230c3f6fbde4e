//! Takes a deleted organisation away, from its runs to its last row, and seals its audit chain.
//!
//! Started in the transaction that says that the organisation is deleted, when nobody gets in any more.
//!
//! Invariants
//! - Runs end first, then objects go, then the rows that name them, then the chain is sealed: whoever dies between finds by the rows
//!   what is still to do.
//! - Each step may be repeated, and two runs of one organisation do no harm to each other.
//! - The audit chain is not touched but for its last entry.

mod objects;
mod rows;
mod runs;

#[cfg(test)]
mod tests;

use std::time::Duration;

use engine::{Context, DEFAULT, Failure, Policy, Workflow};
use evidence::ids::OrgId;
use serde::{Deserialize, Serialize};

use crate::Ports;
use crate::progress::{at, whole};
use crate::stage::unless_cancelled;

/// The steps, in order; `remove_rows` comes as often as there are batches. Data in the database: stable for ever.
pub(crate) const STEPS: [&str; 4] = [STOP_RUNS, REMOVE_OBJECTS, REMOVE_ROWS, SEAL];
const STOP_RUNS: &str = "stop_runs";
const REMOVE_OBJECTS: &str = "remove_objects";
const REMOVE_ROWS: &str = "remove_rows";
const SEAL: &str = "seal";

/// Looks again soon, because a cancelled run ends soon, and in the end outlasts half an hour without storage or database.
const POLICY: Policy = DEFAULT
    .attempts(40)
    .backoff(Duration::from_millis(200), Duration::from_mins(1))
    .timeout(Duration::from_hours(1));

/// Deletes one organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteOrg {
    pub org: OrgId,
    /// Rows that one transaction removes.
    pub batch: u32,
}

/// What went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    pub packs: u64,
    pub rows: u64,
}

impl DeleteOrg {
    pub fn new(org: OrgId) -> Self {
        Self { org, batch: 1_000 }
    }
}

impl Workflow for DeleteOrg {
    const NAME: &'static str = "org.delete";
    type Output = Deleted;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<Deleted, Failure> {
        at(cx, &STEPS, STOP_RUNS).await;
        cx.step(STOP_RUNS, POLICY, |step| runs::stop(step, self.org)).await?;
        at(cx, &STEPS, REMOVE_OBJECTS).await;
        let packs = cx.step(REMOVE_OBJECTS, POLICY, |step| objects::remove(step, self.org)).await?;
        let mut deleted = Deleted { packs, rows: 0 };
        loop {
            cx.progress(REMOVE_ROWS, whole(deleted.rows), 0).await;
            let done = cx
                .step(REMOVE_ROWS, POLICY, |step| {
                    unless_cancelled(step.cancelled(), rows::remove(step, self))
                })
                .await?;
            deleted.rows += done.rows;
            if done.is_end {
                break;
            }
        }
        at(cx, &STEPS, SEAL).await;
        cx.step(SEAL, POLICY, |step| rows::seal(step, self.org, deleted)).await?;
        Ok(deleted)
    }
}
