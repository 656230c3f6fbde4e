//! The SQL that moves runs: claim, sweep, renew, release, postpone, finish.
//!
//! Invariants: every write of a worker names the run's id *and* the epoch it claimed, and touches
//! nothing when they no longer match (the fence); rows are locked with `skip locked` wherever two
//! workers may compete; time is the caller's `now`, or the database's when it is `None`.
//! The journal's SQL is in [`journal`].

pub(crate) mod journal;
pub(crate) mod writer;

use std::time::Duration;

use serde_json::value::RawValue;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor, PgPool};
use uuid::Uuid;

use crate::queue::Transport;
use crate::start::NewRun;
use crate::{Error, FailureRecord, RunState, Time};

/// The largest input, step result or output, in bytes of JSON. The tables check the same number.
pub(crate) const VALUE_BYTES: usize = 256 * 1024;

/// A run that this worker has just claimed.
pub(crate) struct Claimed {
    pub(crate) id: Uuid,
    pub(crate) workflow: String,
    pub(crate) version: i32,
    pub(crate) input: Json<Box<RawValue>>,
    pub(crate) key: String,
    pub(crate) priority: i32,
    pub(crate) epoch: i64,
    pub(crate) losses: i32,
    pub(crate) trace: Option<String>,
    pub(crate) traceparent: Option<String>,
    pub(crate) is_child: bool,
    /// An operator has sent it back, and the application has not been told.
    pub(crate) reopened: bool,
    pub(crate) cancel_requested: bool,
    /// Where its lane stood in the round.
    pub(crate) place: i64,
}

/// The workflows and versions that a worker can run, as two columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kinds {
    pub(crate) names: Vec<String>,
    pub(crate) versions: Vec<i32>,
}

impl Kinds {
    pub(crate) fn has(&self, name: &str, version: i32) -> bool {
        std::iter::zip(&self.names, &self.versions).any(|(n, v)| n == name && *v == version)
    }
}

/// A run under the epoch of one claim: what every fenced write names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lease {
    pub(crate) run_id: Uuid,
    pub(crate) epoch: i64,
}

/// Who claims, for how long, and whose turn it was last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claimant<'a> {
    pub(crate) owner: &'a str,
    pub(crate) lease: Duration,
    /// Per kind, the key that was served last; empty to begin with the first.
    pub(crate) cursors: &'a [String],
    /// The kind that was served last.
    pub(crate) last: (&'a str, i32),
}

/// Claims up to `limit` due runs: those of the highest priority, their keys in turn. Fewer does not mean that no more
/// are due, none does.
pub(crate) async fn claim(
    db: impl PgExecutor<'_>,
    now: Option<Time>,
    kinds: &Kinds,
    claimant: Claimant<'_>,
    limit: usize,
) -> sqlx::Result<Vec<Claimed>> {
    sqlx::query_file_as!(
        Claimed,
        "sql/claim.sql",
        now,
        &kinds.names,
        &kinds.versions,
        claimant.cursors,
        claimant.owner,
        i32::try_from(limit).unwrap_or(i32::MAX),
        interval(claimant.lease),
        claimant.last.0,
        claimant.last.1,
    )
    .fetch_all(db)
    .await
}

/// Inserts a run that `owner` drives at once. False: it was known already.
pub(crate) async fn start_here(
    db: impl PgExecutor<'_>,
    now: Option<Time>,
    run: &NewRun,
    owner: &str,
    lease: Duration,
) -> Result<bool, Error> {
    run.check()?;
    let done = sqlx::query_file!(
        "sql/start_here.sql",
        run.id,
        run.workflow,
        run.version,
        run.input.get(),
        run.key,
        run.priority,
        run.idempotency_key,
        run.trace,
        owner,
        interval(lease),
        now,
        run.traceparent,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What a sweep found.
pub(crate) struct Swept {
    pub(crate) lapsed: i64,
    pub(crate) woken: i64,
    pub(crate) queued: bool,
    /// Time until the next run is due, in microseconds.
    pub(crate) next_timer_micros: Option<i64>,
    /// Time until the next tick of one of the given schedules, in microseconds; may be negative.
    pub(crate) next_tick_micros: Option<i64>,
}

/// Queues the runs whose lease has lapsed or whose time has come.
pub(crate) async fn sweep(
    db: impl PgExecutor<'_>,
    now: Option<Time>,
    kinds: &Kinds,
    schedules: &[String],
) -> sqlx::Result<Swept> {
    sqlx::query_file_as!(Swept, "sql/sweep.sql", now, &kinds.names, &kinds.versions, schedules)
        .fetch_one(db)
        .await
}

/// The answer for a lease that is still held.
pub(crate) struct Renewed {
    pub(crate) id: Uuid,
    pub(crate) epoch: i64,
    /// False: somebody else has the row locked, and the lease stays as it was.
    pub(crate) extended: bool,
    pub(crate) cancel_requested: bool,
}

/// Extends the given leases; those missing from the answer are lost. Never waits for a lock.
pub(crate) async fn renew(
    db: impl PgExecutor<'_>,
    now: Option<Time>,
    length: Duration,
    leases: &[Lease],
) -> sqlx::Result<Vec<Renewed>> {
    let (ids, epochs) = columns(leases);
    sqlx::query_as!(
        Renewed,
        r#"
        with held as (
            select run.id, run.epoch, run.cancel_requested_at is not null as cancel_requested
              from unnest($2::uuid[], $3::bigint[]) as mine(id, epoch)
              join engine.runs as run
                on run.id = mine.id
               and run.epoch = mine.epoch
               and run.state = 'running'
        ),
        free as (
            select run.id
              from unnest($2::uuid[], $3::bigint[]) as mine(id, epoch)
              join engine.runs as run
                on run.id = mine.id
               and run.epoch = mine.epoch
               and run.state = 'running'
               for no key update of run skip locked
        ),
        renewed as (
            update engine.runs as run
               set lease_until = coalesce($1::timestamptz, now()) + $4::interval
              from free
             where run.id = free.id
            returning run.id
        )
        select held.id as "id!",
               held.epoch as "epoch!",
               renewed.id is not null as "extended!",
               held.cancel_requested as "cancel_requested!"
          from held
          left join renewed on renewed.id = held.id
        "#,
        now,
        &ids,
        &epochs,
        interval(length),
    )
    .fetch_all(db)
    .await
}

/// Which of the given runs somebody asked to cancel.
pub(crate) async fn cancel_requests(
    db: impl PgExecutor<'_>,
    leases: &[Lease],
) -> sqlx::Result<Vec<Uuid>> {
    let (ids, _) = columns(leases);
    sqlx::query_scalar!(
        "select id from engine.runs where id = any($1) and cancel_requested_at is not null",
        &ids
    )
    .fetch_all(db)
    .await
}

/// Gives a run back, due as before, and wakes a worker for it; `losses` are charged to its next step. False:
/// the lease was lost before.
pub(crate) async fn release(
    pool: &PgPool,
    transport: &dyn Transport,
    lease: Lease,
    losses: i32,
) -> Result<bool, Error> {
    let mut tx = pool.begin().await?;
    let released = sqlx::query!(
        r#"
        update engine.runs
           set state = case when pause_requested_at is null then 'queued' else 'paused' end,
               owner = null,
               lease_until = null,
               losses = losses + $3
         where id = $1
           and epoch = $2
           and state = 'running'
        "#,
        lease.run_id,
        lease.epoch,
        losses,
    )
    .execute(&mut *tx)
    .await?
    .rows_affected()
        == 1;
    if released {
        transport.enqueue(&mut tx, lease.run_id).await?;
    }
    tx.commit().await?;
    Ok(released)
}

/// Lets a run wait for `delay` without a worker. False: the lease was lost before.
pub(crate) async fn postpone(
    db: impl PgExecutor<'_>,
    now: Option<Time>,
    lease: Lease,
    delay: Duration,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        update engine.runs
           set state = case when pause_requested_at is null then 'waiting' else 'paused' end,
               waiting_for = case when pause_requested_at is null then 'time' end,
               owner = null,
               lease_until = null,
               wake_at = coalesce($3, now()) + $4::interval
         where id = $1
           and epoch = $2
           and state = 'running'
        "#,
        lease.run_id,
        lease.epoch,
        now,
        interval(delay),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Lets a run that was sent back go on from the first step of that name.
pub(crate) async fn go_back(
    conn: &mut PgConnection,
    lease: Lease,
    step: &str,
    now: Option<Time>,
) -> sqlx::Result<()> {
    let Lease { run_id, epoch } = lease;
    sqlx::query!("select engine.go_back($1, $2, $3, $4)", run_id, epoch, step, now)
        .fetch_one(conn)
        .await?;
    Ok(())
}

/// Notes that the application knows of a run that was sent back. False: the lease was lost before.
pub(crate) async fn reopened(conn: &mut PgConnection, lease: Lease) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update engine.runs set reopened = false where id = $1 and epoch = $2 and state = 'running'",
        lease.run_id,
        lease.epoch,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// How a run ends, in the form of its columns.
pub(crate) struct Ending<'a> {
    pub(crate) state: RunState,
    pub(crate) output: Option<&'a RawValue>,
    pub(crate) error: Option<&'a FailureRecord>,
    /// When it ends, and whoever goes on because of it is due: by the database's clock if this is `None`.
    pub(crate) now: Option<Time>,
    pub(crate) is_child: bool,
}

/// Ends a run and tells its parent, in the caller's transaction. False: the lease was lost before.
pub(crate) async fn finish(
    conn: &mut PgConnection,
    transport: &dyn Transport,
    lease: Lease,
    ending: Ending<'_>,
) -> Result<bool, Error> {
    let ended = sqlx::query!(
        r#"
        update engine.runs
           set state = $3,
               output = $4::text::json,
               error = $5::text::json,
               ended_at = coalesce($6, now()),
               owner = null,
               lease_until = null
         where id = $1
           and epoch = $2
           and state = 'running'
        "#,
        lease.run_id,
        lease.epoch,
        ending.state.as_str(),
        ending.output.map(RawValue::get),
        ending.error.map(FailureRecord::to_json),
        ending.now,
    )
    .execute(&mut *conn)
    .await?
    .rows_affected()
        == 1;
    if ended && ending.is_child {
        children_ended(conn, transport, &[lease.run_id], ending.now).await?;
    }
    Ok(ended)
}

/// Tells the parents of runs that have just ended, and wakes a worker if one of them goes on.
async fn children_ended(
    conn: &mut PgConnection,
    transport: &dyn Transport,
    ended: &[Uuid],
    now: Option<Time>,
) -> Result<(), Error> {
    let woken =
        sqlx::query_scalar!(r#"select engine.children_ended($1, $2) as "woken!""#, ended, now)
            .fetch_one(&mut *conn)
            .await?;
    match ended.first() {
        Some(first) if woken > 0 => transport.enqueue(conn, *first).await,
        _ => Ok(()),
    }
}

/// Asks the unfinished children of a run to stop, before it ends otherwise than well.
pub(crate) async fn cancel_children(
    db: impl PgExecutor<'_>,
    now: Option<Time>,
    lease: Lease,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update engine.runs
           set cancel_requested_at = coalesce(cancel_requested_at, $3, now()),
               pause_requested_at = null,
               wake_at = case when state in ('waiting', 'paused') then coalesce($3, now()) else wake_at end,
               waiting_for = null,
               state = case when state in ('waiting', 'paused') then 'queued' else state end
         where parent_id = $1
           and ended_at is null
           and exists (select from engine.runs where id = $1 and epoch = $2 and state = 'running')
        "#,
        lease.run_id,
        lease.epoch,
        now,
    )
    .execute(db)
    .await
    .map(drop)
}

fn columns(leases: &[Lease]) -> (Vec<Uuid>, Vec<i64>) {
    leases.iter().map(|lease| (lease.run_id, lease.epoch)).unzip()
}

/// `duration` as Postgres counts it: whole microseconds.
pub(crate) fn interval(duration: Duration) -> sqlx::postgres::types::PgInterval {
    let microseconds = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    sqlx::postgres::types::PgInterval { months: 0, days: 0, microseconds }
}
