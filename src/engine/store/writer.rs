//! Group commit: checkpoints and ends of runs that are in flight at the same time travel together.
//!
//! Invariants: whoever writes waits until its write is in the database (or was refused), so nothing goes on before it
//! is durable; a writer takes whatever is waiting whenever it is free, so a lone run waits for nobody. The batched
//! statements pass over a row that somebody else has locked: such a write, and every write of a batch that failed, is
//! done alone, and only that decides. Not here: the SQL of a single write ([`journal`], [`super`]).

use std::sync::{Arc, Mutex};

use serde_json::value::RawValue;
use sqlx::{PgExecutor, PgPool};
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use super::journal::{self, Place, Written};
use super::{Ending, Lease};
use crate::queue::Transport;
use crate::{Clock, Error, RunState, Time, figures};

/// Writers per worker: while one batch is on its way to the disk, the next one is put together.
const WRITERS: usize = 2;
/// Most writes in one statement.
const BATCH: usize = 500;

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
    at: Time,
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

#[derive(Default)]
struct Queue {
    waiting: Mutex<Vec<Waiting>>,
    bell: Notify,
}

/// Where runs hand in what they write. Cheap to clone; the last clone takes the writers with it.
#[derive(Clone)]
pub(crate) struct Writer(Arc<Desk>);

struct Desk {
    queue: Arc<Queue>,
    writers: Vec<tokio::task::JoinHandle<()>>,
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.writers.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

impl Writer {
    /// Begins to write through `pool`.
    pub(crate) fn start(pool: &PgPool, transport: &Arc<dyn Transport>, clock: &Clock) -> Self {
        let queue = Arc::new(Queue::default());
        let (pool, transport, clock) = (pool.clone(), transport.clone(), clock.clone());
        let database = Database { pool, transport, clock };
        let writers =
            (0..WRITERS).map(|_| tokio::spawn(work(queue.clone(), database.clone()))).collect();
        Self(Arc::new(Desk { queue, writers }))
    }

    /// Records a step's result.
    pub(crate) async fn checkpoint(&self, place: Place, output: Box<RawValue>) -> Answer {
        self.hand_in(Write::Checkpoint(Checkpoint { place, output })).await
    }

    /// Ends a run as succeeded. `None`: the lease was lost before.
    pub(crate) async fn succeed(
        &self,
        lease: Lease,
        output: Box<RawValue>,
        at: Time,
        is_child: bool,
    ) -> Answer {
        self.hand_in(Write::Success(Success { lease, output, at, is_child })).await
    }

    async fn hand_in(&self, write: Write) -> Answer {
        let (answer, answered) = oneshot::channel();
        let queue = &self.0.queue;
        queue
            .waiting
            .lock()
            .expect("nothing panics while it holds this lock")
            .push(Waiting { write, answer });
        queue.bell.notify_one();
        // A writer ends only with the last handle.
        answered.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }
}

/// What writers write to.
#[derive(Clone)]
struct Database {
    pool: PgPool,
    transport: Arc<dyn Transport>,
    clock: Clock,
}

async fn work(queue: Arc<Queue>, database: Database) {
    loop {
        let batch = take(&queue);
        if batch.is_empty() {
            queue.bell.notified().await;
            continue;
        }
        figures::batch(batch.len());
        let (mut checkpoints, mut successes) = (Vec::new(), Vec::new());
        for Waiting { write, answer } in batch {
            match write {
                Write::Checkpoint(checkpoint) => checkpoints.push((checkpoint, answer)),
                Write::Success(success) => successes.push((success, answer)),
            }
        }
        write_all(&database, checkpoints).await;
        write_all(&database, successes).await;
    }
}

fn take(queue: &Queue) -> Vec<Waiting> {
    let mut waiting = queue.waiting.lock().expect("nothing panics while it holds this lock");
    let most = waiting.len().min(BATCH);
    let rest = waiting.split_off(most);
    if !rest.is_empty() {
        queue.bell.notify_one();
    }
    std::mem::replace(&mut *waiting, rest)
}

/// A kind of write that can be done alone or together.
trait Batched: Sized + Send + Sync + 'static {
    fn lease(&self) -> Lease;

    /// Writes all; those not in the answer are still to be decided.
    fn together(
        database: &Database,
        items: &[(Self, oneshot::Sender<Answer>)],
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

async fn write_all<B: Batched>(database: &Database, items: Vec<(B, oneshot::Sender<Answer>)>) {
    let mut left = items;
    if left.len() > 1 {
        left = match B::together(database, &left).await {
            Ok(landed) => answer_landed(left, &landed),
            Err(error) => {
                tracing::warn!(%error, writes = left.len(), "a batch was refused; each write goes alone");
                left
            }
        };
    }
    if let [_] = left.as_slice() {
        let (item, answer) = left.remove(0);
        let _ = answer.send(item.alone(database).await);
        return;
    }
    // One of them may have to wait for a lock: the others, and the next batch, do not wait for it.
    for (item, answer) in left {
        let database = database.clone();
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
        database: &Database,
        items: &[(Self, oneshot::Sender<Answer>)],
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
        sqlx::query_file_as!(
            Landed,
            "sql/checkpoint_many.sql",
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
        .fetch_all(&database.pool)
        .await
    }

    async fn alone(&self, database: &Database) -> Answer {
        let mut conn = database.pool.acquire().await?;
        journal::done(&mut conn, &self.place, &self.output).await
    }
}

impl Batched for Success {
    fn lease(&self) -> Lease {
        self.lease
    }

    async fn together(
        database: &Database,
        items: &[(Self, oneshot::Sender<Answer>)],
    ) -> sqlx::Result<Vec<Landed>> {
        let ids: Vec<_> = items.iter().map(|(item, _)| item.lease.run_id).collect();
        let epochs: Vec<_> = items.iter().map(|(item, _)| item.lease.epoch).collect();
        let outputs: Vec<_> = items.iter().map(|(item, _)| item.output.get().to_owned()).collect();
        let at: Vec<_> = items.iter().map(|(item, _)| item.at).collect();
        let children = items.iter().any(|(item, _)| item.is_child);
        let ended = if children {
            let mut tx = database.pool.begin().await?;
            // Whoever has a parent's row locked must not hold up everything else; alone, each write may wait.
            sqlx::query("set local lock_timeout = '100ms'").execute(&mut *tx).await?;
            let ended = finish_many(&mut *tx, &ids, &epochs, &outputs, &at).await?;
            let transport = database.transport.as_ref();
            let now = database.clock.sql_now();
            let ids: Vec<_> = ended.iter().map(|one| one.id).collect();
            super::children_ended(&mut tx, transport, &ids, now).await.map_err(into_sqlx)?;
            tx.commit().await?;
            ended
        } else {
            finish_many(&database.pool, &ids, &epochs, &outputs, &at).await?
        };
        let landed = |Finished { id, epoch }| Landed {
            id,
            epoch,
            cancel_requested: false,
            pause_requested: false,
        };
        Ok(ended.into_iter().map(landed).collect())
    }

    async fn alone(&self, database: &Database) -> Answer {
        let mut tx = database.pool.begin().await?;
        let ending = Ending {
            state: RunState::Succeeded,
            output: Some(&self.output),
            error: None,
            at: self.at,
            now: database.clock.sql_now(),
            is_child: self.is_child,
        };
        let transport = database.transport.as_ref();
        let ended =
            super::finish(&mut tx, transport, self.lease, ending).await.map_err(into_sqlx)?;
        tx.commit().await?;
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
    ids: &[Uuid],
    epochs: &[i64],
    outputs: &[String],
    at: &[Time],
) -> sqlx::Result<Vec<Finished>> {
    sqlx::query_file_as!(Finished, "sql/finish_many.sql", ids, epochs, outputs, at)
        .fetch_all(db)
        .await
}

/// The database's error; what else can fail here is the wake-up.
fn into_sqlx(error: Error) -> sqlx::Error {
    match error {
        Error::Database(error) => error,
        other => sqlx::Error::AnyDriverError(Box::new(other)),
    }
}
