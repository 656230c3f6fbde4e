//! The leases that a worker holds, and the task that renews them.
//!
//! Invariants: renewal has a thread and a connection of its own, so neither steps that keep every thread of the
//! runtime busy nor an exhausted pool stop it; a lease that could not be renewed in time counts as lost here
//! before another worker may claim the run; losing one drops the run's future. Safety does not depend on any
//! of this (every write is fenced), only peace does.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::Clock;
use crate::session::Signals;
use crate::store::{self, Lease};

/// The runs that a worker drives at the moment.
#[derive(Debug, Default)]
pub(crate) struct Held(Mutex<HashMap<Lease, Holding>>);

#[derive(Debug)]
struct Holding {
    signals: Signals,
    /// The lease runs from this moment (of [`Clock::monotonic`]) at least.
    renewed_at: Duration,
}

/// Forgets a run when it leaves the worker, also by a panic.
pub(crate) struct Hold {
    held: Arc<Held>,
    lease: Lease,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.held.lock().remove(&self.lease);
    }
}

impl Held {
    /// Notes a run, claimed no earlier than `claimed_at`.
    pub(crate) fn add(
        self: &Arc<Self>,
        lease: Lease,
        signals: Signals,
        claimed_at: Duration,
    ) -> Hold {
        self.lock().insert(lease, Holding { signals, renewed_at: claimed_at });
        Hold { held: self.clone(), lease }
    }

    pub(crate) fn leases(&self) -> Vec<Lease> {
        self.lock().keys().copied().collect()
    }

    /// Passes on a request to cancel.
    pub(crate) fn cancel(&self, run_id: uuid::Uuid) {
        for (lease, holding) in self.lock().iter() {
            if lease.run_id == run_id {
                holding.signals.cancel.cancel();
            }
        }
    }

    /// Takes in an answer to a renewal of `asked` that was sent at `sent_at`.
    fn renewed(&self, asked: &[Lease], answer: &[store::Renewed], sent_at: Duration) {
        let answer: HashMap<_, _> = answer.iter().map(|one| ((one.id, one.epoch), one)).collect();
        let mut held = self.lock();
        for lease in asked {
            let Some(holding) = held.get_mut(lease) else { continue };
            match answer.get(&(lease.run_id, lease.epoch)) {
                None => holding.signals.lost.cancel(),
                Some(renewed) => {
                    if renewed.extended {
                        holding.renewed_at = sent_at;
                    }
                    if renewed.cancel_requested {
                        holding.signals.cancel.cancel();
                    }
                }
            }
        }
    }

    /// Whether some lease was renewed no later than `length` ago.
    fn is_any_older(&self, now: Duration, length: Duration) -> bool {
        self.lock().values().any(|holding| now.saturating_sub(holding.renewed_at) >= length)
    }

    /// The leases, and for each whether a step is in flight that must not be repeated.
    pub(crate) fn unfinished(&self) -> Vec<(Lease, bool)> {
        let unrepeatable = |holding: &Holding| holding.signals.unrepeatable.load(Ordering::Acquire);
        self.lock().iter().map(|(lease, holding)| (*lease, unrepeatable(holding))).collect()
    }

    /// Gives up the leases that have not been renewed for `length`.
    fn give_up_lapsed(&self, now: Duration, length: Duration) {
        for holding in self.lock().values() {
            if now.saturating_sub(holding.renewed_at) >= length {
                holding.signals.lost.cancel();
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Lease, Holding>> {
        self.0.lock().expect("nothing panics while it holds this lock")
    }
}

/// Renews held leases on a thread of its own, until it is dropped.
pub(crate) struct Renewal {
    _stop: DropGuard,
}

impl Renewal {
    pub(crate) fn start(
        connection: PgConnectOptions,
        clock: Clock,
        held: Arc<Held>,
        length: Duration,
    ) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let renewer = Renewer { connection, clock, held, length };
        std::thread::Builder::new().name("engine-leases".to_owned()).spawn(move || {
            runtime.block_on(stopped.run_until_cancelled(renewer.run()));
        })?;
        Ok(Self { _stop: stop.drop_guard() })
    }
}

struct Renewer {
    connection: PgConnectOptions,
    clock: Clock,
    held: Arc<Held>,
    length: Duration,
}

impl Renewer {
    /// Looks ten times per lease, renews at a third of it, and gives a lease up after three quarters: a renewal
    /// that hangs takes a fifth, so that happens before the lease is over.
    async fn run(self) {
        let mut conn = None;
        loop {
            self.clock.sleep(self.length / 10).await;
            let sent_at = self.clock.monotonic();
            self.held.give_up_lapsed(sent_at, self.length * 3 / 4);
            if !self.held.is_any_older(sent_at, self.length / 3) {
                continue;
            }
            let asked = self.held.leases();
            match tokio::time::timeout(self.length / 5, self.renew(&mut conn, &asked)).await {
                Ok(Ok(answer)) => {
                    self.held.renewed(&asked, &answer, sent_at);
                    continue;
                }
                Ok(Err(error)) => tracing::warn!(%error, "leases could not be renewed"),
                Err(_) => tracing::warn!("the database did not answer a renewal of leases in time"),
            }
            conn = None;
            self.held.give_up_lapsed(self.clock.monotonic(), self.length * 3 / 4);
        }
    }

    async fn renew(
        &self,
        conn: &mut Option<PgConnection>,
        asked: &[Lease],
    ) -> sqlx::Result<Vec<store::Renewed>> {
        if conn.is_none() {
            *conn = Some(PgConnection::connect_with(&self.connection).await?);
        }
        let conn = conn.as_mut().expect("it was opened above");
        store::renew(conn, self.clock.sql_now(), self.length, asked).await
    }
}
