//! The pack of a run that an operator has sent back: its row is open again, unless the pack is gone; one that another pack has
//! overtaken is collected anew.
//!
//! The row's own entry `audit_export.failed` stays in the audit log; that the run was sent back is recorded by whoever did it.

use db::exports::{Opened, Status};
use engine::{Connection, Failure, GoOn, Reopened};

use super::{BuildPack, COLLECT, cause};
use crate::trouble;

/// Nobody could download what would be built.
#[derive(Debug, thiserror::Error)]
#[error("the pack is {0}, so there is nothing to build: its period can be requested again")]
struct Gone(Status);

pub(super) async fn row(
    tx: &mut Connection,
    run: &Reopened,
    pack: BuildPack,
) -> Result<GoOn, Failure> {
    db::scope(tx, pack.org).await.map_err(trouble::database)?;
    let cause = cause(run.run_id, run.at);
    match db::exports::reopen(tx, pack.org, pack.export, &cause).await {
        Ok(Opened::AsItStands) => Ok(GoOn::AsAsked),
        Ok(Opened::Overtaken) => Ok(GoOn::FromStep(COLLECT)),
        Err(db::Error::ExportStep { from, .. }) => {
            Err(Failure::permanent(Gone(from)).code(trouble::GONE))
        }
        Err(error) => Err(trouble::database(error)),
    }
}
