//! Takes everything of a deleted pack out of storage: what its run has staged, and what was published.
//!
//! Started in the transaction that deletes the row and cancels the run. The run may still be at work then, so the one step
//! waits for its end, which a cancelled run reaches within moments. Should this run give up, retention finds the rest.

use engine::{Client, Context, DEFAULT, Failure, Policy, StepContext, Workflow};
use evidence::ids::{ExportId, OrgId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::progress::at;
use crate::{Ports, trouble};

/// The steps, in order. Data in the database: stable for ever.
pub(crate) const STEPS: [&str; 1] = [SWEEP];
const SWEEP: &str = "sweep";

/// Looks again soon, because a cancelled run ends soon, and in the end outlasts half an hour without storage.
const POLICY: Policy = DEFAULT
    .attempts(40)
    .backoff(std::time::Duration::from_millis(200), std::time::Duration::from_mins(1));

/// Ends the life of one deleted export in storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscardPack {
    pub org: OrgId,
    pub export: ExportId,
    /// The run that builds, or has built, the pack.
    pub run: Uuid,
}

/// The run that builds the pack has not ended yet.
#[derive(Debug, thiserror::Error)]
#[error("the run {0} has not ended yet")]
struct AtWork(Uuid);

impl Workflow for DiscardPack {
    const NAME: &'static str = "compliance_pack.discard";
    type Output = ();
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<(), Failure> {
        at(cx, &STEPS, SWEEP).await;
        cx.step(SWEEP, POLICY, |step| sweep(step, self)).await
    }
}

async fn sweep(step: StepContext<Ports>, pack: DiscardPack) -> Result<(), Failure> {
    let run = Client::new(step.pool.clone()).find(pack.run).await;
    let run = run.map_err(|error| Failure::transient(error).code(trouble::DATABASE))?;
    if run.is_some_and(|run| run.ended_at.is_none()) {
        return Err(Failure::transient(AtWork(pack.run)));
    }
    step.storage.sweep(pack.run).await.map_err(trouble::storage)?;
    let removed = step.storage.remove_artifacts(pack.org.0, pack.export.0).await;
    removed.map_err(trouble::storage)
}

#[cfg(test)]
mod tests;
