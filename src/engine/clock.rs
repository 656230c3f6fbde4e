//! The clock: the one place where the engine, and whoever shares it, learns the time and waits.
//!
//! Invariant: a virtual clock moves only when a test moves it; nothing waits for real time on it.
//! The system clock leaves comparisons in SQL to the database's own `now()`, so that workers on
//! machines whose clocks differ agree on leases. Not a scheduler: see [`crate::Schedule`].

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::watch;

/// A point in time, UTC, microseconds where it meets the database.
pub type Time = DateTime<Utc>;

/// Where the time comes from. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's clock; the database's clock inside SQL.
    #[default]
    System,
    /// A clock that a test moves by hand.
    Virtual(VirtualClock),
}

impl Clock {
    /// The machine's clock.
    pub const fn system() -> Self {
        Self::System
    }

    /// The time now.
    pub fn now(&self) -> Time {
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is the clock")]
            Self::System => Utc::now(),
            Self::Virtual(clock) => clock.now(),
        }
    }

    /// Waits until `duration` has passed on this clock.
    pub async fn sleep(&self, duration: Duration) {
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is the clock")]
            Self::System => tokio::time::sleep(duration).await,
            Self::Virtual(clock) => clock.sleep_until(clock.now() + duration).await,
        }
    }

    /// Waits until this clock shows `deadline` or later; returns at once when it already does.
    pub async fn sleep_until(&self, deadline: Time) {
        match self {
            Self::System => {
                // `to_std` fails for a deadline in the past: nothing to wait for.
                let left = (deadline - self.now()).to_std().unwrap_or_default();
                self.sleep(left).await;
            }
            Self::Virtual(clock) => clock.sleep_until(deadline).await,
        }
    }

    /// Waits until `duration` has passed since the database was told `asked` ([`Self::sql_now`]); where it went by its own time, since now.
    pub(crate) async fn sleep_since(&self, asked: Option<Time>, duration: Duration) {
        match asked {
            Some(asked) => self.sleep_until(asked + duration).await,
            None => self.sleep(duration).await,
        }
    }

    /// Time that never jumps, from a fixed moment on: for lengths, where [`Self::now`] is for dates.
    pub(crate) fn monotonic(&self) -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        match self {
            Self::System => START.elapsed(),
            Self::Virtual(clock) => {
                (clock.now() - DateTime::UNIX_EPOCH).to_std().unwrap_or_default()
            }
        }
    }

    /// What SQL compares with: `None` means "the database's `now()`", as in `coalesce($1, now())`.
    pub fn sql_now(&self) -> Option<Time> {
        match self {
            Self::System => None,
            Self::Virtual(clock) => Some(clock.now()),
        }
    }
}

impl From<VirtualClock> for Clock {
    fn from(clock: VirtualClock) -> Self {
        Self::Virtual(clock)
    }
}

/// A clock for tests: it stands still until it is moved, and then wakes whoever waits.
#[derive(Clone, Debug)]
pub struct VirtualClock(Arc<watch::Sender<Time>>);

impl VirtualClock {
    /// A clock that shows `start`.
    pub fn starting_at(start: Time) -> Self {
        Self(Arc::new(watch::Sender::new(start)))
    }

    /// What the clock shows.
    pub fn now(&self) -> Time {
        *self.0.borrow()
    }

    /// Moves the clock forward by `duration`.
    pub fn advance(&self, duration: Duration) {
        self.0.send_modify(|now| *now += duration);
    }

    /// Sets the clock, also backwards, as a machine's clock may jump.
    pub fn set(&self, time: Time) {
        self.0.send_replace(time);
    }

    async fn sleep_until(&self, deadline: Time) {
        // The sender lives in `self`, so the channel cannot be closed while we wait.
        let _ = self.0.subscribe().wait_for(|now| *now >= deadline).await;
    }
}
