//! The context of a workflow: steps, and what they are made of.
//!
//! Invariants: a step that has a checkpoint never runs again; the write that records a result is the
//! write that checks the lease; a live step is reached only when every recorded one has been read
//! back. Steps are found by name and occurrence, never by index. One attempt is [`attempt`]'s business.

mod attempt;
mod family;
mod wait;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use crate::replay::{Arrival, Journal, Live, Patch};
use crate::session::{Leave, Session};
use crate::step::StepContext;
use crate::store::journal::{self, After, Losses, Place};
use crate::store::{Lease, VALUE_BYTES};
use crate::{DEFAULT, Error, Failure, FailureKind, Policy, Time, figures};
use attempt::Unrepeatable;
pub use family::{Child, Children};

/// What a workflow does its work through.
pub struct Context<P> {
    ports: Arc<P>,
    session: Arc<Session>,
    journal: Journal,
    /// Random numbers given out.
    drawn: u64,
}

impl<P: Send + Sync + 'static> Context<P> {
    pub(crate) fn new(ports: Arc<P>, session: Arc<Session>, journal: Journal) -> Self {
        Self { ports, session, journal, drawn: 0 }
    }

    /// Runs a named step and records its result; when it is on record already, answers that.
    ///
    /// The body runs at least once: a crash between its effect and its checkpoint repeats it. It is
    /// called once per attempt. Results are JSON of at most 256 KiB; keep more in storage and return
    /// its key. `name` is data in the database; the same name used again in a run (a loop) is told
    /// apart by its occurrence.
    pub async fn step<T, F, Fut>(
        &mut self,
        name: &'static str,
        policy: Policy,
        mut body: F,
    ) -> Result<T, Failure>
    where
        T: Serialize + DeserializeOwned + Send,
        F: FnMut(StepContext<P>) -> Fut + Send,
        Fut: Future<Output = Result<T, Failure>> + Send,
    {
        let mut live = match self.arrive(name, "step", policy).await {
            Arrival::Recorded(result) => return result,
            Arrival::Live(live) => live,
        };
        let step = span(&live);
        loop {
            let place = self.begin(&live).await;
            let _guard = Unrepeatable::mark(&self.session, policy);
            let span = attempt_span(&step, &place);
            let result = self.attempt(&place, policy, &mut body).instrument(span.clone()).await;
            self.measure(&place, &span, result.as_ref().err());
            match result {
                Ok((value, output)) => {
                    self.record(self.ended(place), output).await;
                    return Ok(value);
                }
                Err(failure) => {
                    live = self.failed(self.ended(place), live, policy, failure).await?;
                }
            }
        }
    }

    /// Runs a named step inside a transaction that commits together with the record of its result:
    /// its writes to this database happen exactly once.
    ///
    /// The body must not commit. It is called once per attempt, each in a transaction of its own.
    pub async fn step_tx<T, F>(
        &mut self,
        name: &'static str,
        policy: Policy,
        mut body: F,
    ) -> Result<T, Failure>
    where
        T: Serialize + DeserializeOwned + Send,
        F: for<'c> FnMut(&'c mut PgConnection, StepContext<P>) -> BoxFuture<'c, Result<T, Failure>>
            + Send,
    {
        self.transact(name, "step_tx", policy, &mut body).await
    }

    /// Runs a step of some kind in a transaction.
    async fn transact<T, F>(
        &mut self,
        name: &'static str,
        kind: &'static str,
        policy: Policy,
        body: &mut F,
    ) -> Result<T, Failure>
    where
        T: Serialize + DeserializeOwned + Send,
        F: for<'c> FnMut(&'c mut PgConnection, StepContext<P>) -> BoxFuture<'c, Result<T, Failure>>
            + Send,
    {
        let mut live = match self.arrive(name, kind, policy).await {
            Arrival::Recorded(result) => return result,
            Arrival::Live(live) => live,
        };
        let step = span(&live);
        loop {
            let place = self.begin(&live).await;
            let _guard = Unrepeatable::mark(&self.session, policy);
            let span = attempt_span(&step, &place);
            let result = self.attempt_tx(&place, policy, body).instrument(span.clone()).await;
            self.measure(&place, &span, result.as_ref().err());
            match result {
                Ok(value) => return Ok(value),
                Err(failure) => {
                    live = self.failed(self.ended(place), live, policy, failure).await?;
                }
            }
        }
    }

    /// Shows how far the run is: `done` of `total` (0 = not known). Inside a step use
    /// [`StepContext::progress`].
    ///
    /// While recorded steps are read back nothing is written, so that progress does not run backwards.
    pub async fn progress(&mut self, step: &str, done: i64, total: i64) {
        if self.journal.unread() == 0 {
            self.session.progress(step, done, total).await;
        }
    }

    /// The time, the same on every replay: it is recorded like a step's result.
    pub async fn now(&mut self) -> Result<Time, Failure> {
        self.step("engine.now", DEFAULT, |step| async move { Ok(step.now()) }).await
    }

    /// A number that is the same on every replay: the first one of the run, then the second … Not a secret: it is made
    /// from the run's id.
    pub fn random(&mut self) -> u64 {
        self.drawn += 1;
        let name = format!("random {}", self.drawn);
        let id = Uuid::new_v5(&self.session.lease.run_id, name.as_bytes());
        let (high, low) = id.as_u64_pair();
        // Six bits of an id are fixed (RFC 9562, section 5.5); the other half has what they lack.
        high ^ low.rotate_left(32)
    }

    /// Whether the run is to go the new way at a change of its code: true for runs that had not come this far when the
    /// change was deployed, false for those that had. The answer is recorded under `name` and never changes in a run.
    ///
    /// ```ignore
    /// if cx.patched("invoice-by-mail").await? { … } else { … }
    /// ```
    ///
    /// When no run of the older code is left, the question can be taken out; entries that nobody asks for are passed over.
    pub async fn patched(&mut self, name: &'static str) -> Result<bool, Failure> {
        match self.journal.patch(name) {
            Patch::Known(way) => Ok(way),
            Patch::Fresh(live) => {
                self.session.boundary().await;
                let place = self.place(&live, 1);
                self.record(place, small_json("a patch", &true)?).await;
                Ok(true)
            }
        }
    }

    /// Fires when somebody asks to cancel the run. The run ends before its next step in any case.
    pub fn cancelled(&self) -> CancellationToken {
        self.session.signals.cancel.clone()
    }

    /// The run.
    pub fn run_id(&self) -> Uuid {
        self.session.lease.run_id
    }

    /// The claim that the run is executed under.
    pub fn epoch(&self) -> i64 {
        self.session.lease.epoch
    }

    /// Records a step's result, together with those of other runs.
    async fn record(&self, place: Place, output: Box<RawValue>) {
        let writer = &self.session.surroundings.writer;
        self.session.persist(|| writer.checkpoint(place, output.clone())).await;
    }

    /// Reads the step back, or gets it ready to run.
    async fn arrive<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        kind: &'static str,
        policy: Policy,
    ) -> Arrival<T> {
        let live = match self.find(name, kind).await {
            Arrival::Recorded(result) => return Arrival::Recorded(result),
            Arrival::Live(live) => live,
        };
        match self.charge_losses(live, policy).await {
            Ok(live) => Arrival::Live(live),
            Err(failure) => Arrival::Recorded(Err(failure)),
        }
    }

    /// Reads the step back, or learns that there is nothing to read.
    async fn find<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        kind: &'static str,
    ) -> Arrival<T> {
        let arrival = self.journal.arrive(name, kind);
        self.session.unread.store(self.journal.unread(), Ordering::Release);
        match arrival {
            Err(contradiction) => self.session.leave(Leave::Failed(contradiction)).await,
            Ok(arrival) => arrival,
        }
    }

    /// Counts the workers that died since the last write as attempts of this step.
    async fn charge_losses(&mut self, live: Live, policy: Policy) -> Result<Live, Failure> {
        let recent = std::mem::take(&mut self.journal.losses);
        if recent == 0 {
            return Ok(live);
        }
        let live = live.lost(recent);
        let exhausted = live.losses.unsigned_abs() > policy.losses();
        let losses = Losses { recent, total: live.losses, exhausted };
        let now = self.session.surroundings.clock.now();
        let place = &Place { started_at: now, ended_at: now, ..self.place(&live, live.attempts) };
        let session = &self.session;
        session
            .persist(|| async {
                let mut conn = session.surroundings.journal.acquire().await?;
                journal::lost(&mut conn, place, losses).await
            })
            .await;
        if exhausted {
            return Err(Failure::of(
                FailureKind::WorkerLost,
                format!("{} workers died under this step", live.losses),
            )
            .at_step(live.name));
        }
        Ok(live)
    }

    /// Opens the next attempt of a live step.
    async fn begin(&self, live: &Live) -> Place {
        self.session.boundary().await;
        self.place(live, live.attempts + 1)
    }

    fn place(&self, live: &Live, attempt: i32) -> Place {
        let now = self.session.surroundings.clock.now();
        Place {
            lease: Lease { ..self.session.lease },
            name: live.name,
            occurrence: live.occurrence,
            seq: live.seq,
            kind: live.kind,
            attempt,
            started_at: now,
            ended_at: now,
        }
    }

    fn ended(&self, place: Place) -> Place {
        Place { ended_at: self.session.surroundings.clock.now(), ..place }
    }

    fn measure(&self, place: &Place, span: &tracing::Span, failure: Option<&Failure>) {
        let took = self.session.surroundings.clock.now() - place.started_at;
        let outcome = if failure.is_none() { "succeeded" } else { "failed" };
        span.record("outcome", outcome);
        if let Some(failure) = failure {
            span.record("failure", tracing::field::debug(failure.kind()));
        }
        figures::attempt(place.name, outcome, took.to_std().unwrap_or_default());
    }

    fn step_context(&self, place: &Place) -> StepContext<P> {
        StepContext {
            ports: self.ports.clone(),
            session: self.session.clone(),
            attempt: place.attempt.unsigned_abs(),
        }
    }

    /// Records a failed attempt; answers what to try next, or the failure if it is final.
    async fn failed(
        &self,
        place: Place,
        live: Live,
        policy: Policy,
        failure: Failure,
    ) -> Result<Live, Failure> {
        let failure = failure.at_step(place.name);
        let session = &self.session;
        session.stop_if_cancelled().await;
        let live = live.failed();
        let own = (live.attempts - live.losses).unsigned_abs();
        let delay = policy.delay(own, rand::random());
        let after = match failure.is_transient() && own < policy.attempts {
            false => After::Failed,
            true if delay > session.surroundings.patience => After::Wait(delay),
            true => After::Retry,
        };
        tracing::warn!(
            step = place.name, attempt = place.attempt, kind = ?failure.kind(), %failure, ?after,
            "an attempt failed"
        );
        let record = &failure.record();
        let asked = session.surroundings.clock.sql_now();
        session
            .persist(|| async {
                let mut conn = session.surroundings.journal.acquire().await?;
                journal::failed(&mut conn, asked, &place, record, after).await
            })
            .await;
        if let After::Wait(_) = after {
            session.leave(Leave::Suspended).await;
        }
        // The answer may have brought a request to cancel: what fails because of it is no failure of the run.
        session.stop_if_cancelled().await;
        match after {
            After::Failed | After::Wait(_) => Err(failure),
            After::Retry => {
                figures::retry(place.name);
                self.rest(asked, delay).await;
                Ok(live)
            }
        }
    }
}

/// The span of a step, around all the attempts that this worker makes at it.
fn span(live: &Live) -> tracing::Span {
    tracing::info_span!("step", step = live.name, occurrence = live.occurrence)
}

fn attempt_span(step: &tracing::Span, place: &Place) -> tracing::Span {
    let (outcome, failure) = (tracing::field::Empty, tracing::field::Empty);
    tracing::info_span!(parent: step, "attempt", attempt = place.attempt, outcome, failure)
}

/// `value` as JSON, if it fits where it is stored.
pub(crate) fn small_json(
    what: &'static str,
    value: &impl Serialize,
) -> Result<Box<RawValue>, Failure> {
    let json = serde_json::value::to_raw_value(value)
        .map_err(|error| Failure::permanent(Error::Json(error)).code("result_not_json"))?;
    let bytes = json.get().len();
    if bytes > VALUE_BYTES {
        let error = Error::TooLarge { what, bytes, limit: VALUE_BYTES };
        return Err(Failure::permanent(error).code("result_too_large"));
    }
    Ok(json)
}
