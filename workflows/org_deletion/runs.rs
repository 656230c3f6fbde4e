//! Step `stop_runs`: what builds packs of the organisation ends, and has ended before anything is removed.

use db::OrgTx;
use db::deletion::{self, Pack};
use engine::{Client, Failure, StepContext};
use evidence::ids::{ExportId, OrgId};
use uuid::Uuid;

use crate::{Ports, trouble};

/// Packs that are looked up at once.
const BATCH: u32 = 200;

/// A run has not ended yet.
#[derive(Debug, thiserror::Error)]
#[error("the run {0} has not ended yet")]
struct AtWork(Uuid);

/// The step.
pub(super) async fn stop(step: StepContext<Ports>, org: OrgId) -> Result<(), Failure> {
    let client = Client::new(step.pool.clone()).with_clock(step.clock.clone());
    let (mut after, mut at_work) = (None, None);
    loop {
        let packs = next(&step, org, after).await.map_err(trouble::database)?;
        for pack in &packs {
            if !has_ended(&client, &step, pack.run).await? {
                at_work = Some(pack.run);
            }
        }
        after = packs.last().map(|pack| pack.export);
        if is_last(&packs) {
            break;
        }
    }
    at_work.map_or(Ok(()), |run| Err(Failure::transient(AtWork(run))))
}

/// The next packs of the organisation.
pub(super) async fn next(
    step: &StepContext<Ports>,
    org: OrgId,
    after: Option<ExportId>,
) -> db::Result<Vec<Pack>> {
    let mut tx = OrgTx::begin(&step.pool, org).await?;
    let packs = deletion::packs(&mut tx, org, after, BATCH).await?;
    tx.rollback().await?;
    Ok(packs)
}

/// Whether the packs were all.
pub(super) fn is_last(packs: &[Pack]) -> bool {
    packs.len() < BATCH as usize
}

/// Asks the run to end, unless it has.
async fn has_ended(client: &Client, step: &StepContext<Ports>, run: Uuid) -> Result<bool, Failure> {
    let unknown = |error| Failure::transient(error).code(trouble::DATABASE);
    // One that is not known any more ended long ago.
    let Some(found) = client.find(run).await.map_err(unknown)? else { return Ok(true) };
    if found.ended_at.is_some() {
        return Ok(true);
    }
    let mut tx = step.pool.begin().await.map_err(|error| trouble::database(error.into()))?;
    client.cancel(&mut tx, run).await.map_err(unknown)?;
    tx.commit().await.map_err(|error| trouble::database(error.into()))?;
    Ok(false)
}
