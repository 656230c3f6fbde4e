//! Starting runs in the process that works on them: one commit, and the run is at its first step.
//!
//! Invariants: a run is started here only while the worker has a free slot, nothing is known to wait for one, and the
//! workflow has no limits; whatever else is started goes the ordinary way and has its turn. A run started here is like any
//! other that this worker has claimed: it is in the database with a lease before its first step, and another worker goes on
//! with it when this one dies. Not here: driving it (`dispatch`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::PgPool;
use sqlx::types::Json;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::kept::Kept;
use crate::lease::{Held, Hold};
use crate::session::Signals;
use crate::start::{NewRun, Options, options, run_ids};
use crate::store::{self, Claimed, Lease};
use crate::{Client, Clock, Error, Limits, Started, Workflow};

/// Starts runs beside a worker in the same process; made by [`crate::Worker::local_client`]. Cheap to clone.
#[derive(Clone)]
pub struct LocalClient {
    pub(crate) client: Client,
    pub(crate) door: Arc<Door>,
}

impl LocalClient {
    /// Starts a run in a transaction of its own. If the worker has a free slot for it and nothing waits there, it goes on to
    /// the run's first step at once; otherwise the run waits for its turn like any other.
    ///
    /// For a start that is to be part of a transaction there is [`Client::start`].
    ///
    /// ```ignore
    /// let started = local.start(Order { id }).idempotency_key(key).await?;
    /// ```
    pub fn start<W: Workflow>(&self, workflow: W) -> StartHere<'_, W> {
        StartHere { local: self, workflow, options: Options::default() }
    }
}

/// A start in the making; `.await` performs it.
#[must_use = "a start does nothing until it is awaited"]
pub struct StartHere<'c, W> {
    local: &'c LocalClient,
    workflow: W,
    options: Options,
}

impl<W: Workflow> StartHere<'_, W> {
    options!(run_at, priority, key, trace, traceparent, idempotency_key);

    async fn perform(self) -> Result<Started, Error> {
        let Self { local: LocalClient { client, door }, workflow, options } = self;
        if let Some(place) = door.place_for::<W>(&options) {
            let id = run_ids(client.clock.now(), 1)[0];
            let run = options.new_run(id, &workflow)?;
            // A task of its own: whoever started the run may be gone before the answer is here.
            let started = tokio::spawn(place.start(run, client.pool.clone())).await;
            if started.map_err(|error| Error::Worker(error.to_string()))?? {
                return Ok(Started { run_id: id, created: true });
            }
        }
        let mut tx = client.pool.begin().await?;
        let start = client.start(&mut tx, workflow).with(options);
        let started = start.await?;
        tx.commit().await?;
        Ok(started)
    }
}

impl<'c, W: Workflow> IntoFuture for StartHere<'c, W> {
    type Output = Result<Started, Error>;
    type IntoFuture = BoxFuture<'c, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.perform())
    }
}

/// The way from local clients to a worker: open while it works.
#[derive(Default)]
pub(crate) struct Door(Mutex<Option<Arc<Inside>>>);

impl Door {
    pub(crate) fn open(&self, inside: Arc<Inside>) {
        *self.lock() = Some(inside);
    }

    pub(crate) fn close(&self) {
        *self.lock() = None;
    }

    /// A slot for a run of this workflow, if it need not wait for one.
    fn place_for<W: Workflow>(&self, options: &Options) -> Option<Place> {
        let inside = self.lock().clone()?;
        let may = W::LIMITS == Limits::NONE
            && options.run_at.is_none()
            && inside.kinds.has(W::NAME, crate::registry::version(W::VERSION))
            && !inside.busy.load(Ordering::Acquire);
        let slot = may.then(|| inside.slots.clone().try_acquire_owned().ok()).flatten()?;
        Some(Place { inside, slot })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Inside>>> {
        self.0.lock().expect("nothing panics while it holds this lock")
    }
}

/// What a start needs of the worker.
pub(crate) struct Inside {
    pub(crate) kinds: store::Kinds,
    pub(crate) slots: Arc<Semaphore>,
    /// Something waits for a slot.
    pub(crate) busy: Arc<AtomicBool>,
    pub(crate) owner: String,
    pub(crate) lease: Duration,
    pub(crate) held: Arc<Held>,
    pub(crate) stopping: CancellationToken,
    pub(crate) clock: Clock,
    pub(crate) starts: Kept,
    pub(crate) surroundings: crate::session::Surroundings,
    pub(crate) handed: UnboundedSender<Handed>,
}

/// A run on its way to the worker's loop.
pub(crate) struct Handed {
    pub(crate) run: Claimed,
    pub(crate) signals: Signals,
    pub(crate) hold: Hold,
    pub(crate) slot: OwnedSemaphorePermit,
}

/// A slot that is taken for a run that is to be.
struct Place {
    inside: Arc<Inside>,
    slot: OwnedSemaphorePermit,
}

impl Place {
    /// Inserts the run and hands it to the worker. False: it was known already, or the worker is gone; the ordinary way tells.
    /// What the worker's own connections cannot do any more is done over those of the client.
    async fn start(self, run: NewRun, client: PgPool) -> Result<bool, Error> {
        let Self { inside, slot } = self;
        let since = inside.clock.monotonic();
        let lease = Lease { run_id: run.id, epoch: 1 };
        let mut conn = match inside.starts.take().await {
            Ok(conn) => conn,
            // The worker has stopped meanwhile, and nothing is written yet.
            Err(sqlx::Error::PoolClosed) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let now = inside.clock.sql_now();
        let inserted =
            store::start_here(&mut *conn, now, &run, &inside.owner, inside.lease).await?;
        conn.give_back();
        if !inserted {
            return Ok(false);
        }
        let signals = Signals { stopping: inside.stopping.clone(), ..Signals::default() };
        let hold = inside.held.add(lease, signals.clone(), since);
        let run = claimed(run);
        if inside.handed.send(Handed { run, signals, hold, slot }).is_err() {
            // The worker has stopped meanwhile: another one goes on at once.
            let transport = &inside.surroundings.transport;
            store::release(&client, transport.as_ref(), lease, 0).await?;
        }
        Ok(true)
    }
}

/// The run as a claim would have answered it.
fn claimed(run: NewRun) -> Claimed {
    Claimed {
        id: run.id,
        workflow: run.workflow.to_owned(),
        version: run.version,
        input: Json(run.input),
        key: run.key,
        priority: run.priority,
        epoch: 1,
        losses: 0,
        trace: run.trace,
        traceparent: run.traceparent,
        is_child: false,
        reopened: false,
        cancel_requested: false,
        place: 0,
    }
}
