//! What a step's code is given, and one attempt of it: with a deadline, its panics caught.
//!
//! Invariant: an attempt ends as a value or a [`Failure`], whatever the code does; it runs inside the
//! run's own future, so dropping the run drops it too.

use std::any::Any;
use std::future::Future;
use std::ops::Deref;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::session::Session;
use crate::{Clock, Failure, FailureKind, Time};

/// What a step's code is given: the ports (by `Deref`) and the attempt it is part of.
pub struct StepContext<P> {
    pub(crate) ports: Arc<P>,
    pub(crate) session: Arc<Session>,
    pub(crate) attempt: u32,
}

impl<P> Clone for StepContext<P> {
    fn clone(&self) -> Self {
        Self { ports: self.ports.clone(), session: self.session.clone(), attempt: self.attempt }
    }
}

impl<P> Deref for StepContext<P> {
    type Target = P;

    fn deref(&self) -> &P {
        &self.ports
    }
}

impl<P> StepContext<P> {
    /// 1 for the first attempt of this step, counted across workers and restarts.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The claim this attempt runs under. Put it into the names of temporary things, so that an
    /// attempt whose lease was lost cannot touch those of its successor.
    pub fn epoch(&self) -> i64 {
        self.session.lease.epoch
    }

    /// The run.
    pub fn run_id(&self) -> Uuid {
        self.session.lease.run_id
    }

    /// The time now, on the engine's clock.
    pub fn now(&self) -> Time {
        self.session.surroundings.clock.now()
    }

    /// Fires when somebody asks to cancel the run. A long step may then return any failure; one that
    /// does not look is left to finish.
    pub fn cancelled(&self) -> CancellationToken {
        self.session.signals.cancel.clone()
    }

    /// Shows how far the run is: `done` of `total` (0 = not known). Written at most four times a
    /// second per name, and always when `done == total`.
    pub async fn progress(&self, step: &str, done: i64, total: i64) {
        self.session.progress(step, done, total).await;
    }
}

/// Runs one attempt within `timeout`; panics in `body` and in its future become failures.
pub(crate) async fn attempt<T, Fut>(
    clock: &Clock,
    timeout: Duration,
    body: impl FnOnce() -> Fut,
) -> Result<T, Failure>
where
    Fut: Future<Output = Result<T, Failure>>,
{
    let guarded = AssertUnwindSafe(async { body().await }).catch_unwind();
    tokio::select! {
        biased;
        ended = guarded => ended.unwrap_or_else(|panic| Err(panicked(&*panic))),
        () = clock.sleep(timeout) => Err(Failure::of(
            FailureKind::TimedOut,
            format!("the attempt took longer than {timeout:?}"),
        )),
    }
}

/// The failure that a caught panic stands for.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    Failure::of(FailureKind::Panicked, message)
}
