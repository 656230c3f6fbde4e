//! Starting a run inside the caller's transaction.
//!
//! Invariants: the run and its wake-up exist if and only if the caller commits; the same idempotency
//! key for the same workflow answers with the same run, whatever the input.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::value::RawValue;
use sqlx::{PgConnection, PgExecutor};
use uuid::{Builder, Uuid};

use crate::queue::Transport;
use crate::registry::version;
use crate::store::VALUE_BYTES;
use crate::{Clock, Error, Time, Workflow};

/// The answer to a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// The run.
    pub run_id: Uuid,
    /// False: the idempotency key was known, and this is the run it had started.
    pub created: bool,
}

/// A start in the making; `.await` performs it.
#[must_use = "a start does nothing until it is awaited"]
pub struct Start<'a, W> {
    pub(crate) conn: &'a mut PgConnection,
    pub(crate) clock: Clock,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) workflow: W,
    pub(crate) options: Options,
}

#[derive(Default)]
pub(crate) struct Options {
    run_at: Option<Time>,
    priority: i32,
    key: Option<String>,
    idempotency_key: Option<String>,
    trace: Option<String>,
}

impl<W: Workflow> Start<'_, W> {
    /// A second start of this workflow under the same key answers with the first one's run.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.options.idempotency_key = Some(key.into());
        self
    }

    /// The run is not due before `at`.
    pub fn run_at(mut self, at: Time) -> Self {
        self.options.run_at = Some(at);
        self
    }

    /// Higher goes first; 0 by default.
    pub fn priority(mut self, priority: i32) -> Self {
        self.options.priority = priority;
        self
    }

    /// Whose run it is, such as a tenant.
    pub fn key(mut self, key: impl std::fmt::Display) -> Self {
        self.options.key = Some(key.to_string());
        self
    }

    /// Text that ties the run's tracing spans to what started it, such as a request id.
    pub fn trace(mut self, trace: impl Into<String>) -> Self {
        self.options.trace = Some(trace.into());
        self
    }

    async fn perform(self) -> Result<Started, Error> {
        let Options { run_at, priority, key, idempotency_key, trace } = self.options;
        let run = NewRun {
            id: run_id(self.clock.now()),
            workflow: W::NAME,
            version: version(W::VERSION),
            input: serde_json::value::to_raw_value(&self.workflow)?,
            run_at,
            priority,
            key,
            idempotency_key,
            trace,
        };
        if insert(&mut *self.conn, self.clock.sql_now(), &run).await? {
            // Also for a run that is due later: a worker has to learn when.
            self.transport.enqueue(self.conn, run.id).await?;
            return Ok(Started { run_id: run.id, created: true });
        }
        let known = sqlx::query_scalar!(
            "select id from engine.runs where workflow = $1 and idempotency_key = $2",
            run.workflow,
            run.idempotency_key,
        )
        .fetch_one(self.conn)
        .await?;
        Ok(Started { run_id: known, created: false })
    }
}

impl<'a, W: Workflow> IntoFuture for Start<'a, W> {
    type Output = Result<Started, Error>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.perform())
    }
}

/// A run that is to be.
pub(crate) struct NewRun {
    pub(crate) id: Uuid,
    pub(crate) workflow: &'static str,
    pub(crate) version: i32,
    pub(crate) input: Box<RawValue>,
    pub(crate) run_at: Option<Time>,
    pub(crate) priority: i32,
    pub(crate) key: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) trace: Option<String>,
}

/// Inserts a run. False: its id or its idempotency key is taken.
pub(crate) async fn insert(
    db: impl PgExecutor<'_>,
    now: Option<Time>,
    run: &NewRun,
) -> Result<bool, Error> {
    let bytes = run.input.get().len();
    if bytes > VALUE_BYTES {
        return Err(Error::TooLarge { what: "a run's input", bytes, limit: VALUE_BYTES });
    }
    let inserted = sqlx::query!(
        r#"
        insert into engine.runs
               (id, workflow, version, state, input, key, priority, idempotency_key, trace,
                wake_at, created_at)
        values ($1, $2, $3,
                case when $9 > coalesce($10::timestamptz, now()) then 'waiting' else 'queued' end,
                $4::text::json, $5, $6, $7, $8,
                coalesce($9::timestamptz, $10, now()), coalesce($10, now()))
            on conflict do nothing
        "#,
        run.id,
        run.workflow,
        run.version,
        run.input.get(),
        run.key,
        run.priority,
        run.idempotency_key,
        run.trace,
        run.run_at,
        now,
    )
    .execute(db)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// A fresh id that sorts by time.
fn run_id(now: Time) -> Uuid {
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid()
}
