//! Step `remove_objects`: the packs themselves, and what their runs have staged.

use engine::{Failure, StepContext};
use evidence::ids::OrgId;

use super::runs::{is_last, next};
use crate::{Ports, trouble};

/// The step; how many packs there were.
pub(super) async fn remove(step: StepContext<Ports>, org: OrgId) -> Result<u64, Failure> {
    let (mut after, mut removed) = (None, 0);
    loop {
        let packs = next(&step, org, after).await.map_err(trouble::database)?;
        for pack in &packs {
            step.storage.sweep(pack.run).await.map_err(trouble::storage)?;
            let artifacts = step.storage.remove_artifacts(org.0, pack.export.0).await;
            artifacts.map_err(trouble::storage)?;
            removed += 1;
        }
        after = packs.last().map(|pack| pack.export);
        if is_last(&packs) {
            return Ok(removed);
        }
    }
}
