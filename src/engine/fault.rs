//! Points at which a test may make a run go wrong.
//!
//! Invariant: outside of tests nothing is ever set and a point costs one comparison with `None`.
//! What goes wrong, and what must hold after it, is `testing`'s business.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::Failure;

/// On which side of a step's effect a point lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The attempt has begun; the step's own code has not.
    Before,
    /// The step's code is done; its checkpoint is not written.
    After,
}

/// A point that a run has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) side: Side,
    pub(crate) step: &'static str,
    pub(crate) occurrence: i32,
    pub(crate) attempt: i32,
    pub(crate) epoch: i64,
}

/// What happens there.
#[cfg_attr(not(feature = "testing"), expect(dead_code, reason = "only tests make runs go wrong"))]
pub(crate) enum Fault {
    /// Nothing.
    Proceed,
    /// The process dies: not another byte is written.
    Crash,
    /// The attempt fails.
    Fail(Failure),
    /// The step's code runs once more (after its effect only).
    Again,
}

/// What to do at each point.
pub(crate) type Faults = Arc<dyn Fn(Point) -> BoxFuture<'static, Fault> + Send + Sync>;
