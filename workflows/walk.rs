//! Taking every organisation in turn, in parts that are steps.
//!
//! Invariants
//! - Trouble with one organisation does not keep the others: it is tried again with its part, and in the end left behind.
//! - The number of parts does not grow with the number of organisations, nor does a part's checkpoint; and a part ends after
//!   a while, so that what was done is not done again.
//! - Organisations are taken in the order of their ids, so one that is made meanwhile is taken, too.
//!
//! What is done to an organisation may be done twice.

use std::vec::IntoIter;

use chrono::Duration;
use engine::{DEFAULT, Failure, Policy, StepContext, Time};
use evidence::ids::OrgId;
use serde::{Deserialize, Serialize};

use crate::progress::whole;
use crate::{Ports, trouble};

/// Organisations in a part, unless that made too many parts.
pub(crate) const PART: u32 = 1_000;

/// The journal of a run stays this short, whatever the number of organisations.
const PARTS: u64 = 200;

/// A part ends after this time, with what it has got to.
const BUDGET: Duration = Duration::minutes(10);

const ATTEMPTS: u32 = 8;

/// How long one organisation may take. With the budget, well below the timeout of a step.
pub(crate) const ORG_LIMIT: std::time::Duration = std::time::Duration::from_mins(30);

/// Outlasts some minutes of trouble. The next round comes by itself.
pub(crate) const POLICY: Policy = DEFAULT
    .attempts(ATTEMPTS)
    .backoff(std::time::Duration::from_secs(5), std::time::Duration::from_mins(2))
    .timeout(std::time::Duration::from_hours(1));

/// What there is to do when the walk begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) began: Time,
    pub(crate) orgs: u64,
    part: u32,
}

/// How far the walk has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reached {
    after: Option<OrgId>,
    pub(crate) orgs: u64,
    pub(crate) is_end: bool,
}

/// The step that plans: at least `part` organisations in a part.
pub(crate) async fn plan(step: StepContext<Ports>, part: u32) -> Result<Plan, Failure> {
    let orgs = async {
        let mut conn = step.pool.acquire().await?;
        db::orgs::count(&mut conn).await
    };
    let orgs = orgs.await.map_err(trouble::database)?;
    let least = u32::try_from(orgs.div_ceil(PARTS)).unwrap_or(u32::MAX);
    Ok(Plan { began: step.now(), orgs, part: part.max(least).max(1) })
}

/// Whether what fails in this attempt is left behind, instead of being tried again.
pub(crate) fn gives_up(step: &StepContext<Ports>, failure: &Failure) -> bool {
    !failure.is_transient() || step.attempt() >= ATTEMPTS
}

/// One part of the walk, inside its step.
pub(crate) struct Part<'s> {
    step: &'s StepContext<Ports>,
    name: &'static str,
    plan: Plan,
    reached: Reached,
    next: IntoIter<OrgId>,
    began: Time,
    trouble: Option<Failure>,
}

impl<'s> Part<'s> {
    /// The part after `reached`, of the step `name`.
    pub(crate) async fn begin(
        step: &'s StepContext<Ports>,
        name: &'static str,
        plan: Plan,
        reached: Reached,
    ) -> Result<Self, Failure> {
        let ids = async {
            let mut conn = step.pool.acquire().await?;
            db::orgs::ids_after(&mut conn, reached.after, plan.part).await
        };
        let ids = ids.await.map_err(trouble::database)?;
        let reached = Reached { is_end: ids.len() < plan.part as usize, ..reached };
        let began = step.now();
        Ok(Self { step, name, plan, reached, next: ids.into_iter(), began, trouble: None })
    }

    /// The next organisation; `None` at the end of the part.
    pub(crate) async fn next(&mut self) -> Option<OrgId> {
        self.step.progress(self.name, whole(self.reached.orgs), whole(self.plan.orgs)).await;
        if self.step.now() - self.began > BUDGET && self.next.len() > 0 {
            self.reached.is_end = false;
            return None;
        }
        let org = self.next.next()?;
        self.reached.after = Some(org);
        self.reached.orgs += 1;
        Some(org)
    }

    /// Notes that something of this part must be tried again.
    pub(crate) fn fail(&mut self, failure: Failure) {
        self.trouble.get_or_insert(failure);
    }

    /// How far the walk has got, unless something must be tried again.
    pub(crate) fn end(self) -> Result<Reached, Failure> {
        self.trouble.map_or(Ok(self.reached), Err)
    }
}
