//! Verifies every audit chain: each night from the last verified entry on, each week from the first.
//!
//! Invariants
//! - Nothing here repairs a chain or adds to it. A chain that is not whole is an alarm: in the log, in the figures, in the table
//!   that dashboards read, and once on the platform's own chain.
//! - A chain that is broken or cannot be read does not keep the others from being checked.
//! - Verifying is `db::chain`'s work, the same as for packs and for people who ask.

mod conclude;
mod verify;

#[cfg(test)]
mod tests;

use db::chain_checks::Figures;
use engine::{Context, DEFAULT, Failure, Limits, Workflow};
use evidence::chain::Extent;
use serde::{Deserialize, Serialize};

use crate::Ports;
use crate::progress::{at, whole};
use crate::stage::unless_cancelled;
use crate::walk::{self, Reached};

/// The steps, in order; `verify` comes as often as there are parts. Data in the database: stable for ever.
pub(crate) const STEPS: [&str; 4] = [SURVEY, VERIFY_PLATFORM, VERIFY, CONCLUDE];
const SURVEY: &str = "survey";
const VERIFY_PLATFORM: &str = "verify_platform";
const VERIFY: &str = "verify";
const CONCLUDE: &str = "conclude";

/// One round over all chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainCheck {
    pub extent: Extent,
    /// Chains in one step, at least.
    pub part: u32,
}

/// What the round found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    pub extent: Extent,
    pub verdicts: Figures,
}

impl ChainCheck {
    /// From the last verified entries on.
    pub const PARTIAL: Self = Self { extent: Extent::Partial, part: walk::PART };
    /// From the first entries on.
    pub const FULL: Self = Self { extent: Extent::Full, part: walk::PART };
}

impl Workflow for ChainCheck {
    const NAME: &'static str = "chain_check.verify";
    // A second one at the same time would do the same work twice.
    const LIMITS: Limits = Limits::NONE.running(1);
    type Output = Checked;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<Checked, Failure> {
        let Self { extent, part } = self;
        at(cx, &STEPS, SURVEY).await;
        let plan = cx.step(SURVEY, walk::POLICY, |step| walk::plan(step, part)).await?;
        // First, because what is found of the others is put on record there, if it is whole.
        at(cx, &STEPS, VERIFY_PLATFORM).await;
        let mut verdicts = cx
            .step(VERIFY_PLATFORM, walk::POLICY, |step| {
                unless_cancelled(step.cancelled(), verify::platform(step, extent))
            })
            .await?;
        let mut reached = Reached::default();
        while !reached.is_end {
            let done = cx
                .step(VERIFY, walk::POLICY, |step| {
                    unless_cancelled(step.cancelled(), verify::part(step, extent, plan, reached))
                })
                .await?;
            verdicts.add(done.verdicts);
            reached = done.reached;
            cx.progress(VERIFY, whole(reached.orgs), whole(plan.orgs)).await;
        }
        at(cx, &STEPS, CONCLUDE).await;
        let checked = Checked { extent, verdicts };
        cx.step_tx(CONCLUDE, DEFAULT, |tx, step| {
            Box::pin(conclude::round(tx, step, checked, plan.began))
        })
        .await?;
        Ok(checked)
    }
}
