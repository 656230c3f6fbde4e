//! Step `purge_runs`: ended runs whose retention is over.
//!
//! Which ones those are, and what hangs on them, is the engine's business.

use chrono::Duration;
use engine::{Client, Failure, StepContext};
use serde::{Deserialize, Serialize};

use super::PURGE_RUNS;
use crate::progress::whole;
use crate::{Ports, trouble};

/// Runs in one transaction: short enough to be in nobody's way.
const BATCH: i64 = 1_000;
/// Transactions in one step.
const BATCHES: usize = 50;
/// A step ends after this time, with what it has done.
const BUDGET: Duration = Duration::minutes(10);

/// What one step has removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Batch {
    pub(super) runs: u64,
    /// Whether nothing was left.
    pub(super) is_end: bool,
}

/// The step. Runs that a lost attempt has removed are not counted.
pub(super) async fn batch(step: StepContext<Ports>) -> Result<Batch, Failure> {
    let client = Client::new(step.pool.clone()).with_clock(step.clock.clone());
    let mut done = Batch::default();
    let began = step.now();
    for _ in 0..BATCHES {
        let purged = client.purge(BATCH).await;
        let runs = purged.map_err(|error| Failure::transient(error).code(trouble::DATABASE))?;
        done.runs += runs;
        done.is_end = runs == 0;
        if done.is_end || step.now() - began > BUDGET {
            break;
        }
        step.progress(PURGE_RUNS, whole(done.runs), 0).await;
    }
    Ok(done)
}
