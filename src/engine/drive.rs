//! Takes one claimed run as far as it goes in this worker.
//!
//! Invariant: whatever happens in here, the run ends up finished, waiting, or due again: by a fenced
//! write, or by the lease that lapses. Not here: claiming, renewing, and when to stop.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::value::RawValue;
use tracing::Instrument;

use crate::registry::{Entry, Registry};
use crate::replay::{Journal, contradiction};
use crate::session::{Kin, Leave, Session, Signals, Surroundings};
use crate::step::panicked;
use crate::store::{self, Claimed, Lease, journal};
use crate::{Context, Error, Failure, FailureKind, LOSSES, RunState, ending, figures};

/// How often giving a run back is tried again, and the pause before.
const RELEASES: u32 = 3;
const RELEASE_PAUSE: Duration = Duration::from_millis(300);
/// How long a run waits whose journal cannot be read.
const ILLNESS: Duration = Duration::from_secs(5);

/// How a run left this worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// It is over, and this is how.
    Ended(RunState),
    /// It waits for its time.
    Waiting,
    /// It is due again, for any worker.
    Released,
    /// Its lease was lost; nothing was written.
    Lost,
    /// The database did not answer; the lease will lapse.
    Abandoned,
    /// A test let the process die.
    Crashed,
}

impl Left {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ended(state) => state.as_str(),
            Self::Waiting => "waiting",
            Self::Released => "released",
            Self::Lost => "lost",
            Self::Abandoned => "abandoned",
            Self::Crashed => "crashed",
        }
    }
}

/// Makes a span part of the trace that a `traceparent` names.
pub(crate) type Join = Arc<dyn Fn(&tracing::Span, &str) + Send + Sync>;

/// What driving needs besides the run.
pub(crate) struct Driver<P> {
    pub(crate) ports: Arc<P>,
    pub(crate) registry: Registry<P>,
    pub(crate) surroundings: Surroundings,
    /// Makes a run's span part of the trace that its `traceparent` names.
    pub(crate) join: Join,
}

/// What came of running the workflow's code.
enum Came {
    Returned(Result<Box<RawValue>, Failure>),
    Left(Leave),
}

impl<P: Send + Sync + 'static> Driver<P> {
    /// Drives `claimed` until it ends, waits, or has to be given up.
    pub(crate) async fn drive(&self, claimed: Claimed, signals: Signals) -> Left {
        let workflow = claimed.workflow.clone();
        let span = tracing::info_span!(
            "run",
            run_id = %claimed.id,
            workflow = claimed.workflow,
            version = claimed.version,
            epoch = claimed.epoch,
            trace = claimed.trace,
            left = tracing::field::Empty,
            failure = tracing::field::Empty,
        );
        if let Some(traceparent) = &claimed.traceparent {
            (self.join)(&span, traceparent);
        }
        async {
            let left = self.attempt(claimed, signals).await.unwrap_or_else(|error| {
                tracing::error!(error = &error as &dyn std::error::Error, "a run was given up");
                Left::Abandoned
            });
            tracing::debug!(?left, "a run left the worker");
            tracing::Span::current().record("left", left.as_str());
            figures::left(&workflow, left.as_str());
            left
        }
        .instrument(span)
        .await
    }

    async fn attempt(&self, claimed: Claimed, signals: Signals) -> Result<Left, Error> {
        let lease = Lease { run_id: claimed.id, epoch: claimed.epoch };
        let Some(entry) = self.registry.find(&claimed.workflow, claimed.version) else {
            // Claims name the registered kinds only.
            return Err(Error::Corrupt(format!("workflow {}", claimed.workflow)));
        };
        let input = claimed.input.0;
        let run = Claim { lease, input: &input, entry: &entry, is_child: claimed.is_child };
        if claimed.cancel_requested {
            return self.end(run, Err(None)).await;
        }
        if claimed.losses.unsigned_abs() > LOSSES {
            let failure = Failure::of(
                FailureKind::WorkerLost,
                format!("{} workers died under this run between two steps", claimed.losses),
            );
            return self.end(run, Err(Some(failure))).await;
        }
        if claimed.reopened
            && let Some(left) = self.reopen(run).await?
        {
            return Ok(left);
        }
        let entries = match claimed.epoch {
            // The first claim: there is nothing to read.
            1 => Vec::new(),
            _ => match journal::load(&self.surroundings.journal, claimed.id).await {
                Ok(entries) => entries,
                Err(error) => {
                    tracing::warn!(%error, "a journal could not be read; the run waits");
                    return self.put_off(lease).await;
                }
            },
        };
        let Claimed { key, priority, trace, traceparent, .. } = claimed;
        let kin = Kin { key, priority, trace, traceparent };
        let journal = Journal::new(entries, claimed.losses);
        let came = self.execute((run, kin), journal, signals).await;
        self.settle(run, came).await
    }

    /// Tells the application that a run goes on which had failed. An answer: it does not, for now or for good.
    async fn reopen(&self, run: Claim<'_, P>) -> Result<Option<Left>, Error> {
        match ending::reopen(&self.surroundings, run).await {
            Ok(true) => Ok(None),
            Ok(false) => Ok(Some(Left::Lost)),
            Err(failure) if failure.is_transient() => {
                tracing::warn!(%failure, "a run could not be reopened; it waits");
                self.put_off(run.lease).await.map(Some)
            }
            Err(failure) => self.end(run, Err(Some(failure))).await.map(Some),
        }
    }

    /// Runs the workflow's code until it returns or is left.
    async fn execute(
        &self,
        (run, kin): (Claim<'_, P>, Kin),
        journal: Journal,
        signals: Signals,
    ) -> Came {
        let lost = signals.lost.clone();
        let unread = journal.unread();
        let (session, leaving) = Session::new(run.lease, kin, self.surroundings.clone(), signals);
        session.unread.store(unread, std::sync::atomic::Ordering::Release);
        let session = Arc::new(session);
        let cx = Context::new(self.ports.clone(), session.clone(), journal);
        let code = match (run.entry.run)(run.input, cx) {
            Ok(code) => AssertUnwindSafe(code).catch_unwind(),
            Err(failure) => return Came::Returned(Err(failure)),
        };
        tokio::select! {
            biased;
            () = lost.cancelled() => Came::Left(Leave::Lost),
            Ok(why) = leaving => Came::Left(why),
            returned = code => {
                let returned = returned.unwrap_or_else(|panic| Err(panicked(&*panic)));
                match session.unread() {
                    0 => Came::Returned(returned),
                    unread => Came::Returned(Err(ended_early(unread, returned.err()))),
                }
            }
        }
    }

    /// Writes down what came of a run.
    async fn settle(&self, run: Claim<'_, P>, came: Came) -> Result<Left, Error> {
        match came {
            Came::Returned(Ok(output)) => self.end(run, Ok(output)).await,
            Came::Returned(Err(failure)) | Came::Left(Leave::Failed(failure)) => {
                self.end(run, Err(Some(failure))).await
            }
            Came::Left(Leave::Cancelled) => self.end(run, Err(None)).await,
            Came::Left(Leave::Suspended) => Ok(Left::Waiting),
            Came::Left(Leave::Stopping | Leave::Paused) => self.release(run.lease, 0).await,
            Came::Left(Leave::Lost) => {
                tracing::warn!("a lease was lost; the run goes on elsewhere");
                figures::lease_lost();
                Ok(Left::Lost)
            }
            Came::Left(Leave::Abandoned(error)) => Err(error.into()),
            Came::Left(Leave::Crashed) => Ok(Left::Crashed),
        }
    }

    /// Gives a run back: to the queue, or to be paused where somebody asked for that.
    pub(crate) async fn release(&self, lease: Lease, losses: i32) -> Result<Left, Error> {
        let Surroundings { journal, clock, transport, .. } = &self.surroundings;
        let mut tried = 0;
        loop {
            match store::release(journal, transport.as_ref(), lease, losses).await {
                Ok(true) => return Ok(Left::Released),
                Ok(false) => return Ok(Left::Lost),
                // Left to its lease, the run would be charged with a lost worker.
                Err(error) if tried < RELEASES => {
                    tracing::warn!(%error, "a run could not be given back, trying again");
                    tried += 1;
                    clock.sleep(RELEASE_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Lets a run wait for the database to be well again.
    async fn put_off(&self, lease: Lease) -> Result<Left, Error> {
        let Surroundings { journal, clock, .. } = &self.surroundings;
        let waits = store::postpone(journal, clock.sql_now(), lease, ILLNESS).await?;
        Ok(if waits { Left::Waiting } else { Left::Lost })
    }

    async fn end(
        &self,
        run: Claim<'_, P>,
        result: Result<Box<RawValue>, Option<Failure>>,
    ) -> Result<Left, Error> {
        let ending = match &result {
            Ok(output) => ending::Result::Succeeded(output),
            Err(Some(failure)) => {
                tracing::error!(kind = ?failure.kind(), %failure, "a run failed");
                tracing::Span::current().record("failure", tracing::field::debug(failure.kind()));
                ending::Result::Failed(failure.record())
            }
            Err(None) => ending::Result::Cancelled,
        };
        ending::end(&self.surroundings, run, ending).await
    }
}

/// Code that ended before it had asked for every recorded step; `cause` is what it ended with, if that was a failure.
fn ended_early(unread: usize, cause: Option<Failure>) -> Failure {
    let how = cause.map_or_else(String::new, |cause| format!(" with «{cause}»"));
    contradiction(format!(
        "the code ended{how} without asking for the last {unread} recorded steps"
    ))
}

/// A claimed run and its workflow.
pub(crate) struct Claim<'a, P> {
    pub(crate) lease: Lease,
    pub(crate) input: &'a RawValue,
    pub(crate) entry: &'a Entry<P>,
    pub(crate) is_child: bool,
}

impl<P> Clone for Claim<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Claim<'_, P> {}
