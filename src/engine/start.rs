//! Starting runs inside the caller's transaction.
//!
//! Invariants: the run and its wake-up exist if and only if the caller commits; the same idempotency
//! key for the same workflow answers with the same run, whatever the input; ids sort by creation.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use uuid::{Builder, Uuid};

use crate::queue::Transport;
use crate::registry::version;
use crate::store::VALUE_BYTES;
use crate::{Clock, Error, Time, Workflow};

/// Most runs in one statement.
const AT_ONCE: usize = 1000;

/// The options of a start, as methods that take and give the builder.
macro_rules! options {
    ($($option:ident),*) => { $(crate::start::options!(@ $option);)* };
    (@ run_at) => {
        /// It is not due before `at`.
        pub fn run_at(mut self, at: crate::Time) -> Self {
            self.options.run_at = Some(at);
            self
        }
    };
    (@ priority) => {
        /// Higher goes first, whatever is queued below it; 0 by default.
        pub fn priority(mut self, priority: i32) -> Self {
            self.options.priority = priority;
            self
        }
    };
    (@ key) => {
        /// Whose run it is, such as a tenant: keys are served in turn.
        pub fn key(mut self, key: impl std::fmt::Display) -> Self {
            self.options.key = key.to_string();
            self
        }
    };
    (@ trace) => {
        /// Text that ties the run's tracing spans to what started it, such as a request id.
        pub fn trace(mut self, trace: impl Into<String>) -> Self {
            self.options.trace = Some(trace.into());
            self
        }
    };
    (@ traceparent) => {
        /// Where in a distributed trace it was started (`traceparent` of W3C Trace Context), for [`Builder::join`].
        ///
        /// [`Builder::join`]: crate::Builder::join
        pub fn traceparent(mut self, traceparent: Option<String>) -> Self {
            self.options.traceparent = traceparent;
            self
        }
    };
    (@ idempotency_key) => {
        /// A second start of this workflow under the same key answers with the first one's run.
        pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
            self.options.idempotency_key = Some(key.into());
            self
        }
    };
}
pub(crate) use options;

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

#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) run_at: Option<Time>,
    pub(crate) priority: i32,
    pub(crate) key: String,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) trace: Option<String>,
    pub(crate) traceparent: Option<String>,
}

impl<W: Workflow> Start<'_, W> {
    options!(run_at, priority, key, trace, traceparent, idempotency_key);

    pub(crate) fn with(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    async fn perform(self) -> Result<Started, Error> {
        let id = run_ids(self.clock.now(), 1)[0];
        let run = self.options.new_run(id, &self.workflow)?;
        if insert(&mut *self.conn, self.clock.sql_now(), &run).await? {
            // Also for a run that is due later: a worker has to learn when.
            self.transport.enqueue(self.conn, id).await?;
            return Ok(Started { run_id: id, created: true });
        }
        let known = sqlx::query_scalar!(
            "select id from engine.runs where workflow = $1 and idempotency_key = $2",
            W::NAME,
            self.options.idempotency_key,
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

/// A start of many runs in the making; `.await` performs it and answers their ids, in order.
#[must_use = "a start does nothing until it is awaited"]
pub struct StartMany<'a, W> {
    pub(crate) conn: &'a mut PgConnection,
    pub(crate) clock: Clock,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) workflows: Vec<W>,
    pub(crate) options: Options,
}

impl<W: Workflow> StartMany<'_, W> {
    options!(run_at, priority, key, trace);

    async fn perform(self) -> Result<Vec<Uuid>, Error> {
        let ids = run_ids(self.clock.now(), self.workflows.len());
        for (ids, workflows) in std::iter::zip(ids.chunks(AT_ONCE), self.workflows.chunks(AT_ONCE))
        {
            let runs = std::iter::zip(ids, workflows)
                .map(|(id, workflow)| self.options.new_run(*id, workflow))
                .collect::<Result<Vec<_>, _>>()?;
            insert_many(&mut *self.conn, self.clock.sql_now(), &runs).await?;
        }
        if let Some(first) = ids.first() {
            self.transport.enqueue(self.conn, *first).await?;
        }
        Ok(ids)
    }
}

impl<'a, W: Workflow> IntoFuture for StartMany<'a, W> {
    type Output = Result<Vec<Uuid>, Error>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.perform())
    }
}

impl Options {
    pub(crate) fn new_run<W: Workflow>(&self, id: Uuid, workflow: &W) -> Result<NewRun, Error> {
        let Self { run_at, priority, key, idempotency_key, trace, traceparent } = self.clone();
        Ok(NewRun {
            id,
            workflow: W::NAME,
            version: version(W::VERSION),
            input: serde_json::value::to_raw_value(workflow)?,
            run_at,
            priority,
            key,
            idempotency_key,
            trace,
            traceparent,
            parent: None,
            turn: Turn::Now,
            at_most: None,
        })
    }
}

/// Whether a run may go as soon as it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Now,
    /// When a sibling of a bounded fan-out has ended.
    Later,
}

/// A run that is to be.
pub(crate) struct NewRun {
    pub(crate) id: Uuid,
    pub(crate) workflow: &'static str,
    pub(crate) version: i32,
    pub(crate) input: Box<RawValue>,
    pub(crate) run_at: Option<Time>,
    pub(crate) priority: i32,
    pub(crate) key: String,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) trace: Option<String>,
    pub(crate) traceparent: Option<String>,
    /// The parent, and the place of its step.
    pub(crate) parent: Option<(Uuid, i32)>,
    pub(crate) turn: Turn,
    /// How many of its siblings and itself may be due or running.
    pub(crate) at_most: Option<i32>,
}

impl NewRun {
    /// Refuses what the database would refuse.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.input.get().len() {
            0..=VALUE_BYTES => Ok(()),
            bytes => Err(Error::TooLarge { what: "a run's input", bytes, limit: VALUE_BYTES }),
        }
    }
}

/// Inserts a run that nobody is the parent of. False: its idempotency key is taken.
async fn insert(conn: &mut PgConnection, now: Option<Time>, run: &NewRun) -> Result<bool, Error> {
    run.check()?;
    let inserted = sqlx::query_file!(
        "sql/start.sql",
        run.id,
        run.workflow,
        run.version,
        run.input.get(),
        run.key,
        run.priority,
        run.idempotency_key,
        run.trace,
        run.run_at as Option<Time>,
        now as Option<Time>,
        run.traceparent,
    )
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Inserts runs; how many. Those whose id or idempotency key is taken are left out.
pub(crate) async fn insert_many(
    conn: &mut PgConnection,
    now: Option<Time>,
    runs: &[NewRun],
) -> Result<u64, Error> {
    runs.iter().try_for_each(NewRun::check)?;
    let inserted = sqlx::query_file!(
        "sql/start_many.sql",
        now,
        &column(runs, |run| run.id),
        &column(runs, |run| run.workflow.to_owned()),
        &column(runs, |run| run.version),
        &column(runs, |run| run.input.get().to_owned()),
        &column(runs, |run| run.run_at) as &[Option<Time>],
        &column(runs, |run| run.priority),
        &column(runs, |run| run.key.clone()),
        &column(runs, |run| run.idempotency_key.clone()) as &[Option<String>],
        &column(runs, |run| run.trace.clone()) as &[Option<String>],
        &column(runs, |run| run.parent.map(|(id, _)| id)) as &[Option<Uuid>],
        &column(runs, |run| run.parent.map(|(_, seq)| seq)) as &[Option<i32>],
        &column(runs, |run| run.turn == Turn::Later),
        &column(runs, |run| run.at_most) as &[Option<i32>],
        &column(runs, |run| run.traceparent.clone()) as &[Option<String>],
    )
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected())
}

fn column<T>(runs: &[NewRun], of: impl Fn(&NewRun) -> T) -> Vec<T> {
    runs.iter().map(of).collect()
}

/// Fresh ids (version 7, RFC 9562) that sort by time, and among themselves by their order.
pub(crate) fn run_ids(now: Time, count: usize) -> Vec<Uuid> {
    let first = id_at(now, &rand::random()).as_u128() & !u128::from(u32::MAX);
    (0..count as u128).map(|nth| Uuid::from_u128(first | (nth & u128::from(u32::MAX)))).collect()
}

/// An id of version 7 at `time`, with these bytes in its tail.
pub(crate) fn id_at(time: Time, tail: &[u8; 10]) -> Uuid {
    let millis = u64::try_from(time.timestamp_millis()).unwrap_or(0);
    Builder::from_unix_timestamp_millis(millis, tail).into_uuid()
}
