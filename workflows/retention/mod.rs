//! Ends the life of what nobody may or can use any more. Runs once a day.
//!
//! Invariants
//! - A row becomes `expired`, with its audit entry, before its object goes: whoever dies between leaves an object without a
//!   living row, never a downloadable row without an object.
//! - An object goes only when its row says that the pack is expired or deleted, or failed a week ago; one without a row stays and is
//!   reported, because a database restored from a backup looks just so.
//! - Each organisation, pack and run is settled by itself; trouble with one does not keep the others. Everything may be repeated.

mod artifacts;
mod expire;
mod sessions;
mod staging;

#[cfg(test)]
mod tests;

use chrono::Duration;
use engine::{Context, DEFAULT, Failure, Policy, Time, Workflow};
use serde::{Deserialize, Serialize};

use crate::Ports;
use crate::progress::at;

/// The steps, in order. Data in the database: stable for ever.
pub(crate) const STEPS: [&str; 4] = [EXPIRE, REMOVE_ARTIFACTS, SWEEP_STAGING, PURGE_SESSIONS];
const EXPIRE: &str = "expire";
const REMOVE_ARTIFACTS: &str = "remove_artifacts";
const SWEEP_STAGING: &str = "sweep_staging";
const PURGE_SESSIONS: &str = "purge_sessions";

/// A run that failed may be retried from the step that failed; for that its objects are kept this long.
const RETRYABLE: Duration = Duration::days(7);

/// Tomorrow comes another run, so an hour of trouble is not worth more attempts than this.
const POLICY: Policy = DEFAULT
    .attempts(8)
    .backoff(std::time::Duration::from_secs(5), std::time::Duration::from_mins(5))
    .timeout(std::time::Duration::from_hours(1));

/// One day's cleaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// The moment of the schedule that started it; packs due by then expire.
    pub tick: Time,
}

/// What was cleaned away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleaned {
    /// Packs that expired.
    pub expired: u64,
    /// Objects of packs that are expired, deleted or failed for good, beyond those that went with their rows.
    pub artifacts: u64,
    /// Runs whose staged objects were swept.
    pub runs: u64,
    /// Sessions of browsers whose time was over.
    #[serde(default)]
    pub sessions: u64,
}

impl Workflow for Retention {
    const NAME: &'static str = "retention.expire";
    type Output = Cleaned;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<Cleaned, Failure> {
        at(cx, &STEPS, EXPIRE).await;
        let expired = cx.step(EXPIRE, POLICY, |step| expire::due(step, self.tick)).await?;
        at(cx, &STEPS, REMOVE_ARTIFACTS).await;
        let artifacts =
            cx.step(REMOVE_ARTIFACTS, POLICY, |step| artifacts::remove(step, self.tick)).await?;
        at(cx, &STEPS, SWEEP_STAGING).await;
        let runs = cx.step(SWEEP_STAGING, POLICY, |step| staging::sweep(step, self.tick)).await?;
        at(cx, &STEPS, PURGE_SESSIONS).await;
        let sessions =
            cx.step(PURGE_SESSIONS, POLICY, |step| sessions::purge(step, self.tick)).await?;
        Ok(Cleaned { expired, artifacts, runs, sessions })
    }
}

/// Settles things one by one: counts what was done, and keeps the first trouble until the others are settled.
#[derive(Default)]
struct Tally {
    done: u64,
    trouble: Option<Failure>,
}

impl Tally {
    fn add(&mut self, settled: Result<bool, Failure>) {
        match settled {
            Ok(done) => self.done += u64::from(done),
            Err(failure) => {
                tracing::warn!(%failure, "something could not be cleaned away; the rest goes on");
                self.trouble.get_or_insert(failure);
            }
        }
    }

    fn finish(self) -> Result<u64, Failure> {
        self.trouble.map_or(Ok(self.done), Err)
    }
}
