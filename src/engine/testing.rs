//! For tests of workflows: a clock that is moved by hand, and [`exercise`], which takes a workflow
//! through everything it must survive.
//!
//! Invariant: what `exercise` drives is the engine's own code and SQL, with the real ports of the
//! harness; only the clock is virtual, wake-ups are left out, and deaths are simulated by dropping the
//! run where it stands (nothing of it is written after that).

mod bench;
mod exercise;
mod scenario;

use futures_util::future::BoxFuture;
use sqlx::{PgConnection, PgPool};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use crate::clock::VirtualClock;
pub use exercise::{Harness, Report, exercise};
pub use scenario::{Scenario, StepName};

use crate::queue::{Handler, Transport};
use crate::registry::Registry;
use crate::{Error, Workflow};

/// The workflows that an exercise drives besides the one that it is about: its children.
pub struct Known<P>(Registry<P>);

impl<P: Send + Sync + 'static> Known<P> {
    /// Adds one.
    pub fn add<W: Workflow<Ports = P>>(&mut self) {
        self.0.add::<W>();
    }
}

/// A transport that loses every wake-up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deaf;

impl Transport for Deaf {
    fn enqueue<'a>(
        &'a self,
        _conn: &'a mut PgConnection,
        _run_id: Uuid,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    fn run(&self, _pool: PgPool, _: Handler, stop: CancellationToken) -> BoxFuture<'static, ()> {
        Box::pin(async move { stop.cancelled().await })
    }

    fn purge(&self, _pool: PgPool) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }
}
