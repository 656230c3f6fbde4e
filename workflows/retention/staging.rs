//! Step `sweep_staging`: staged objects of runs that have ended, and what readiness checks left.
//!
//! A run sweeps after itself; this finds what runs left that failed, were cancelled, or had a stale worker that wrote once more.

use engine::{Client, Failure, RunState, RunView, StepContext, Time};
use futures_util::TryStreamExt as _;
use uuid::Uuid;

use super::{RETRYABLE, Tally};
use crate::{Ports, trouble};

/// The step; how many runs were swept.
pub(super) async fn sweep(step: StepContext<Ports>, tick: Time) -> Result<u64, Failure> {
    let mut tally = Tally::default();
    let client = Client::new(step.pool.clone());
    let mut runs = step.storage.staged_runs().await.map_err(trouble::storage)?;
    while let Some(run_id) = runs.try_next().await.map_err(trouble::storage)? {
        tally.add(settle(&step, &client, run_id, tick).await);
    }
    step.storage.sweep_probes().await.map_err(trouble::storage)?;
    tally.finish()
}

async fn settle(
    step: &StepContext<Ports>,
    client: &Client,
    run_id: Uuid,
    tick: Time,
) -> Result<bool, Failure> {
    let run = client.find(run_id).await;
    let run = run.map_err(|error| Failure::transient(error).code(trouble::DATABASE))?;
    if !is_over(run.as_ref(), tick) {
        return Ok(false);
    }
    step.storage.sweep(run_id).await.map_err(trouble::storage)?;
    Ok(true)
}

/// A run that is not known has ended long ago: its history was purged.
fn is_over(run: Option<&RunView>, tick: Time) -> bool {
    let Some(run) = run else { return true };
    match run.state {
        RunState::Succeeded | RunState::Cancelled => true,
        RunState::Failed => run.ended_at.is_some_and(|at| at + RETRYABLE < tick),
        _ => false,
    }
}
