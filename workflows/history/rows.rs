//! Step `purge_rows`: what each organisation need not keep any longer, in one short transaction each.

use db::OrgTx;
use db::idempotency::{self, Owner};
use engine::{Failure, StepContext};
use evidence::chain::ChainId;
use evidence::ids::OrgId;
use serde::{Deserialize, Serialize};

use super::PURGE_ROWS;
use crate::walk::{self, Part, Plan, Reached};
use crate::{Ports, trouble};

/// What a part has removed, and how far the walk has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) reached: Reached,
    pub(super) answers: u64,
    pub(super) checks: u64,
    pub(super) left_behind: u64,
}

/// The step. The platform's own rows go with the first part.
pub(super) async fn part(
    step: StepContext<Ports>,
    plan: Plan,
    reached: Reached,
) -> Result<Done, Failure> {
    let mut done = Done::default();
    if reached == Reached::default() {
        let (answers, checks) = platform(&step).await.map_err(trouble::database)?;
        done.answers += answers;
        done.checks += checks;
    }
    let mut part = Part::begin(&step, PURGE_ROWS, plan, reached).await?;
    while let Some(org) = part.next().await {
        match organisation(&step, org).await.map_err(trouble::database) {
            Ok((answers, checks)) => {
                done.answers += answers;
                done.checks += checks;
            }
            Err(failure) if walk::gives_up(&step, &failure) => {
                tracing::error!(%org, cause = ?failure, "an organisation's old rows stay for now");
                done.left_behind += 1;
            }
            Err(failure) => part.fail(failure),
        }
    }
    done.reached = part.end()?;
    Ok(done)
}

async fn platform(step: &StepContext<Ports>) -> db::Result<(u64, u64)> {
    let mut tx = step.pool.begin().await?;
    let answers = idempotency::purge(&mut tx, Owner::Platform, step.now()).await?;
    let checks = db::chain_checks::purge(&mut tx, ChainId::Platform).await?;
    tx.commit().await?;
    Ok((answers, checks))
}

async fn organisation(step: &StepContext<Ports>, org: OrgId) -> db::Result<(u64, u64)> {
    let mut tx = OrgTx::begin(&step.pool, org).await?;
    let answers = idempotency::purge(&mut tx, Owner::Org(org), step.now()).await?;
    let checks = db::chain_checks::purge(&mut tx, ChainId::Org(org)).await?;
    tx.commit().await?;
    Ok((answers, checks))
}
