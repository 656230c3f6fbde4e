//! Drives single runs by hand: claim, drive, move the clock to what the run waits for, again.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use uuid::Uuid;

use super::exercise::Harness;
use super::{Deaf, Known, VirtualClock};
use crate::drive::{Driver, Left};
use crate::fault::Faults;
use crate::kept::Kept;
use crate::queue::Transport;
use crate::registry::Registry;
use crate::session::{Signals, Surroundings};
use crate::store::writer::{Database, Writer};
use crate::store::{self, Claimant, Claimed};
use crate::{Client, Clock, End, Outcome, RunState, RunView, WaitingFor, Workflow};

/// The lease of a simulated worker.
const LEASE: Duration = Duration::from_secs(10);
/// More claims than any scenario needs; a run that takes them all makes no headway.
const CLAIMS: usize = 50;

/// A database, a clock and a workflow to drive on them.
pub(super) struct Bench<'h, H> {
    pub(super) harness: &'h H,
    pub(super) pool: PgPool,
    pub(super) clock: VirtualClock,
    pub(super) client: Client,
}

impl<'h, H: Harness> Bench<'h, H> {
    pub(super) fn new(harness: &'h H, pool: &PgPool, clock: &VirtualClock) -> Self {
        let client = Client::new(pool.clone()).with_clock(clock.clone().into());
        Self { harness, pool: pool.clone(), clock: clock.clone(), client }
    }

    fn driver(&self, faults: Option<Faults>) -> Driver<<H::Workflow as Workflow>::Ports> {
        let mut known = Known(Registry::new());
        known.add::<H::Workflow>();
        self.harness.register(&mut known);
        let transport: Arc<dyn Transport> = Arc::new(Deaf);
        let clock = Clock::from(self.clock.clone());
        Driver {
            ports: self.harness.ports(),
            registry: known.0,
            join: Arc::new(|_, _| {}),
            surroundings: Surroundings {
                pool: self.pool.clone(),
                journal: self.pool.clone(),
                writer: Writer::start(
                    &self.pool,
                    Database {
                        alone: Kept::new(&self.pool),
                        transport: transport.clone(),
                        clock: clock.clone(),
                    },
                ),
                transport,
                clock,
                // Every wait suspends the run, so that this bench can see it and move the clock.
                patience: Duration::ZERO,
                faults,
            },
        }
    }

    /// Claims the run, if it is due.
    pub(super) async fn claim(&self, run_id: Uuid) -> Option<Claimed> {
        let mut found = None;
        for claimed in self.claim_any(usize::MAX).await {
            if claimed.id == run_id {
                found = Some(claimed);
            } else {
                // A child.
                self.drive(claimed, None, Signals::default()).await;
            }
        }
        found
    }

    /// Drives the run, claim after claim, until `is_reached` or its end.
    pub(super) async fn drive_until(
        &self,
        run_id: Uuid,
        (faults, signals): (Faults, Signals),
        is_reached: impl Fn() -> bool,
    ) -> Left {
        for _ in 0..CLAIMS {
            if let Some(claimed) = self.claim(run_id).await {
                let left = self.drive(claimed, Some(faults.clone()), signals.clone()).await;
                if is_reached() || matches!(left, Left::Ended(_)) {
                    return left;
                }
            }
            let run = self.find(run_id).await;
            if run.state == RunState::Waiting {
                self.wake(&run).await;
            }
        }
        panic!("run {run_id} does not come to the point: {:?}", self.find(run_id).await);
    }

    async fn claim_any(&self, most: usize) -> Vec<Claimed> {
        let kinds = self.driver(None).registry.kinds();
        let now = Some(self.clock.now());
        store::sweep(&self.pool, now, &kinds, &[]).await.expect("a sweep");
        let cursors = vec![String::new(); kinds.names.len()];
        let claimant =
            Claimant { owner: "exercise", lease: LEASE, cursors: &cursors, last: ("", 0) };
        store::claim(&self.pool, now, &kinds, claimant, most).await.expect("a claim")
    }

    /// Drives a claimed run once.
    pub(super) async fn drive(
        &self,
        claimed: Claimed,
        faults: Option<Faults>,
        signals: Signals,
    ) -> Left {
        Box::pin(self.driver(faults).drive(claimed, signals)).await
    }

    /// Drives the run to its end, with a worker of its own for each claim.
    pub(super) async fn finish(&self, run_id: Uuid, faults: Option<Faults>) -> End {
        for _ in 0..CLAIMS {
            // Its children, too.
            for claimed in self.claim_any(usize::MAX).await {
                self.drive(claimed, faults.clone(), Signals::default()).await;
            }
            let run = self.find(run_id).await;
            match run.state {
                RunState::Queued => {}
                RunState::Waiting => self.wake(&run).await,
                // Its worker is gone.
                RunState::Running => self.lapse(),
                RunState::Paused => panic!("nobody has resumed the run"),
                RunState::Succeeded | RunState::Failed | RunState::Cancelled => return end(run),
            }
        }
        panic!("run {run_id} makes no headway: {:?}", self.find(run_id).await);
    }

    /// Lets come what the run waits for.
    async fn wake(&self, run: &RunView) {
        match (&run.waiting_for, run.wake_at) {
            // They are driven beside it; one whose worker died needs its lease to lapse.
            (Some(WaitingFor::Children(_)), _) => self.lapse(),
            (Some(WaitingFor::Signal(name)), _)
                if self.harness.signal(&self.client, run, name).await => {}
            (_, Some(wake_at)) => self.clock.set(wake_at.max(self.clock.now())),
            (waits, None) => panic!("nothing wakes a run that waits for {waits:?}"),
        }
    }

    /// Lets every lease lapse.
    pub(super) fn lapse(&self) {
        self.clock.advance(LEASE + Duration::from_millis(1));
    }

    pub(super) async fn find(&self, run_id: Uuid) -> RunView {
        self.client.find(run_id).await.expect("a look at the run").expect("the run is there")
    }
}

fn end(run: RunView) -> End {
    let outcome = match run.state {
        RunState::Succeeded => Outcome::Succeeded(run.output.expect("a success has an output")),
        RunState::Failed => Outcome::Failed(run.error.expect("a failure has an error")),
        _ => Outcome::Cancelled,
    };
    End { run_id: run.id, at: run.ended_at.expect("an ended run has an end"), outcome }
}
