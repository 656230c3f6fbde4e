//! Taking runs up: by claims, and from those who start them in this process.
//!
//! Invariants: no more runs than there are slots, and each has its slot before it has its lease; whose turn it was last is
//! remembered, so that keys and workflows go round.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Dispatcher;
use crate::drive::Left;
use crate::kept::Kept;
use crate::local::{Handed, Inside};
use crate::presence::Presence;
use crate::session::Signals;
use crate::store::{self, Claimant, Lease};

/// Whose turn it was last.
#[derive(Default)]
pub(crate) struct Served {
    /// Per workflow, the key.
    keys: HashMap<String, String>,
    /// The workflow and the version.
    kind: (String, i32),
}

impl<P: Send + Sync + 'static> Dispatcher<P> {
    /// Claims due runs for the free slots and starts driving them. True: more may be due.
    pub(super) async fn claim(
        &self,
        runs: &mut JoinSet<Left>,
        stopping: &CancellationToken,
    ) -> bool {
        loop {
            // Runs are given back at once while the worker stops: claiming on would take them up again for ever.
            if stopping.is_cancelled() {
                return false;
            }
            let free = self.slots.available_permits();
            // Taken first: somebody may start a run here meanwhile.
            let Ok(mut slots) = self.slots.clone().try_acquire_many_owned(permits(free)) else {
                continue;
            };
            if free == 0 {
                return true;
            }
            let clock = self.clock();
            let claimed_at = clock.monotonic();
            let claimed = match self.claim_at_most(free).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    tracing::warn!(%error, "no run could be claimed");
                    return true;
                }
            };
            if claimed.is_empty() {
                return false;
            }
            for run in claimed {
                let slot = slots.split(1).expect("as many are claimed as there are slots");
                let signals = Signals { stopping: stopping.clone(), ..Signals::default() };
                let lease = Lease { run_id: run.id, epoch: run.epoch };
                let hold = self.held.add(lease, signals.clone(), claimed_at);
                self.spawn(runs, Handed { run, signals, hold, slot });
            }
        }
    }

    /// Starts driving a run.
    pub(super) fn spawn(
        &self,
        runs: &mut JoinSet<Left>,
        Handed { run, signals, hold, slot }: Handed,
    ) {
        let (is_child, driver, nudge) = (run.is_child, self.driver.clone(), self.nudge.clone());
        runs.spawn(async move {
            let left = driver.drive(run, signals).await;
            drop((hold, slot));
            if is_child && matches!(left, Left::Ended(_)) {
                // A sibling has its turn, perhaps, or the parent goes on.
                nudge.notify_one();
            }
            left
        });
    }

    /// Lets runs in that are started in this process.
    pub(super) fn open_door(&self, stopping: &CancellationToken) -> UnboundedReceiver<Handed> {
        let (sender, handed) = tokio::sync::mpsc::unbounded_channel();
        self.door.open(Arc::new(Inside {
            kinds: self.kinds.clone(),
            slots: self.slots.clone(),
            busy: self.busy.clone(),
            owner: self.presence.id.clone(),
            lease: self.presence.lease,
            held: self.held.clone(),
            stopping: stopping.clone(),
            clock: self.clock(),
            starts: Kept::new(&self.control),
            surroundings: self.driver.surroundings.clone(),
            handed: sender,
        }));
        handed
    }

    /// Lets no more of them in; those that are, are given back at their first step.
    pub(super) async fn close_door(
        &self,
        mut handed: UnboundedReceiver<Handed>,
        runs: &mut JoinSet<Left>,
    ) {
        self.door.close();
        handed.close();
        while let Some(run) = handed.recv().await {
            self.spawn(runs, run);
        }
    }

    /// Claims, and remembers whose turn it was.
    async fn claim_at_most(&self, free: usize) -> sqlx::Result<Vec<store::Claimed>> {
        let (cursors, last): (Vec<String>, _) = {
            let served = self.served();
            let cursor = |name| served.keys.get(name).cloned().unwrap_or_default();
            (self.kinds.names.iter().map(cursor).collect(), served.kind.clone())
        };
        let Presence { id, lease, .. } = &self.presence;
        let claimant =
            Claimant { owner: id, lease: *lease, cursors: &cursors, last: (&last.0, last.1) };
        let now = self.clock().sql_now();
        let mut conn = self.claims.take().await?;
        let mut claimed = store::claim(&mut *conn, now, &self.kinds, claimant, free).await?;
        conn.give_back();
        claimed.sort_by_key(|run| run.place);
        let mut served = self.served();
        for run in &claimed {
            served.keys.insert(run.workflow.clone(), run.key.clone());
            served.kind = (run.workflow.clone(), run.version);
        }
        Ok(claimed)
    }

    fn served(&self) -> MutexGuard<'_, Served> {
        self.served.lock().expect("nothing panics while it holds this lock")
    }
}

/// So many permits of a semaphore.
fn permits(slots: usize) -> u32 {
    u32::try_from(slots).unwrap_or(u32::MAX)
}
