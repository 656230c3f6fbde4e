//! Step `begin`: the export is being built from now on.

use engine::{Connection, Failure, StepContext};

use super::{BuildPack, cause};
use crate::{Ports, trouble};

/// Marks the row as running, in the transaction of the step. A pack that was deleted meanwhile cannot begin: permanent.
pub(super) async fn running(
    tx: &mut Connection,
    step: StepContext<Ports>,
    pack: BuildPack,
) -> Result<(), Failure> {
    db::scope(tx, pack.org).await.map_err(trouble::database)?;
    let cause = cause(step.run_id(), step.now());
    let begun = db::exports::begin(tx, pack.org, pack.export, &cause).await;
    begun.map(drop).map_err(trouble::database)
}
