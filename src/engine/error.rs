//! What the engine's own operations refuse or fail with. Not the failures of workflows: see
//! [`crate::Failure`].

use uuid::Uuid;

/// An operation of the engine failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database refused or did not answer.
    #[error("the engine's database failed")]
    Database(#[from] sqlx::Error),
    /// A migration could not be applied.
    #[error("the engine's schema could not be migrated")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The queue that carries wake-ups failed.
    #[error("the wake-up queue failed")]
    Queue(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A value is no JSON, or not the JSON that was expected.
    #[error("a value could not be written as or read from JSON")]
    Json(#[from] serde_json::Error),
    /// A value is larger than a run may carry.
    #[error(
        "{what} has {bytes} bytes of JSON; at most {limit} fit: keep large data in storage and pass its key"
    )]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// No run has this id.
    #[error("there is no run {0}")]
    UnknownRun(Uuid),
    /// No schedule has this name.
    #[error(
        "there is no schedule {0:?}; the names are in engine.schedules once a worker has declared them"
    )]
    UnknownSchedule(String),
    /// The run has no such step to go back to.
    #[error("run {run_id} has no step {step}: its steps are listed with the run")]
    UnknownStep {
        /// The run.
        run_id: Uuid,
        /// What was asked for.
        step: String,
    },
    /// The database holds something that this version of the engine does not know.
    #[error("the engine's tables hold {0}, which this version does not know")]
    Corrupt(String),
    /// A schedule cannot be understood.
    #[error("schedule {name}: {reason}")]
    Schedule {
        /// The schedule's name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A connection pooler stands between here and Postgres that the engine cannot work through.
    #[error(
        "a connection pooler stands between here and Postgres ({0}): the engine needs sessions of its own, for prepared \
         statements, LISTEN and settings; give it a direct connection to Postgres, or a pooler in session mode"
    )]
    Pooler(String),
    /// A worker was put together wrongly.
    #[error("the worker is misconfigured: {0}")]
    Worker(String),
}

impl From<crate::state::UnknownState> for Error {
    fn from(error: crate::state::UnknownState) -> Self {
        Self::Corrupt(error.to_string())
    }
}
