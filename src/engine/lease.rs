//! The leases that a worker holds, and the task that renews them.
//!
//! Invariants: renewal has a task and connections of its own, so neither a busy step nor an exhausted
//! pool stops it; a lease that could not be renewed in time counts as lost here before another worker
//! may claim the run; losing one drops the run's future. Safety does not depend on any of this (every
//! write is fenced), only peace does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::PgPool;

use crate::session::Signals;
use crate::store::{self, Lease};
use crate::{Clock, Time};

/// The runs that a worker drives at the moment.
#[derive(Debug, Default)]
pub(crate) struct Held(Mutex<HashMap<Lease, Holding>>);

#[derive(Debug)]
struct Holding {
    signals: Signals,
    /// The lease runs from this moment at least.
    renewed_at: Time,
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
    pub(crate) fn add(self: &Arc<Self>, lease: Lease, signals: Signals, claimed_at: Time) -> Hold {
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
    fn renewed(&self, asked: &[Lease], answer: &[store::Renewed], sent_at: Time) {
        let mut held = self.lock();
        for lease in asked {
            let Some(holding) = held.get_mut(lease) else { continue };
            match answer.iter().find(|renewed| renewed.id == lease.run_id) {
                None => holding.signals.lost.cancel(),
                Some(renewed) => {
                    holding.renewed_at = sent_at;
                    if renewed.cancel_requested {
                        holding.signals.cancel.cancel();
                    }
                }
            }
        }
    }

    /// Gives up the leases that have not been renewed for `length`.
    fn give_up_lapsed(&self, now: Time, length: Duration) {
        for holding in self.lock().values() {
            if (now - holding.renewed_at).to_std().is_ok_and(|age| age >= length) {
                holding.signals.lost.cancel();
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Lease, Holding>> {
        self.0.lock().expect("nothing panics while it holds this lock")
    }
}

/// Renews the held leases at a third of their length, for ever.
pub(crate) async fn renew_forever(pool: PgPool, clock: Clock, held: Arc<Held>, length: Duration) {
    loop {
        clock.sleep(length / 3).await;
        let asked = held.leases();
        if asked.is_empty() {
            continue;
        }
        let sent_at = clock.now();
        let renewal = store::renew(&pool, clock.sql_now(), length, &asked);
        match tokio::time::timeout(length / 3, renewal).await {
            Ok(Ok(answer)) => held.renewed(&asked, &answer, sent_at),
            Ok(Err(error)) => tracing::warn!(%error, "leases could not be renewed"),
            Err(_) => tracing::warn!("the database did not answer a renewal of leases in time"),
        }
        held.give_up_lapsed(clock.now(), length);
    }
}
