//! The SQL of the journal: reading it, checkpoints, failed attempts, progress.
//!
//! Invariant: each write is one statement that locks the run's row and compares the epoch, so that
//! a worker that lost its lease writes nothing; a write that answers `None` was fenced off.

use std::time::Duration;

use serde_json::value::RawValue;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::{Lease, interval};
use crate::{Failure, FailureKind, FailureRecord, Time};

/// A step as the journal holds it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) occurrence: i32,
    pub(crate) seq: i32,
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) attempts: i32,
    pub(crate) losses: i32,
    pub(crate) output: Option<Json<Box<RawValue>>>,
    pub(crate) error: Option<Json<FailureRecord>>,
}

/// What came of arriving at a step that waits.
#[derive(Debug)]
pub(crate) struct Arrived {
    /// `done`, `waiting` (the worker holds the run), or `suspended`.
    pub(crate) outcome: String,
    pub(crate) output: Option<Json<Box<RawValue>>>,
    /// Time until it is over.
    pub(crate) wake_micros: Option<i64>,
    pub(crate) written: Written,
}

/// What a step waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    /// Counted from the first arrival; `None`: for ever.
    pub(crate) at_most: Option<Duration>,
    /// The step whose children it waits for.
    pub(crate) awaited_seq: Option<i32>,
    /// Give the run up until there is news.
    pub(crate) suspend: bool,
}

/// Where a step stands in its run: what each of its writes names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) lease: Lease,
    pub(crate) name: &'static str,
    pub(crate) occurrence: i32,
    pub(crate) seq: i32,
    pub(crate) kind: &'static str,
    /// Attempts begun, this one included.
    pub(crate) attempt: i32,
    pub(crate) started_at: Time,
    pub(crate) ended_at: Time,
}

/// The answer to a write that was not fenced off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    pub(crate) cancel_requested: bool,
    pub(crate) pause_requested: bool,
}

/// Everything the run has left so far, in order.
pub(crate) async fn load(db: impl PgExecutor<'_>, run_id: Uuid) -> sqlx::Result<Vec<Entry>> {
    sqlx::query_as!(
        Entry,
        r#"
        select name, occurrence, seq, kind, state, attempts, losses,
               output as "output: Json<Box<RawValue>>",
               error as "error: Json<FailureRecord>"
          from engine.steps
         where run_id = $1
         order by seq
        "#,
        run_id
    )
    .fetch_all(db)
    .await
}

/// Looks whether what a step waits for is there, and records what it finds.
pub(crate) async fn arrive(
    db: impl PgExecutor<'_>,
    now: Option<Time>,
    place: &Place,
    wait: Wait,
) -> sqlx::Result<Option<Arrived>> {
    let row = sqlx::query!(
        r#"
        select outcome as "outcome!",
               output as "output: Json<Box<RawValue>>",
               wake_micros,
               cancel_requested as "cancel_requested!",
               pause_requested as "pause_requested!"
          from engine.arrive($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        "#,
        place.lease.run_id,
        place.lease.epoch,
        now,
        place.seq,
        place.kind,
        place.name,
        place.occurrence,
        wait.at_most.map(interval),
        wait.awaited_seq,
        wait.suspend,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Arrived {
        outcome: row.outcome,
        output: row.output,
        wake_micros: row.wake_micros,
        written: Written {
            cancel_requested: row.cancel_requested,
            pause_requested: row.pause_requested,
        },
    }))
}

/// Records a step's result.
///
/// Written twice under one epoch (an answer was lost on the way), it changes nothing.
pub(crate) async fn done(
    conn: &mut PgConnection,
    place: &Place,
    output: &RawValue,
) -> sqlx::Result<Option<Written>> {
    sqlx::query_as!(
        Written,
        r#"
        with fence as materialized (
            select id,
                   cancel_requested_at is not null as cancel_requested,
                   pause_requested_at is not null as pause_requested
              from engine.runs
             where id = $1
               and epoch = $2
               and lease_until is not null
               for no key update
        )
        insert into engine.steps as step
               (run_id, name, occurrence, seq, kind, state, attempts, output, epoch, started_at, ended_at)
        select id, $3, $4, $5, $6, 'done', $7, $8::text::json, $2, $9, $10
          from fence
            on conflict (run_id, seq) do update
           set state = 'done',
               attempts = excluded.attempts,
               output = excluded.output,
               error = null,
               epoch = excluded.epoch,
               started_at = excluded.started_at,
               ended_at = excluded.ended_at
         where step.state in ('retrying', 'waiting')
            or step.epoch = excluded.epoch
        returning (select cancel_requested from fence) as "cancel_requested!",
                  (select pause_requested from fence) as "pause_requested!"
        "#,
        place.lease.run_id,
        place.lease.epoch,
        place.name,
        place.occurrence,
        place.seq,
        place.kind,
        place.attempt,
        output.get(),
        place.started_at,
        place.ended_at,
    )
    .fetch_optional(conn)
    .await
}

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// The step has failed for good.
    Failed,
    /// The worker tries again itself.
    Retry,
    /// The run waits this long without a worker.
    Wait(Duration),
}

/// Records a failed attempt and what follows it.
pub(crate) async fn failed(
    conn: &mut PgConnection,
    now: Option<Time>,
    place: &Place,
    error: &FailureRecord,
    after: After,
) -> sqlx::Result<Option<Written>> {
    let state = if after == After::Failed { "failed" } else { "retrying" };
    let wait = if let After::Wait(delay) = after { Some(interval(delay)) } else { None };
    sqlx::query_file_as!(
        Written,
        "sql/attempt_failed.sql",
        place.lease.run_id,
        place.lease.epoch,
        place.name,
        place.occurrence,
        place.seq,
        place.kind,
        state,
        place.attempt,
        error.to_json(),
        place.started_at,
        place.ended_at,
        now,
        wait,
    )
    .fetch_optional(conn)
    .await
}

/// Workers that died under a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Losses {
    /// Since the last write.
    pub(crate) recent: i32,
    /// In all.
    pub(crate) total: i32,
    /// Whether they are too many.
    pub(crate) exhausted: bool,
}

/// Charges the workers that died since the last write to the step that is now reached.
pub(crate) async fn lost(
    conn: &mut PgConnection,
    place: &Place,
    losses: Losses,
) -> sqlx::Result<Option<Written>> {
    let error = Failure::of(FailureKind::WorkerLost, "the worker died under this step")
        .at_step(place.name)
        .record();
    let state = if losses.exhausted { "failed" } else { "retrying" };
    sqlx::query_file_as!(
        Written,
        "sql/attempts_lost.sql",
        place.lease.run_id,
        place.lease.epoch,
        place.name,
        place.occurrence,
        place.seq,
        place.kind,
        state,
        place.attempt,
        losses.recent,
        error.to_json(),
        place.ended_at,
        losses.total,
    )
    .fetch_optional(conn)
    .await
}

/// Shows how far the run is; not, when somebody has its row locked.
pub(crate) async fn progress(
    db: impl PgExecutor<'_>,
    lease: Lease,
    step: &str,
    done: i64,
    total: i64,
) -> sqlx::Result<Option<Written>> {
    sqlx::query_as!(
        Written,
        r#"
        with held as (
            select id,
                   cancel_requested_at is not null as cancel_requested,
                   pause_requested_at is not null as pause_requested
              from engine.runs
             where id = $1
               and epoch = $2
               and state = 'running'
        ),
        free as (
            select id
              from engine.runs
             where id = $1
               and epoch = $2
               and state = 'running'
               for no key update skip locked
        ),
        shown as (
            update engine.runs as run
               set progress_step = $3, progress_done = $4, progress_total = $5
              from free
             where run.id = free.id
        )
        select cancel_requested as "cancel_requested!", pause_requested as "pause_requested!"
          from held
        "#,
        lease.run_id,
        lease.epoch,
        step,
        done,
        total,
    )
    .fetch_optional(db)
    .await
}
