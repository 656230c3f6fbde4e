//! Wake-ups ("drive run X"), carried by apalis-postgres. The only file that names apalis.
//!
//! Invariants: a wake-up is a hint. It may be lost, late, doubled or reordered, and nothing comes of
//! it but a delay until the next sweep; the truth about runs is in the engine's own tables. Handlers
//! never fail and never take long, so apalis' own retries, leases and batches have nothing to decide.
//!
//! Two things keep them cheap and fast. In a rush, a wake-up is left out while another one lies there unfetched: `pg_notify`
//! in each commit would hold all commits to one at a time. And the notification that apalis' trigger sends is listened to
//! here: a worker looks at once, and apalis fetches the job a moment later, when it is in nobody's way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use apalis::prelude::{
    BackendExt, BoxDynError, Monitor, PollWith, StreamStrategy, TaskBuilder, WorkerBuilder,
};
use apalis_postgres::{Config, PostgresStorage, queries};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgListener;
use sqlx::{PgConnection, PgPool};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Error;

/// The queue's name in apalis' tables.
const QUEUE: &str = "engine";
/// A notification may be missed; then this poll finds the job. The sweep has found the run long before.
const POLL: Duration = Duration::from_secs(5);
/// How long after its notification a job is fetched.
const FETCH_AFTER: Duration = Duration::from_millis(10);
/// A process that has sent a wake-up so short a time ago leaves the next one out while one lies there.
const RUSH: Duration = Duration::from_millis(5);
/// Jobs are dated back by this, because apalis counts whole seconds of this machine's clock: a job that the database takes
/// to be due later is not notified, and that happens at each turn of a second, and wherever this clock is ahead.
const DUE_SINCE: Duration = Duration::from_mins(1);
/// How many wake-ups are taken at once. Handlers are instant, so a batch is never held for long.
const BATCH: usize = 10;
/// A listener whose connection is gone can go unnoticed; after this time a new one takes its place.
const TURN: Duration = Duration::from_mins(5);
const HEARTBEAT: Duration = Duration::from_secs(10);
const MISSED_HEARTBEATS: usize = 3;
/// Finished wake-ups are deleted after this time, unfinished ones (lost by a dead worker) later.
const KEEP_DONE: Duration = Duration::from_mins(5);
const KEEP_LOST: Duration = Duration::from_hours(1);
const PURGED_AT_ONCE: u64 = 5000;

/// What apalis' trigger on its jobs notifies.
const CHANNEL: &str = "apalis::job::insert";
/// How soon a listener, or apalis' worker, is set up again that has failed.
const RELISTEN: Duration = Duration::from_secs(1);

/// What is called with each wake-up.
pub(crate) type Handler = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// Carries wake-ups from whoever makes a run due to a worker.
pub(crate) trait Transport: Send + Sync + 'static {
    /// Sends a wake-up if and when the caller's transaction commits.
    fn enqueue<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        run_id: Uuid,
    ) -> BoxFuture<'a, Result<(), Error>>;

    /// Receives wake-ups until `stop`.
    fn run(
        &self,
        pool: PgPool,
        handler: Handler,
        stop: CancellationToken,
    ) -> BoxFuture<'static, ()>;

    /// Deletes what the transport has left behind.
    fn purge(&self, pool: PgPool) -> BoxFuture<'static, Result<(), Error>>;
}

/// The wake-up itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct WakeUp {
    run_id: Uuid,
}

/// Wake-ups through apalis' tables in the same database. Clones share when the last one was sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Apalis {
    sent: Arc<Mutex<Option<Instant>>>,
}

impl Apalis {
    /// Whether a wake-up of this process may be on its way; counts the one that is sent now.
    fn was_just_sent(&self) -> bool {
        let mut sent = self.sent.lock().expect("nothing panics while it holds this lock");
        let last = sent.replace(Instant::now());
        last.is_some_and(|last| last.elapsed() < RUSH)
    }
}

impl Transport for Apalis {
    fn enqueue<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        run_id: Uuid,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            // Asking takes a round trip, so it is left out where the answer is as good as known.
            if self.was_just_sent() && is_awaited(conn).await? {
                return Ok(());
            }
            let job = serde_json::to_vec(&WakeUp { run_id })?;
            let due = crate::Clock::system().now() - DUE_SINCE;
            let due = u64::try_from(due.timestamp()).unwrap_or(0);
            let task = TaskBuilder::new(job).max_attempts(1).run_at_timestamp(due).build();
            queries::push_tasks(conn, QUEUE, vec![task]).await.map_err(queue_error)
        })
    }

    fn run(
        &self,
        pool: PgPool,
        handler: Handler,
        stop: CancellationToken,
    ) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let (clock, starts) = (crate::Clock::system(), AtomicUsize::new(0));
            let bell = Arc::new(Notify::new());
            let hearing = listen(pool.clone(), handler.clone(), bell.clone());
            let ears = tokio::spawn(stop.clone().run_until_cancelled_owned(hearing));
            let _ears = tokio_util::task::AbortOnDropHandle::new(ears);
            while !stop.is_cancelled() {
                let start = starts.fetch_add(1, Ordering::Relaxed);
                let turn = stop.child_token();
                tokio::select! {
                    received = receive(&pool, (&handler, &bell), start, &turn) => {
                        let error = received.err().map(|error| error.to_string());
                        tracing::warn!(error, "the wake-up queue stopped, starting it again");
                        let _ = stop.run_until_cancelled(clock.sleep(RELISTEN)).await;
                    }
                    () = clock.sleep(TURN) => {}
                }
            }
        })
    }

    fn purge(&self, pool: PgPool) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin(async move {
            while purge_jobs(&pool).await? == PURGED_AT_ONCE {}
            sqlx::query(
                r"
                delete from apalis.workers as worker
                 where worker_type = $1
                   and last_seen < now() - $2
                   and not exists (select from apalis.jobs where lock_by = worker.id)
                ",
            )
            .bind(QUEUE)
            .bind(crate::store::interval(KEEP_LOST))
            .execute(&pool)
            .await?;
            Ok(())
        })
    }
}

/// Whether a wake-up lies there that no worker has fetched: whoever fetches it looks at everything that is due.
async fn is_awaited(conn: &mut PgConnection) -> Result<bool, Error> {
    let sql = "select exists (select from apalis.jobs where job_type = $1 and status = 'Pending')";
    Ok(sqlx::query_scalar(sql).bind(QUEUE).fetch_one(conn).await?)
}

/// Calls `handler` with each notification of a new wake-up, on a connection of its own, and rings the bell.
async fn listen(pool: PgPool, handler: Handler, bell: Arc<Notify>) {
    let clock = crate::Clock::system();
    loop {
        if let Err(error) = hear(&pool, &handler, &bell).await {
            tracing::warn!(%error, "wake-ups are not heard at once for a moment");
        }
        clock.sleep(RELISTEN).await;
    }
}

async fn hear(pool: &PgPool, handler: &Handler, bell: &Notify) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    let ours = format!("\"{QUEUE}\"");
    // An end of the connection is an error here, and what was missed meanwhile is found by the sweep.
    while let Some(news) = listener.try_recv().await? {
        if news.payload().contains(&ours) {
            handler().await;
            bell.notify_one();
        }
    }
    Ok(())
}

/// Deletes up to [`PURGED_AT_ONCE`] wake-ups that are over; how many there were.
async fn purge_jobs(pool: &PgPool) -> Result<u64, Error> {
    let deleted = sqlx::query(
        r"
        delete from apalis.jobs
         where id in (
                select id
                  from apalis.jobs
                 where job_type = $1
                   and ((done_at < now() - $2) or (run_at < now() - $3))
                 limit $4
                   for update skip locked)
        ",
    )
    .bind(QUEUE)
    .bind(crate::store::interval(KEEP_DONE))
    .bind(crate::store::interval(KEEP_LOST))
    .bind(PURGED_AT_ONCE.cast_signed())
    .execute(pool)
    .await?;
    Ok(deleted.rows_affected())
}

/// Runs one apalis worker until it stops or fails.
async fn receive(
    pool: &PgPool,
    (handler, bell): (&Handler, &Arc<Notify>),
    start: usize,
    stop: &CancellationToken,
) -> Result<(), BoxDynError> {
    // A worker under a name that a dead one had would keep that one's jobs alive for ever.
    let process: u64 = rand::random();
    let (pool, handler, bell) = (pool.clone(), handler.clone(), bell.clone());
    // With a time for shutdown the monitor ends as soon as its worker has; without one it would wait for `stop`.
    let monitor = Monitor::new().shutdown_timeout(RELISTEN).register(move |restart| {
        let config = Config::default()
            .queue(QUEUE)
            .batch_size(BATCH)
            .heartbeat_interval(HEARTBEAT)
            .missed_heartbeats(MISSED_HEARTBEATS)
            .lock_tasks(false);
        let storage = PostgresStorage::<WakeUp>::new(&pool).with_config(config);
        let storage = PollWith::new(storage, StreamStrategy::new(fetches(bell.clone())))
            .poll_with_interval(POLL);
        let handler = handler.clone();
        WorkerBuilder::new(format!("{QUEUE}-{process:016x}-{start}-{restart}"))
            .backend(storage)
            .build(move |wake_up: WakeUp| {
                tracing::trace!(run_id = %wake_up.run_id, "woken");
                let driven = handler();
                async move {
                    driven.await;
                    Ok::<_, BoxDynError>(())
                }
            })
    });
    let stopped = stop.clone();
    monitor
        .run_with_signal(async move {
            stopped.cancelled().await;
            Ok(())
        })
        .await
        .map_err(Into::into)
}

/// When apalis is to fetch: a moment after each ring of the bell.
fn fetches(bell: Arc<Notify>) -> impl Stream<Item = ()> + Unpin + Send {
    Box::pin(stream::unfold(bell, |bell| async {
        bell.notified().await;
        crate::Clock::system().sleep(FETCH_AFTER).await;
        Some(((), bell))
    }))
}

/// Creates apalis' own tables. The role must be allowed to create schemas and extensions.
pub(crate) async fn setup(pool: &PgPool) -> Result<(), Error> {
    PostgresStorage::<()>::setup(pool).await.map_err(queue_error)
}

fn queue_error(error: apalis_postgres::Error) -> Error {
    Error::Queue(Box::new(error))
}
