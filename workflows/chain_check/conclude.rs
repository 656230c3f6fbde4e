//! Step `conclude`: every chain had its turn, and the figures say so.

use db::chain_checks::{self, Checker};
use engine::{Connection, Failure, StepContext, Time};

use super::Checked;
use crate::{Ports, trouble};

/// Keeps the round, in the transaction of the step.
pub(super) async fn round(
    tx: &mut Connection,
    step: StepContext<Ports>,
    Checked { extent, verdicts }: Checked,
    began: Time,
) -> Result<(), Failure> {
    let checker = Checker { run: step.run_id(), now: step.now() };
    let kept = chain_checks::close_round(tx, (extent, verdicts), began, checker).await;
    kept.map_err(trouble::database)
}
