//! Steps `remove_rows` and `seal`: short transactions until nothing is left, and then the last entry.

use chrono::Duration;
use db::deletion::{self, Gone};
use db::{Cause, OrgTx};
use engine::{Failure, StepContext};
use evidence::action::Actor;
use evidence::ids::OrgId;
use serde::{Deserialize, Serialize};

use super::{DeleteOrg, Deleted, REMOVE_ROWS};
use crate::progress::whole;
use crate::{Ports, trouble};

/// A step ends after this time, with what it has done.
const BUDGET: Duration = Duration::minutes(10);

/// What one step has removed. Rows that a lost attempt has removed are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) rows: u64,
    pub(super) is_end: bool,
}

/// The step `remove_rows`.
pub(super) async fn remove(step: StepContext<Ports>, of: DeleteOrg) -> Result<Done, Failure> {
    let (mut done, began) = (Done::default(), step.now());
    while !done.is_end && step.now() - began <= BUDGET {
        let rows = batch(&step, of).await.map_err(trouble::database)?;
        done.rows += rows;
        done.is_end = rows == 0;
        step.progress(REMOVE_ROWS, whole(done.rows), 0).await;
    }
    Ok(done)
}

async fn batch(step: &StepContext<Ports>, of: DeleteOrg) -> db::Result<u64> {
    let mut tx = OrgTx::begin(&step.pool, of.org).await?;
    let rows = deletion::remove_rows(&mut tx, of.batch).await?;
    tx.commit().await?;
    Ok(rows)
}

/// The step `seal`.
pub(super) async fn seal(
    step: StepContext<Ports>,
    org: OrgId,
    Deleted { packs, rows }: Deleted,
) -> Result<(), Failure> {
    let cause = Cause::new(Actor::system("org_deletion"), step.run_id().to_string(), step.now());
    let sealed = async {
        let mut tx = OrgTx::begin(&step.pool, org).await?;
        deletion::seal(&mut tx, Gone { packs, rows }, &cause).await?;
        tx.commit().await
    };
    sealed.await.map_err(trouble::database)
}
