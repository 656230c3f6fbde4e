//! How often, how fast and how long a step is tried.
//!
//! Invariant: a delay is drawn from `[0, min(cap, initial · 2^(n−1))]` (full jitter), so that steps
//! which failed together do not come back together. Not here: counting attempts (the journal does).

use std::time::Duration;

/// The retry policy of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Attempts in all, the first included. With 1 the step runs at most once, also when its worker
    /// dies; with more, deaths of the worker have an allowance of their own (see [`LOSSES`]).
    pub attempts: u32,
    /// Upper bound of the delay before the second attempt; doubles with each further one.
    pub initial: Duration,
    /// Upper bound of every delay.
    pub cap: Duration,
    /// Longest time one attempt may take; a longer one is dropped and counts as failed.
    pub timeout: Duration,
}

/// How many workers may die under one step before the run fails as `worker_lost`.
///
/// A worker mostly dies of something else (a deployment, the machine), so these attempts do not use
/// up the policy's own; but a step that kills its worker each time must not do so for ever.
pub const LOSSES: u32 = 10;

/// The default policy: five attempts over about ten seconds, five minutes each.
pub const DEFAULT: Policy = Policy::new();

impl Policy {
    /// The default policy, to start a constant from.
    pub const fn new() -> Self {
        Self {
            attempts: 5,
            initial: Duration::from_secs(1),
            cap: Duration::from_mins(1),
            timeout: Duration::from_mins(5),
        }
    }

    /// At most one attempt.
    pub const fn once() -> Self {
        Self::new().attempts(1)
    }

    /// Sets the number of attempts; 0 counts as 1.
    #[must_use]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = if attempts == 0 { 1 } else { attempts };
        self
    }

    /// Sets the bound of the first delay and of every delay.
    #[must_use]
    pub const fn backoff(mut self, initial: Duration, cap: Duration) -> Self {
        self.initial = initial;
        self.cap = cap;
        self
    }

    /// Sets the longest time of one attempt.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many lost workers the step survives.
    pub(crate) const fn losses(&self) -> u32 {
        if self.attempts <= 1 { 0 } else { LOSSES }
    }

    /// The delay after the `failed`th failure (1 = the first); `unit` is a random number in `[0, 1)`.
    pub(crate) fn delay(&self, failed: u32, unit: f64) -> Duration {
        let doublings = failed.saturating_sub(1).min(31);
        let bound = self.initial.saturating_mul(1 << doublings).min(self.cap);
        bound.mul_f64(unit)
    }
}

impl Default for Policy {
    fn default() -> Self {
        DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap_and_are_spread_over_the_whole_range() {
        let policy = DEFAULT.backoff(Duration::from_secs(1), Duration::from_secs(10));
        let bounds: Vec<_> = (1..=6).map(|failed| policy.delay(failed, 1.0).as_secs()).collect();
        assert_eq!(bounds, [1, 2, 4, 8, 10, 10]);
        assert_eq!(policy.delay(3, 0.0), Duration::ZERO);
        assert_eq!(policy.delay(3, 0.5), Duration::from_secs(2));
        assert_eq!(policy.delay(u32::MAX, 1.0), Duration::from_secs(10));
    }
}
