//! Steps that wait: for a time, for a signal.
//!
//! Invariants: when a wait began is on record before anything waits, so that no crash makes it longer; a long wait
//! holds no worker; what is waited for and the record that it came are one statement (`engine.arrive`), so that no
//! signal is lost between a look and a sleep.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::Context;
use crate::replay::{Arrival, Live};
use crate::session::Leave;
use crate::store::VALUE_BYTES;
use crate::store::journal::{self, Wait};
use crate::{Failure, Policy, Time};

/// The longest wait: the database's calendar has an end.
const EVER: Duration = Duration::from_hours(24 * 365 * 1000);

/// What a signal's step has on record.
#[derive(serde::Serialize, serde::Deserialize)]
struct Taken<T> {
    signal: T,
}

impl<P: Send + Sync + 'static> Context<P> {
    /// Waits for `duration`, counted from the first time that the run comes here: across restarts, without a worker
    /// when it is long. Never early; late by some milliseconds.
    pub async fn sleep(&mut self, name: &'static str, duration: Duration) -> Result<(), Failure> {
        let patience = self.session.surroundings.patience;
        let wait = Wait {
            at_most: Some(duration.min(EVER)),
            awaited_seq: None,
            suspend: duration > patience,
        };
        self.wait(name, "sleep", wait).await.map(drop)
    }

    /// Waits until `time`. A moment that has passed is a wait of nothing.
    pub async fn sleep_until(&mut self, name: &'static str, time: Time) -> Result<(), Failure> {
        // What is left is computed once: the step's record holds the moment.
        let left = (time - self.session.surroundings.clock.now()).to_std().unwrap_or_default();
        self.sleep(name, left).await
    }

    /// Takes the oldest signal of this name that the run has not taken yet (see [`crate::Client::signal`]), waiting for it
    /// without a worker; `None` when `timeout` passes first. Signals that came early are kept.
    ///
    /// A payload that is no `T` is a permanent failure, with the code `signal_payload`.
    pub async fn wait_for<T: DeserializeOwned>(
        &mut self,
        signal: &'static str,
        timeout: Option<Duration>,
    ) -> Result<Option<T>, Failure> {
        let at_most = timeout.map(|timeout| timeout.min(EVER));
        let wait = Wait { at_most, awaited_seq: None, suspend: true };
        let came = self.wait(signal, "signal", wait).await?;
        let taken: Option<Taken<T>> = serde_json::from_str(came.get()).map_err(|error| {
            Failure::permanent(format!("the payload of signal {signal} does not parse: {error}"))
                .code("signal_payload")
                .at_step(signal)
        })?;
        Ok(taken.map(|taken| taken.signal))
    }

    /// A step that is over when the database says so; answers what it has on record.
    pub(super) async fn wait(
        &mut self,
        name: &'static str,
        kind: &'static str,
        wait: Wait,
    ) -> Result<Box<RawValue>, Failure> {
        let live = match self.find(name, kind).await {
            Arrival::Recorded(result) => return result,
            Arrival::Live(live) => live,
        };
        // Nothing of the author's runs here that could have killed a worker.
        self.journal.losses = 0;
        loop {
            match self.look(&live, wait).await {
                Ok(Some(output)) => return Ok(output),
                Ok(None) => {}
                Err(failure) => {
                    let place = self.place(&live, live.attempts + 1);
                    self.failed(place, live, Policy::once(), failure).await?;
                }
            }
        }
    }

    /// One look: the result, or nothing after a wait in place. A wait without a worker leaves the run.
    async fn look(&self, live: &Live, wait: Wait) -> Result<Option<Box<RawValue>>, Failure> {
        let session = &self.session;
        let place = self.begin(live).await;
        let _ = session.fault(crate::fault::Side::Before, &place).await;
        let around = &session.surroundings;
        let asked = around.clock.sql_now();
        let arrived =
            session.insist(|| journal::arrive(&around.journal, asked, &place, wait)).await;
        let Some(arrived) = arrived else { session.leave(Leave::Lost).await };
        let _ = session.fault(crate::fault::Side::After, &place).await;
        session.fenced(Some(arrived.written)).await;
        match (arrived.outcome.as_str(), arrived.output) {
            (_, Some(output)) => Ok(Some(output.0)),
            ("too_large", None) => Err(too_large()),
            ("suspended", None) => session.leave(Leave::Suspended).await,
            _ => {
                let micros = arrived.wake_micros.and_then(|micros| u64::try_from(micros).ok());
                let left = micros.map_or(around.patience, Duration::from_micros);
                self.rest(asked, left).await;
                Ok(None)
            }
        }
    }

    /// Waits in place from when the database was asked ([`crate::Clock::sql_now`]), until somebody wants something of the run.
    pub(super) async fn rest(&self, asked: Option<Time>, duration: Duration) {
        let signals = &self.session.signals;
        tokio::select! {
            () = self.session.surroundings.clock.sleep_since(asked, duration) => {}
            () = signals.cancel.cancelled() => {}
            () = signals.pause.cancelled() => {}
            () = signals.stopping.cancelled() => {}
        }
    }
}

/// The failure of a join whose children left more behind than a step may hold.
fn too_large() -> Failure {
    Failure::permanent(format!(
        "the outputs of the children have more than {VALUE_BYTES} bytes of JSON together: keep large data in storage and \
         let children answer its key"
    ))
    .code("result_too_large")
}
