//! What an author writes: a workflow, and what the engine tells it about its end.
//!
//! Invariant: `run` must do everything that has an effect, or that could come out differently on a
//! second look, inside a step; between steps it is replayed from the journal.

use std::future::{Future, ready};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Context, Failure, FailureRecord, Limits};

/// A named, versioned function from an input (the value itself) to an output.
pub trait Workflow: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name: data in the database, never changed.
    const NAME: &'static str;
    /// Raised when the steps change in a way that a run begun by the older code cannot follow.
    const VERSION: u32 = 1;
    /// How many runs go at a time; without limits by default.
    const LIMITS: Limits = Limits::NONE;
    /// How long runs are kept after their end; 90 days by default. See [`crate::Client::purge`].
    const RETENTION: Duration = Duration::from_hours(90 * 24);
    /// What a run that succeeds leaves behind; at most 256 KiB as JSON.
    type Output: Serialize + DeserializeOwned + Send;
    /// What steps reach the world through; shared by all workflows of a worker.
    type Ports: Send + Sync + 'static;

    /// The workflow. Runs from the top each time a worker takes up the run; steps that have a
    /// checkpoint answer from the journal.
    fn run(
        self,
        cx: &mut Context<Self::Ports>,
    ) -> impl Future<Output = Result<Self::Output, Failure>> + Send;

    /// Called in the transaction that ends a run as failed or cancelled, so that the application's
    /// own rows end with it. Default: nothing.
    ///
    /// A transient failure is tried again later and the run stays unfinished until then; a permanent
    /// one or a panic is logged, its writes are rolled back, and the run ends all the same. Not called
    /// for an input that does not parse.
    fn on_end<'a>(
        _input: Self,
        _tx: &'a mut PgConnection,
        _end: &'a End,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(ready(Ok(())))
    }

    /// Called in a transaction of its own before a run goes on that an operator has sent back, so that the application's
    /// own rows, which [`Self::on_end`] has ended, are open again. It may send the run further back than the operator did.
    /// Default: nothing.
    ///
    /// A transient failure is tried again later; any other fails the run once more.
    fn on_reopen<'a>(
        _input: Self,
        _tx: &'a mut PgConnection,
        _run: &'a Reopened,
    ) -> BoxFuture<'a, Result<GoOn, Failure>> {
        Box::pin(ready(Ok(GoOn::AsAsked)))
    }
}

/// From where a run goes on that was sent back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoOn {
    /// From where the operator said.
    AsAsked,
    /// From the first step of that name: it and all that come after it are done anew. As asked where the run has not come so
    /// far, or was sent back further.
    FromStep(&'static str),
}

/// A run that goes on after it had failed.
#[derive(Clone, Debug)]
pub struct Reopened {
    /// The run.
    pub run_id: Uuid,
    /// When, on the engine's clock.
    pub at: crate::Time,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct End {
    /// The run.
    pub run_id: Uuid,
    /// When, on the engine's clock.
    pub at: crate::Time,
    /// How.
    pub outcome: Outcome,
}

/// The three ways a run ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// With this output, as JSON.
    Succeeded(serde_json::Value),
    /// With this failure.
    Failed(FailureRecord),
    /// At the request of [`crate::Client::cancel`].
    Cancelled,
}
