#![doc = include_str!("README.md")]

pub mod chain_check;
pub mod compliance_pack;
mod hashed;
pub mod history;
pub mod org_deletion;
mod ports;
mod progress;
pub mod pruning;
pub mod retention;
mod stage;
#[cfg(test)]
mod tests;
mod trouble;
mod walk;

pub use compliance_pack::discard::DiscardPack;
pub use ports::{Ask, Authority, Keys, Ports, Product, Proof};

use chain_check::ChainCheck;
use compliance_pack::BuildPack;
use engine::{Builder, Schedule};
use history::History;
use org_deletion::DeleteOrg;
use pruning::Pruning;
use retention::Retention;

/// Makes every workflow and schedule known to a worker.
#[must_use]
pub fn register(worker: Builder<Ports>) -> Builder<Ports> {
    worker
        .register::<BuildPack>()
        .register::<DiscardPack>()
        .register::<Retention>()
        .register::<ChainCheck>()
        .register::<History>()
        .register::<Pruning>()
        .register::<DeleteOrg>()
        .schedule(Schedule::new("retention.daily", "17 3 * * *", "UTC", |tick| Retention { tick }))
        .schedule(Schedule::new("chain_check.nightly", "10 2 * * *", "UTC", |_| {
            ChainCheck::PARTIAL
        }))
        .schedule(Schedule::new("chain_check.weekly", "10 3 * * 0", "UTC", |_| ChainCheck::FULL))
        .schedule(Schedule::new("history.nightly", "40 3 * * *", "UTC", |_| History::NIGHTLY))
        .schedule(Schedule::new("history.prune_nightly", "25 4 * * *", "UTC", |_| Pruning::NIGHTLY))
}
