//! The one source of chance: a generator that its seed determines.
//!
//! Invariant: the same seed and purpose give the same throws on every machine. Each purpose (the plan of faults, what is
//! started, what operators do) has a stream of its own, so that how fast one of them draws does not change another.

use std::ops::RangeInclusive;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A stream of throws.
#[derive(Debug)]
pub struct Dice(StdRng);

impl Dice {
    /// The stream of `seed` for `purpose`.
    pub fn of(seed: u64, purpose: &str) -> Self {
        // FNV-1a: any fixed mixing will do, as long as it never changes.
        let salt = purpose.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(StdRng::seed_from_u64(seed ^ salt))
    }

    /// A number within the bounds.
    pub fn within(&mut self, bounds: RangeInclusive<u64>) -> u64 {
        self.0.random_range(bounds)
    }

    /// As [`Self::within`], for sizes and counts.
    pub fn count(&mut self, bounds: RangeInclusive<u32>) -> u32 {
        self.0.random_range(bounds)
    }

    /// A place in something that has `length` of them.
    pub fn place(&mut self, length: usize) -> usize {
        self.0.random_range(0..length)
    }

    /// True that many times in a hundred.
    pub fn percent(&mut self, percent: u32) -> bool {
        self.0.random_range(0..100) < percent
    }

    /// A key by its weight.
    ///
    /// # Panics
    /// When no weight is above zero.
    pub fn weighted<T: Copy>(&mut self, choices: &[(T, u32)]) -> T {
        let total: u32 = choices.iter().map(|(_, weight)| weight).sum();
        let mut drawn = self.0.random_range(0..total);
        for (choice, weight) in choices {
            match drawn.checked_sub(*weight) {
                Some(left) => drawn = left,
                None => return *choice,
            }
        }
        unreachable!("what was drawn is below the sum of the weights")
    }

    /// Puts `items` into an order of chance.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.0.random_range(0..=last));
        }
    }
}
