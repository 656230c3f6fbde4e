#![doc = include_str!("README.md")]

pub mod compliance_pack;
mod ports;
mod progress;
pub mod retention;
mod stage;
#[cfg(test)]
mod tests;
mod trouble;

pub use compliance_pack::discard::DiscardPack;
pub use ports::{Ports, Product};

use compliance_pack::BuildPack;
use engine::{Builder, Schedule};
use retention::Retention;

/// Makes every workflow and schedule known to a worker.
#[must_use]
pub fn register(worker: Builder<Ports>) -> Builder<Ports> {
    worker
        .register::<BuildPack>()
        .register::<DiscardPack>()
        .register::<Retention>()
        .schedule(Schedule::new("retention.daily", "17 3 * * *", "UTC", |tick| Retention { tick }))
}
