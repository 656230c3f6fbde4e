//! Step `remove_artifacts`: published objects whose pack nobody can download any more.
//!
//! What a crash, a deletion without storage or a run that ended between object and row has left. Found by listing, judged by the row.

use db::OrgTx;
use db::exports::{Export, Status};
use engine::{Failure, StepContext, Time};
use evidence::ids::{ExportId, OrgId};
use futures_util::TryStreamExt as _;
use storage::Artifact;

use super::{RETRYABLE, Tally};
use crate::{Ports, trouble};

/// The step; how many objects went.
pub(super) async fn remove(step: StepContext<Ports>, tick: Time) -> Result<u64, Failure> {
    let mut tally = Tally::default();
    let mut artifacts = step.storage.artifacts().await.map_err(trouble::storage)?;
    while let Some(artifact) = artifacts.try_next().await.map_err(trouble::storage)? {
        tally.add(settle(&step, &artifact, tick).await);
    }
    tally.finish()
}

async fn settle(
    step: &StepContext<Ports>,
    artifact: &Artifact,
    tick: Time,
) -> Result<bool, Failure> {
    let export = find(step, artifact).await.map_err(trouble::database)?;
    let Some(export) = export else {
        tracing::warn!(key = %artifact.key, "a pack in storage has no row; it is left alone");
        return Ok(false);
    };
    if !is_over(&export, artifact, tick) {
        return Ok(false);
    }
    step.storage.remove(&artifact.key).await.map_err(trouble::storage)?;
    Ok(true)
}

async fn find(step: &StepContext<Ports>, artifact: &Artifact) -> db::Result<Option<Export>> {
    let org = OrgId(artifact.org);
    let mut tx = OrgTx::begin(&step.pool, org).await?;
    let export = db::exports::find(&mut tx, org, ExportId(artifact.export)).await?;
    tx.rollback().await?;
    Ok(export)
}

fn is_over(export: &Export, artifact: &Artifact, tick: Time) -> bool {
    match export.status {
        Status::Pending | Status::Running => false,
        Status::Expired | Status::Deleted => true,
        Status::Failed => export.finished_at.is_some_and(|at| at + RETRYABLE < tick),
        Status::Done => export.object_key.as_deref() != Some(artifact.key.as_str()),
    }
}
