//! The checker finds what it looks for; the same seed gives the same plan; a short trial breaks no promise.

#![expect(clippy::unwrap_used, reason = "a test ends where its set-up does not hold")]

mod plan;
mod planted;
mod plants;
mod pooler;
mod short;
mod sound;
