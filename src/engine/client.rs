//! The client: starting, cancelling, pausing and looking at runs.
//!
//! Invariant: it needs no worker in its process, and nothing but the grants of the application's role.

use std::sync::Arc;

use serde_json::value::RawValue;
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::queue::{Apalis, Transport};
use crate::start::{Options, Start};
use crate::{
    AttemptView, Clock, Error, FailureRecord, Progress, RunView, StepView, Time, Workflow,
};

/// Starts, cancels and shows runs. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    pool: PgPool,
    clock: Clock,
    transport: Arc<dyn Transport>,
}

impl Client {
    /// A client; `pool` is what it reads through.
    pub fn new(pool: PgPool) -> Self {
        Self { pool, clock: Clock::system(), transport: Arc::new(Apalis) }
    }

    /// Takes the time from `clock`.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Starts a run in the caller's transaction; it exists if and only if the caller commits.
    ///
    /// ```ignore
    /// let started = client.start(&mut tx, Order { id }).idempotency_key(key).await?;
    /// ```
    pub fn start<'a, W: Workflow>(&self, conn: &'a mut PgConnection, workflow: W) -> Start<'a, W> {
        Start {
            conn,
            clock: self.clock.clone(),
            transport: self.transport.clone(),
            workflow,
            options: Options::default(),
        }
    }

    /// Asks that a run be cancelled. It ends before its next step; a step in flight is told through
    /// its token. A run whose last step is in flight still succeeds. False: the run is over already.
    ///
    /// Make it the last statement of a transaction: the run's row is the last that a worker locks too.
    pub async fn cancel(&self, conn: &mut PgConnection, run_id: Uuid) -> Result<bool, Error> {
        let now = self.clock.sql_now();
        let asked = sqlx::query!(
            r#"
            update engine.runs
               set cancel_requested_at = coalesce(cancel_requested_at, $2, now()),
                   pause_requested_at = null,
                   wake_at = case when state in ('waiting', 'paused') then coalesce($2, now())
                                  else wake_at
                             end,
                   state = case when state in ('waiting', 'paused') then 'queued' else state end
             where id = $1
               and state in ('queued', 'waiting', 'paused', 'running')
            "#,
            run_id,
            now,
        )
        .execute(&mut *conn)
        .await?
        .rows_affected()
            == 1;
        if asked {
            self.transport.enqueue(conn, run_id).await?;
            return Ok(true);
        }
        known(conn, run_id).await.map(|()| false)
    }

    /// Sets a run aside until it is resumed: at once when it waits, otherwise before its next step. False: the
    /// run is over, or somebody asked to cancel it. As [`Self::cancel`], it is best a transaction's last statement.
    pub async fn pause(&self, conn: &mut PgConnection, run_id: Uuid) -> Result<bool, Error> {
        let asked = sqlx::query!(
            r#"
            update engine.runs
               set pause_requested_at = coalesce(pause_requested_at, $2, now()),
                   state = case when state = 'running' then state else 'paused' end
             where id = $1
               and state in ('queued', 'waiting', 'paused', 'running')
               and cancel_requested_at is null
            "#,
            run_id,
            self.clock.sql_now(),
        )
        .execute(&mut *conn)
        .await?
        .rows_affected()
            == 1;
        if asked { Ok(true) } else { known(conn, run_id).await.map(|()| false) }
    }

    /// Lets a paused run go on where it was. False: it is not paused. As [`Self::cancel`], it is best a transaction's
    /// last statement.
    pub async fn resume(&self, conn: &mut PgConnection, run_id: Uuid) -> Result<bool, Error> {
        let resumed = sqlx::query!(
            r#"
            update engine.runs
               set pause_requested_at = null,
                   state = case when state <> 'paused' then state
                                when wake_at > coalesce($2::timestamptz, now()) then 'waiting'
                                else 'queued'
                           end
             where id = $1
               and pause_requested_at is not null
               and ended_at is null
            "#,
            run_id,
            self.clock.sql_now(),
        )
        .execute(&mut *conn)
        .await?
        .rows_affected()
            == 1;
        if resumed {
            self.transport.enqueue(conn, run_id).await?;
            return Ok(true);
        }
        known(conn, run_id).await.map(|()| false)
    }

    /// The run, if there is one.
    pub async fn find(&self, run_id: Uuid) -> Result<Option<RunView>, Error> {
        let row = sqlx::query_as!(
            RunRow,
            r#"
            select id, workflow, version, state,
                   progress_step, progress_done, progress_total, epoch,
                   error as "error: Json<FailureRecord>",
                   output as "output: Json<serde_json::Value>",
                   cancel_requested_at, key, trace, wake_at, created_at, started_at, ended_at
              from engine.runs
             where id = $1
            "#,
            run_id
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(RunView::try_from).transpose()
    }

    /// The output of a run that has succeeded, as its own type; `None` for any other run.
    pub async fn output<W: Workflow>(&self, run_id: Uuid) -> Result<Option<W::Output>, Error> {
        let output = sqlx::query_scalar!(
            r#"
            select output as "output: Json<Box<RawValue>>"
              from engine.runs
             where id = $1
               and workflow = $2
            "#,
            run_id,
            W::NAME,
        )
        .fetch_optional(&self.pool)
        .await?
        .flatten();
        Ok(output.map(|output| serde_json::from_str(output.0.get())).transpose()?)
    }

    /// The run's steps, in the order in which they first left a mark.
    pub async fn steps(&self, run_id: Uuid) -> Result<Vec<StepView>, Error> {
        let rows = sqlx::query_as!(
            StepRow,
            r#"
            select name, occurrence, seq, kind, state, attempts,
                   output as "output: Json<serde_json::Value>",
                   error as "error: Json<FailureRecord>",
                   started_at, ended_at
              from engine.steps
             where run_id = $1
             order by seq
            "#,
            run_id
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(StepView::from).collect())
    }

    /// Every attempt of every step, in order; the successful ones included.
    pub async fn attempts(&self, run_id: Uuid) -> Result<Vec<AttemptView>, Error> {
        let rows = sqlx::query_as!(
            AttemptRow,
            r#"
            select attempt.name as "name!", attempt.occurrence as "occurrence!",
                   attempt.attempt as "attempt!", attempt.epoch as "epoch!",
                   attempt.error as "error: Json<FailureRecord>",
                   attempt.started_at as "started_at!", attempt.ended_at as "ended_at!"
              from (
                    select name, occurrence, attempt, epoch, error, started_at, ended_at
                      from engine.attempts
                     where run_id = $1
                     union all
                    select name, occurrence, attempts, epoch, null, started_at, ended_at
                      from engine.steps
                     where run_id = $1
                       and state = 'done'
                   ) as attempt
              join engine.steps as step
                on step.run_id = $1
               and (step.name, step.occurrence) = (attempt.name, attempt.occurrence)
             order by step.seq, attempt.attempt
            "#,
            run_id
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(AttemptView::from).collect())
    }
}

/// Whether there is such a run.
async fn known(conn: &mut PgConnection, run_id: Uuid) -> Result<(), Error> {
    let known = sqlx::query_scalar!("select id from engine.runs where id = $1", run_id)
        .fetch_optional(conn)
        .await?;
    known.map(drop).ok_or(Error::UnknownRun(run_id))
}

struct RunRow {
    id: Uuid,
    workflow: String,
    version: i32,
    state: String,
    progress_step: Option<String>,
    progress_done: Option<i64>,
    progress_total: Option<i64>,
    epoch: i64,
    error: Option<Json<FailureRecord>>,
    output: Option<Json<serde_json::Value>>,
    cancel_requested_at: Option<Time>,
    key: Option<String>,
    trace: Option<String>,
    wake_at: Time,
    created_at: Time,
    started_at: Option<Time>,
    ended_at: Option<Time>,
}

impl TryFrom<RunRow> for RunView {
    type Error = Error;

    fn try_from(row: RunRow) -> Result<Self, Error> {
        Ok(Self {
            id: row.id,
            workflow: row.workflow,
            version: row.version.unsigned_abs(),
            state: row.state.parse()?,
            progress: row.progress_step.map(|step| Progress {
                step,
                done: row.progress_done.unwrap_or(0),
                total: row.progress_total.unwrap_or(0),
            }),
            attempts: u32::try_from(row.epoch).unwrap_or(u32::MAX),
            error: row.error.map(|error| error.0),
            output: row.output.map(|output| output.0),
            cancel_requested: row.cancel_requested_at.is_some(),
            key: row.key,
            trace: row.trace,
            wake_at: row.wake_at,
            created_at: row.created_at,
            started_at: row.started_at,
            ended_at: row.ended_at,
        })
    }
}

struct StepRow {
    name: String,
    occurrence: i32,
    seq: i32,
    kind: String,
    state: String,
    attempts: i32,
    output: Option<Json<serde_json::Value>>,
    error: Option<Json<FailureRecord>>,
    started_at: Time,
    ended_at: Time,
}

impl From<StepRow> for StepView {
    fn from(row: StepRow) -> Self {
        Self {
            name: row.name,
            occurrence: row.occurrence.unsigned_abs(),
            seq: row.seq.unsigned_abs(),
            kind: row.kind,
            state: row.state,
            attempts: row.attempts.unsigned_abs(),
            output: row.output.map(|output| output.0),
            error: row.error.map(|error| error.0),
            started_at: row.started_at,
            ended_at: row.ended_at,
        }
    }
}

struct AttemptRow {
    name: String,
    occurrence: i32,
    attempt: i32,
    epoch: i64,
    error: Option<Json<FailureRecord>>,
    started_at: Time,
    ended_at: Time,
}

impl From<AttemptRow> for AttemptView {
    fn from(row: AttemptRow) -> Self {
        Self {
            step: row.name,
            occurrence: row.occurrence.unsigned_abs(),
            attempt: row.attempt.unsigned_abs(),
            epoch: row.epoch,
            error: row.error.map(|error| error.0),
            started_at: row.started_at,
            ended_at: row.ended_at,
        }
    }
}
