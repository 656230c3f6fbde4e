//! Group commit: checkpoints and ends of runs that are in flight at the same time travel together.
//!
//! Invariants: whoever writes waits until its write is in the database (or was refused), so nothing goes on before it
//! is durable; a writer takes whatever is waiting whenever it is free, so a lone run waits for nobody: while nothing else
//! is being written, it writes for itself. A batch that is refused, say because a row stays locked, is tried once more by a
//! statement that passes over locked rows; what is not written then is written alone, and only that decides. Not here:
//! the SQL of a single write ([`journal`], [`super`]).

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::value::RawValue;
use sqlx::{Connection, PgExecutor, PgPool};
use tokio::sync::{Notify, Semaphore, SemaphorePermit, oneshot};
use uuid::Uuid;

use super::journal::{self, Place, Written};
use super::{Ending, Lease};
use crate::kept::Kept;
use crate::queue::Transport;
use crate::{Clock, Error, RunState, Time, figures};

/// Writers per worker: while one batch is on its way to the disk, the next one is put together.
const WRITERS: u32 = 2;
/// Most writes in one statement.
const BATCH: usize = 500;
/// How long a batch waits for a row that somebody else has locked; far less than it takes Postgres to look for deadlocks.
pub(crate) const LOCK_LIMIT: Duration = Duration::from_millis(50);

/// What one write is told.
type Answer = sqlx::Result<Option<Written>>;

/// The result of a step.
struct Checkpoint {
    place: Place,
    output: Box<RawValue>,
}

/// The success of a run.
struct Success {
    lease: Lease,
    output: Box<RawValue>,
    is_child: bool,
}

enum Write {
    Checkpoint(Checkpoint),
    Success(Success),
}

struct Waiting {
    write: Write,
    answer: oneshot::Sender<Answer>,
}

struct Queue {
    waiting: Mutex<Vec<Waiting>>,
    bell: Notify,
    /// A permit for each writer that is not writing.
    idle: Semaphore,
}

/// Where runs hand in what they write. Cheap to clone; the last clone takes the writers with it.
#[derive(Clone)]
pub(crate) struct Writer(Arc<Desk>);

struct Desk {
    queue: Arc<Queue>,
    database: Arc<Database>,
    writers: Vec<tokio::task::JoinHandle<()>>,
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.writers.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

impl Writer {
    /// Begins to write.
    ///
    /// The connections of `batches` must not wait longer than [`LOCK_LIMIT`] for a lock.
    pub(crate) fn start(batches: &PgPool, database: Database) -> Self {
        let database = Arc::new(database);
        let (waiting, bell) = (Mutex::default(), Notify::default());
        let queue = Arc::new(Queue { waiting, bell, idle: Semaphore::new(WRITERS as usize) });
        let writer = |_| tokio::spawn(work(queue.clone(), Kept::new(batches), database.clone()));
        let writers = (0..WRITERS).map(writer).collect();
        Self(Arc::new(Desk { queue, database, writers }))
    }

    /// Records a step's result.
    pub(crate) async fn checkpoint(&self, place: Place, output: Box<RawValue>) -> Answer {
        let checkpoint = Checkpoint { place, output };
        if let Some(_place) = self.nobody_writes() {
            return checkpoint.alone(&self.0.database).await;
        }
        self.hand_in(Write::Checkpoint(checkpoint)).await
    }

    /// Ends a run as succeeded. `None`: the lease was lost before.
    pub(crate) async fn succeed(
        &self,
        lease: Lease,
        output: Box<RawValue>,
        is_child: bool,
    ) -> Answer {
        let success = Success { lease, output, is_child };
        if let Some(_place) = self.nobody_writes() {
            return success.alone(&self.0.database).await;
        }
        self.hand_in(Write::Success(success)).await
    }

    /// One writer's place, if nobody writes and nothing waits: going over a writer's task would only take time.
    fn nobody_writes(&self) -> Option<SemaphorePermit<'_>> {
        let queue = &*self.0.queue;
        let mut all = queue.idle.try_acquire_many(WRITERS).ok()?;
        if queue.lock().is_empty() { all.split(1) } else { None }
    }

    async fn hand_in(&self, write: Write) -> Answer {
        let (answer, answered) = oneshot::channel();
        let queue = &self.0.queue;
        queue.lock().push(Waiting { write, answer });
        queue.bell.notify_one();
        // A writer ends only with the last handle.
        answered.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }
}

/// What single writes need; batches go through connections of the writers' own.
pub(crate) struct Database {
    pub(crate) alone: Kept,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Clock,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().expect("nothing panics while it holds this lock")
    }

    /// What waits, up to [`BATCH`].
    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.lock();
        let most = waiting.len().min(BATCH);
        let rest = waiting.split_off(most);
        if !rest.is_empty() {
            self.bell.notify_one();
        }
        std::mem::replace(&mut *waiting, rest)
    }
}

async fn work(queue: Arc<Queue>, batches: Kept, database: Arc<Database>) {
    let to = To { batches, database };
    loop {
        // Never closed.
        let place = queue.idle.acquire().await;
        let batch = queue.take();
        if batch.is_empty() {
            drop(place);
            queue.bell.notified().await;
            continue;
        }
        figures::batch(batch.len());
        let (mut first, mut again, mut successes) = (Vec::new(), Vec::new(), Vec::new());
        for Waiting { write, answer } in batch {
            match write {
                Write::Checkpoint(checkpoint) if checkpoint.place.attempt > 1 => {
                    again.push((checkpoint, answer));
                }
                Write::Checkpoint(checkpoint) => first.push((checkpoint, answer)),
                Write::Success(success) => successes.push((success, answer)),
            }
        }
        write_all(&to, first, Way::Straight).await;
        write_all(&to, again, Way::AroundLocks).await;
        write_all(&to, successes, Way::Straight).await;
    }
}

/// Where a writer writes.
struct To {
    /// Does not wait longer than [`LOCK_LIMIT`] for a lock.
    batches: Kept,
    database: Arc<Database>,
}

/// How a batch is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// All or nothing; what is locked is waited for, for a moment.
    Straight,
    /// Without what somebody has locked.
    AroundLocks,
}

/// A kind of write that can be done alone or together.
trait Batched: Sized + Send + Sync + 'static {
    fn lease(&self) -> Lease;

    /// Writes all; those not in the answer are still to be decided.
    fn together(
        to: &To,
        items: &[(Self, oneshot::Sender<Answer>)],
        way: Way,
    ) -> impl Future<Output = sqlx::Result<Vec<Landed>>> + Send;

    fn alone(&self, database: &Database) -> impl Future<Output = Answer> + Send;
}

/// A write of a batch that is in the database.
struct Landed {
    id: Uuid,
    epoch: i64,
    cancel_requested: bool,
    pause_requested: bool,
}

async fn write_all<B: Batched>(to: &To, items: Vec<(B, oneshot::Sender<Answer>)>, way: Way) {
    let mut left = items;
    if left.len() > 1 {
        let mut landed = B::together(to, &left, way).await;
        if let (Err(error), Way::Straight) = (&landed, way) {
            tracing::debug!(%error, writes = left.len(), "a batch was refused; it goes around what is locked");
            landed = B::together(to, &left, Way::AroundLocks).await;
        }
        left = match landed {
            Ok(landed) => answer_landed(left, &landed),
            Err(error) => {
                tracing::warn!(%error, writes = left.len(), "a batch was refused; each write goes alone");
                left
            }
        };
    }
    if let [_] = left.as_slice() {
        let (item, answer) = left.remove(0);
        let _ = answer.send(item.alone(&to.database).await);
        return;
    }
    // One of them may have to wait for a lock: the others, and the next batch, do not wait for it.
    for (item, answer) in left {
        let database = to.database.clone();
        tokio::spawn(async move {
            let _ = answer.send(item.alone(&database).await);
        });
    }
}

/// Answers what is in the database; what is left is not.
fn answer_landed<B: Batched>(
    mut items: Vec<(B, oneshot::Sender<Answer>)>,
    landed: &[Landed],
) -> Vec<(B, oneshot::Sender<Answer>)> {
    let by_lease: std::collections::HashMap<_, _> =
        landed.iter().map(|one| (Lease { run_id: one.id, epoch: one.epoch }, one)).collect();
    let mut left = Vec::new();
    for (item, answer) in items.drain(..) {
        match by_lease.get(&item.lease()) {
            Some(one) => {
                let written = Written {
                    cancel_requested: one.cancel_requested,
                    pause_requested: one.pause_requested,
                };
                let _ = answer.send(Ok(Some(written)));
            }
            None => left.push((item, answer)),
        }
    }
    left
}

impl Batched for Checkpoint {
    fn lease(&self) -> Lease {
        self.place.lease
    }

    async fn together(
        to: &To,
        items: &[(Self, oneshot::Sender<Answer>)],
        way: Way,
    ) -> sqlx::Result<Vec<Landed>> {
        let places = || items.iter().map(|(item, _)| &item.place);
        let ids: Vec<_> = places().map(|place| place.lease.run_id).collect();
        let epochs: Vec<_> = places().map(|place| place.lease.epoch).collect();
        let seqs: Vec<_> = places().map(|place| place.seq).collect();
        let names: Vec<_> = places().map(|place| place.name.to_owned()).collect();
        let occurrences: Vec<_> = places().map(|place| place.occurrence).collect();
        let kinds: Vec<_> = places().map(|place| place.kind.to_owned()).collect();
        let attempts: Vec<_> = places().map(|place| place.attempt).collect();
        let outputs: Vec<_> = items.iter().map(|(item, _)| item.output.get().to_owned()).collect();
        let started: Vec<_> = places().map(|place| place.started_at).collect();
        let ended: Vec<_> = places().map(|place| place.ended_at).collect();
        let mut conn = to.batches.take().await?;
        macro_rules! write {
            ($sql:literal) => {
                sqlx::query_file_as!(
                    Landed,
                    $sql,
                    &ids,
                    &epochs,
                    &seqs,
                    &names,
                    &occurrences,
                    &kinds,
                    &attempts,
                    &outputs,
                    &started,
                    &ended,
                )
                .fetch_all(&mut *conn)
                .await?
            };
        }
        let landed = match way {
            Way::Straight => write!("sql/checkpoint_many.sql"),
            Way::AroundLocks => write!("sql/checkpoint_around_locks.sql"),
        };
        conn.give_back();
        Ok(landed)
    }

    async fn alone(&self, database: &Database) -> Answer {
        let mut conn = database.alone.take().await?;
        let written = journal::done(&mut conn, &self.place, &self.output).await?;
        conn.give_back();
        Ok(written)
    }
}

impl Batched for Success {
    fn lease(&self) -> Lease {
        self.lease
    }

    async fn together(
        to: &To,
        items: &[(Self, oneshot::Sender<Answer>)],
        way: Way,
    ) -> sqlx::Result<Vec<Landed>> {
        let ids: Vec<_> = items.iter().map(|(item, _)| item.lease.run_id).collect();
        let epochs: Vec<_> = items.iter().map(|(item, _)| item.lease.epoch).collect();
        let outputs: Vec<_> = items.iter().map(|(item, _)| item.output.get().to_owned()).collect();
        let now = to.database.clock.sql_now();
        let children = items.iter().any(|(item, _)| item.is_child);
        let mut conn = to.batches.take().await?;
        let ended = if children {
            // Whoever has a parent's row locked must not hold up everything else; alone, each write may wait.
            let mut tx = conn.begin().await?;
            let ended = finish_many(&mut *tx, (&ids, &epochs, &outputs, now), way).await?;
            let transport = to.database.transport.as_ref();
            let ids: Vec<_> = ended.iter().map(|one| one.id).collect();
            super::children_ended(&mut tx, transport, &ids, now).await.map_err(into_sqlx)?;
            tx.commit().await?;
            ended
        } else {
            finish_many(&mut *conn, (&ids, &epochs, &outputs, now), way).await?
        };
        conn.give_back();
        let landed = |Finished { id, epoch }| Landed {
            id,
            epoch,
            cancel_requested: false,
            pause_requested: false,
        };
        Ok(ended.into_iter().map(landed).collect())
    }

    async fn alone(&self, database: &Database) -> Answer {
        let mut conn = database.alone.take().await?;
        let ending = Ending {
            state: RunState::Succeeded,
            output: Some(&self.output),
            error: None,
            now: database.clock.sql_now(),
            is_child: self.is_child,
        };
        let transport = database.transport.as_ref();
        let ended = if self.is_child {
            let mut tx = conn.begin().await?;
            let ended = super::finish(&mut tx, transport, self.lease, ending).await;
            let ended = ended.map_err(into_sqlx)?;
            tx.commit().await?;
            ended
        } else {
            super::finish(&mut conn, transport, self.lease, ending).await.map_err(into_sqlx)?
        };
        conn.give_back();
        Ok(ended.then_some(Written { cancel_requested: false, pause_requested: false }))
    }
}

/// A run that has ended in a batch.
struct Finished {
    id: Uuid,
    epoch: i64,
}

async fn finish_many(
    db: impl PgExecutor<'_>,
    (ids, epochs, outputs, now): (&[Uuid], &[i64], &[String], Option<Time>),
    way: Way,
) -> sqlx::Result<Vec<Finished>> {
    match way {
        Way::Straight => {
            sqlx::query_file_as!(Finished, "sql/finish_many.sql", ids, epochs, outputs, now)
                .fetch_all(db)
                .await
        }
        Way::AroundLocks => {
            sqlx::query_file_as!(Finished, "sql/finish_around_locks.sql", ids, epochs, outputs, now)
                .fetch_all(db)
                .await
        }
    }
}

/// The database's error; what else can fail here is the wake-up.
fn into_sqlx(error: Error) -> sqlx::Error {
    match error {
        Error::Database(error) => error,
        other => sqlx::Error::AnyDriverError(Box::new(other)),
    }
}
