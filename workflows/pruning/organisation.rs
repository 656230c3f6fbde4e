//! Step `prune`: one organisation after the other, each in as many short transactions as it takes.

use db::retention::{self, Removed};
use db::{Cause, OrgTx};
use engine::{Failure, StepContext};
use evidence::action::Actor;
use evidence::ids::OrgId;
use serde::{Deserialize, Serialize};

use super::{PRUNE, Pruned};
use crate::walk::{self, ORG_LIMIT, Part, Plan, Reached};
use crate::{Ports, trouble};

/// What a part has removed, and how far the walk has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) reached: Reached,
    pub(super) pruned: Pruned,
}

/// There is more than one night removes.
#[derive(Debug, thiserror::Error)]
#[error("the history of {0} was not pruned to its end within {ORG_LIMIT:?}")]
struct TooMuch(OrgId);

/// The step.
pub(super) async fn part(
    step: StepContext<Ports>,
    plan: Plan,
    reached: Reached,
    batch: u32,
) -> Result<Done, Failure> {
    let mut part = Part::begin(&step, PRUNE, plan, reached).await?;
    let mut pruned = Pruned::default();
    while let Some(org) = part.next().await {
        match settle(&step, org, batch).await {
            Ok(removed) => {
                pruned.orgs += u64::from(removed != Removed::default());
                pruned.scans += removed.scans;
                pruned.findings += removed.findings;
                pruned.events += removed.events;
            }
            Err(failure) if walk::gives_up(&step, &failure) => {
                tracing::error!(%org, cause = ?failure, "history that should go stays for now");
                pruned.left_behind += 1;
            }
            Err(failure) => part.fail(failure),
        }
    }
    Ok(Done { reached: part.end()?, pruned })
}

/// Prunes one organisation, and tells its audit log what went, even where that is not all.
async fn settle(step: &StepContext<Ports>, org: OrgId, batch: u32) -> Result<Removed, Failure> {
    let pruned = tokio::time::timeout(ORG_LIMIT, prune(step, org, batch)).await;
    let told = tell(step, org).await.map_err(trouble::database)?;
    match pruned {
        Ok(Ok(())) => Ok(told),
        Ok(Err(error)) => Err(trouble::database(error)),
        Err(_elapsed) => Err(Failure::permanent(TooMuch(org)).code(trouble::DATABASE)),
    }
}

async fn prune(step: &StepContext<Ports>, org: OrgId, batch: u32) -> db::Result<()> {
    let mut tx = OrgTx::begin(&step.pool, org).await?;
    let moved = retention::advance(&mut tx, step.now()).await?;
    tx.commit().await?;
    if moved.is_none() {
        return Ok(());
    }
    let mut reached = None;
    loop {
        let mut tx = OrgTx::begin(&step.pool, org).await?;
        let done = retention::remove_scans(&mut tx, reached, batch).await?;
        tx.commit().await?;
        reached = done.reached;
        if reached.is_none() {
            break;
        }
    }
    let mut reached = Some(0);
    while let Some(after) = reached {
        let mut tx = OrgTx::begin(&step.pool, org).await?;
        reached = retention::remove_findings(&mut tx, after, batch).await?.reached;
        tx.commit().await?;
    }
    Ok(())
}

async fn tell(step: &StepContext<Ports>, org: OrgId) -> db::Result<Removed> {
    let cause = Cause::new(Actor::system("retention"), step.run_id().to_string(), step.now());
    let mut tx = OrgTx::begin(&step.pool, org).await?;
    let removed = retention::tell(&mut tx, &cause).await?;
    tx.commit().await?;
    Ok(removed)
}
