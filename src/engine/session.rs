//! One claimed run in one worker: who it is, what it may write to, and how its future is left.
//!
//! Invariant: a run's future is only ever left through [`Session::leave`] or by returning. `leave`
//! records why and then never resolves, and the driver drops the future; so no author's code can
//! swallow a suspension, a cancellation or a lost lease, or go on after one.

use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::fault::{Fault, Faults, Point, Side};
use crate::queue::Transport;
use crate::store::Lease;
use crate::store::journal::{self, Place, Written};
use crate::store::writer::Writer;
use crate::{Clock, Failure, Time};

/// Least time between two writes of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);
/// How often a write is tried while the database does not answer, and the pause between.
const WRITE_ATTEMPTS: u32 = 5;
const WRITE_PAUSE: Duration = Duration::from_millis(300);

/// Why a run's future was left before it returned.
#[derive(Debug)]
pub(crate) enum Leave {
    /// The run waits, in the database; nothing is left to write.
    Suspended,
    /// The worker stops: the run goes back to the queue.
    Stopping,
    /// Another worker has the run, or may have it: nothing may be written.
    Lost,
    /// Somebody asked to cancel.
    Cancelled,
    /// Somebody asked to pause.
    Paused,
    /// The run fails here, whatever its code would make of it: the journal contradicts the code, or the database refuses what
    /// is to be recorded.
    Failed(Failure),
    /// The database did not answer; the lease will lapse, and the journal tells what was written.
    Abandoned(sqlx::Error),
    /// A test let the process die here.
    Crashed,
}

/// The signals a run listens to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals {
    /// Somebody asked to cancel this run.
    pub(crate) cancel: CancellationToken,
    /// Somebody asked to pause this run.
    pub(crate) pause: CancellationToken,
    /// A step that may run at most once is in flight: giving the run back costs that step its attempt.
    pub(crate) unrepeatable: Arc<AtomicBool>,
    /// This run's lease is lost.
    pub(crate) lost: CancellationToken,
    /// The worker stops.
    pub(crate) stopping: CancellationToken,
}

/// What a run hands down to those that it starts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kin {
    pub(crate) key: String,
    pub(crate) priority: i32,
    pub(crate) trace: Option<String>,
    pub(crate) traceparent: Option<String>,
}

/// What a run shares with its worker.
#[derive(Clone)]
pub(crate) struct Surroundings {
    /// The application's: what transactional steps work on.
    pub(crate) pool: PgPool,
    /// The engine's own, for the journal: an application that uses up its pool does not cost a step its result.
    pub(crate) journal: PgPool,
    /// Where results of steps and successes of runs are handed in.
    pub(crate) writer: Writer,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Clock,
    /// Longer waits suspend the run.
    pub(crate) patience: Duration,
    pub(crate) faults: Option<Faults>,
}

/// A claimed run.
pub(crate) struct Session {
    pub(crate) lease: Lease,
    pub(crate) kin: Kin,
    pub(crate) surroundings: Surroundings,
    pub(crate) signals: Signals,
    /// Journal entries that the code has not yet asked for.
    pub(crate) unread: AtomicUsize,
    left: Mutex<Option<oneshot::Sender<Leave>>>,
    progress: Mutex<Option<(String, Time)>>,
}

impl Session {
    pub(crate) fn new(
        lease: Lease,
        kin: Kin,
        surroundings: Surroundings,
        signals: Signals,
    ) -> (Self, oneshot::Receiver<Leave>) {
        let (left, leaving) = oneshot::channel();
        let session = Self {
            lease,
            kin,
            surroundings,
            signals,
            unread: AtomicUsize::new(0),
            left: Mutex::new(Some(left)),
            progress: Mutex::new(None),
        };
        (session, leaving)
    }

    /// Leaves the run's future here and for good.
    pub(crate) async fn leave(&self, why: Leave) -> ! {
        let left = self.left.lock().expect("nothing panics while it holds this lock").take();
        if let Some(left) = left {
            // The driver holds the receiver for as long as this future lives.
            let _ = left.send(why);
        }
        pending().await
    }

    /// Leaves when somebody asked to cancel.
    pub(crate) async fn stop_if_cancelled(&self) {
        if self.signals.cancel.is_cancelled() {
            self.leave(Leave::Cancelled).await;
        }
    }

    /// The boundary of a step: the place where a run ends or stops on request.
    pub(crate) async fn boundary(&self) {
        self.stop_if_cancelled().await;
        if self.signals.pause.is_cancelled() {
            self.leave(Leave::Paused).await;
        }
        if self.signals.stopping.is_cancelled() {
            self.leave(Leave::Stopping).await;
        }
    }

    /// Takes the answer to a fenced write: goes on, or leaves because the lease is lost.
    pub(crate) async fn fenced(&self, answer: Option<Written>) {
        let Some(Written { cancel_requested, pause_requested }) = answer else {
            self.leave(Leave::Lost).await
        };
        if cancel_requested {
            self.signals.cancel.cancel();
        }
        if pause_requested {
            self.signals.pause.cancel();
        }
    }

    /// Makes a fenced write outlive a short outage; leaves when the database stays away.
    pub(crate) async fn persist<F, Fut>(&self, write: F)
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = sqlx::Result<Option<Written>>>,
    {
        let answer = self.insist(write).await;
        self.fenced(answer).await;
    }

    /// Asks the database until it answers; leaves when it stays away.
    pub(crate) async fn insist<F, Fut, T>(&self, mut ask: F) -> T
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = sqlx::Result<T>>,
    {
        let mut tried = 1;
        loop {
            match ask().await {
                Ok(answer) => return answer,
                Err(error) if is_about_the_data(&error) => {
                    let failure = Failure::permanent(error).code("refused_by_database");
                    self.leave(Leave::Failed(failure)).await;
                }
                Err(error) if tried >= WRITE_ATTEMPTS => self.leave(Leave::Abandoned(error)).await,
                Err(error) => {
                    tracing::warn!(%error, tried, "the journal did not answer, trying again");
                    self.surroundings.clock.sleep(WRITE_PAUSE * tried).await;
                    tried += 1;
                }
            }
        }
    }

    /// Writes progress, unless it did so a moment ago. Progress is for those who watch: a write that does not
    /// succeed is no failure of the work.
    pub(crate) async fn progress(&self, step: &str, done: i64, total: i64) {
        if !self.progress_due(step, done == total) {
            return;
        }
        let step = step.replace('\0', "\u{fffd}");
        let pool = &self.surroundings.journal;
        match journal::progress(pool, self.lease, &step, done, total).await {
            Ok(answer) => self.fenced(answer).await,
            Err(error) => tracing::warn!(%error, "progress was not written"),
        }
    }

    fn progress_due(&self, step: &str, complete: bool) -> bool {
        let now = self.surroundings.clock.now();
        let mut last = self.progress.lock().expect("nothing panics while it holds this lock");
        let due = complete
            || !last.as_ref().is_some_and(|(shown, at)| {
                shown == step && (now - *at).to_std().is_ok_and(|age| age < PROGRESS_INTERVAL)
            });
        if due {
            *last = Some((step.to_owned(), now));
        }
        due
    }

    /// Asks what a test has in store for this point.
    pub(crate) async fn fault(&self, side: Side, place: &Place) -> Fault {
        let Some(faults) = &self.surroundings.faults else {
            return Fault::Proceed;
        };
        let fault = faults(Point {
            side,
            step: place.name,
            occurrence: place.occurrence,
            attempt: place.attempt,
            epoch: place.lease.epoch,
        })
        .await;
        if let Fault::Crash = fault {
            self.leave(Leave::Crashed).await;
        }
        fault
    }

    pub(crate) fn unread(&self) -> usize {
        self.unread.load(Ordering::Acquire)
    }
}

/// Whether the database said no to what was written, so that it would say so each time: a wrong value (class 22), a broken
/// constraint (class 23).
fn is_about_the_data(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}
