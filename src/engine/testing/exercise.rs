//! `exercise`: one workflow through every scenario, with the harness's invariants checked after each.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::PgPool;
use tokio::sync::Notify;
use uuid::Uuid;

use super::bench::Bench;
use super::{Known, Scenario, StepName, VirtualClock};
use crate::drive::Left;
use crate::fault::{Fault, Faults, Point, Side};
use crate::session::Signals;
use crate::{Client, End, Failure, Outcome, RunState, RunView, StepView, Workflow};

/// What [`exercise`] needs to know about a workflow.
pub trait Harness: Send + Sync {
    /// The workflow.
    type Workflow: Workflow;

    /// Sets up fresh rows, starts a run of the workflow with `client` and commits; answers its id.
    fn make_input(&self, client: &Client) -> impl Future<Output = Uuid> + Send;

    /// The ports. Where they have a clock, it is the one that `exercise` is given.
    fn ports(&self) -> Arc<<Self::Workflow as Workflow>::Ports>;

    /// Adds the workflows of its children. Default: it has none.
    fn register(&self, _known: &mut Known<<Self::Workflow as Workflow>::Ports>) {}

    /// Called when `run` waits for a signal: sends it, or answers false to let the wait time out. Default: false.
    fn signal(
        &self,
        _client: &Client,
        _run: &RunView,
        _name: &str,
    ) -> impl Future<Output = bool> + Send {
        std::future::ready(false)
    }

    /// Asserts what must hold after this end: no effect missing, none doubled, nothing left over.
    fn check(&self, end: &End) -> impl Future<Output = ()> + Send;
}

/// What was exercised.
#[derive(Clone, Debug)]
pub struct Report {
    /// The steps of a plain run, in order: stable names that belong in a snapshot.
    pub steps: Vec<StepName>,
    /// How many runs were driven.
    pub scenarios: usize,
}

/// Takes the workflow of `harness` through every [`Scenario`]; panics where an invariant breaks.
///
/// `pool` is a database that `engine::migrate` has prepared and that nothing else uses; `clock` is
/// moved. Each scenario is a run of its own, from [`Harness::make_input`] to [`Harness::check`].
pub async fn exercise<H: Harness>(harness: &H, pool: &PgPool, clock: &VirtualClock) -> Report {
    let bench = Bench::new(harness, pool, clock);
    let steps = bench.play(&Scenario::Plain, &[]).await;
    let mut scenarios = vec![Scenario::Twice];
    scenarios.extend(steps.iter().flat_map(Scenario::of));
    for scenario in &scenarios {
        bench.play(scenario, &steps).await;
    }
    Report { steps, scenarios: scenarios.len() + 1 }
}

impl<H: Harness> Bench<'_, H> {
    /// Plays one scenario and checks what came of it; answers the steps that the run took.
    async fn play(&self, scenario: &Scenario, steps: &[StepName]) -> Vec<StepName> {
        let played = async {
            let run_id = self.harness.make_input(&self.client).await;
            let end = self.perform(scenario, run_id).await;
            expect_end(scenario, &end, steps);
            let taken = self.client.steps(run_id).await.expect("a look at the steps");
            expect_journal(&end, &taken);
            self.harness.check(&end).await;
            taken.iter().map(name).collect()
        };
        AssertUnwindSafe(played)
            .catch_unwind()
            .await
            .unwrap_or_else(|panic| panic!("after {scenario}: {}", message(&*panic)))
    }

    async fn perform(&self, scenario: &Scenario, run_id: Uuid) -> End {
        match scenario {
            Scenario::Plain => self.finish(run_id, None).await,
            Scenario::Twice => {
                let again = everywhere(Side::After, || Fault::Again);
                self.finish(run_id, Some(again)).await
            }
            Scenario::CrashBefore(step) => {
                self.finish_with(run_id, once(step, Side::Before, || Fault::Crash)).await
            }
            Scenario::CrashAfter(step) => {
                self.finish_with(run_id, once(step, Side::After, || Fault::Crash)).await
            }
            Scenario::Transient(step) => {
                let fail = || Fault::Fail(Failure::transient("injected, transient"));
                self.finish_with(run_id, once(step, Side::Before, fail)).await
            }
            Scenario::TransientAfter(step) => {
                let fail = || Fault::Fail(Failure::transient("injected after the effect"));
                self.finish_with(run_id, once(step, Side::After, fail)).await
            }
            Scenario::Permanent(step) => {
                let fail = || Fault::Fail(Failure::permanent("injected, permanent"));
                self.finish_with(run_id, once(step, Side::Before, fail)).await
            }
            Scenario::Pause(step) => self.pause(step, run_id).await,
            Scenario::Cancel(step) => self.cancel(step, run_id).await,
            Scenario::Fenced(step) => self.fence(step, run_id).await,
            Scenario::Shutdown(step) => self.shut_down(step, run_id).await,
        }
    }

    /// Drives the run to its end; the hook's point must be reached on the way.
    async fn finish_with(&self, run_id: Uuid, hook: Hook) -> End {
        let end = self.finish(run_id, Some(hook.faults.clone())).await;
        hook.expect_reached();
        end
    }

    /// Drives the run until the hook's point is reached.
    async fn drive_to(&self, run_id: Uuid, hook: &Hook, signals: Signals) -> Left {
        let reached = || hook.reached.load(Ordering::SeqCst);
        let left = self.drive_until(run_id, (hook.faults.clone(), signals), reached).await;
        hook.expect_reached();
        left
    }

    /// Pauses while `step` is in flight; nothing moves until the run is resumed.
    async fn pause(&self, step: &StepName, run_id: Uuid) -> End {
        let (client, pool) = (self.client.clone(), self.pool.clone());
        let ask = hook(step, Side::Before, move || {
            let (client, pool) = (client.clone(), pool.clone());
            Box::pin(async move {
                let mut conn = pool.acquire().await.expect("a connection");
                client.pause(&mut conn, run_id).await.expect("a request to pause");
                Fault::Proceed
            })
        });
        let left = self.drive_to(run_id, &ask, Signals::default()).await;
        // In its last step a run cannot be stopped any more.
        if !matches!(left, Left::Ended(_)) {
            assert_eq!(self.find(run_id).await.state, RunState::Paused);
            self.lapse();
            assert!(self.claim(run_id).await.is_none(), "a paused run was claimed");
            let mut conn = self.pool.acquire().await.expect("a connection");
            assert!(self.client.resume(&mut conn, run_id).await.expect("a request to resume"));
        }
        self.finish(run_id, None).await
    }

    /// Cancels while `step` is in flight.
    async fn cancel(&self, step: &StepName, run_id: Uuid) -> End {
        let signals = Signals::default();
        let (client, pool, cancel) =
            (self.client.clone(), self.pool.clone(), signals.cancel.clone());
        let ask = hook(step, Side::Before, move || {
            let (client, pool, cancel) = (client.clone(), pool.clone(), cancel.clone());
            Box::pin(async move {
                let mut conn = pool.acquire().await.expect("a connection");
                client.cancel(&mut conn, run_id).await.expect("a request to cancel");
                cancel.cancel();
                Fault::Proceed
            })
        });
        self.drive_to(run_id, &ask, signals).await;
        self.finish(run_id, None).await
    }

    /// Lets a worker sleep through its lease in `step` while another one ends the run.
    async fn fence(&self, step: &StepName, run_id: Uuid) -> End {
        let (reached, resume) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (arrived, go_on) = (reached.clone(), resume.clone());
        // A sleeper inside a transaction holds its locks, so there it sleeps before it begins one.
        let side = if step.transactional { Side::Before } else { Side::After };
        let sleep = hook(step, side, move || {
            let (arrived, go_on) = (arrived.clone(), go_on.clone());
            Box::pin(async move {
                arrived.notify_one();
                go_on.notified().await;
                Fault::Proceed
            })
        });
        let successor = async {
            reached.notified().await;
            self.lapse();
            let end = self.finish(run_id, None).await;
            let before = self.client.steps(run_id).await.expect("a look at the steps");
            resume.notify_one();
            (end, before)
        };
        let sleeper = self.drive_to(run_id, &sleep, Signals::default());
        let (left, (end, before)) = tokio::join!(sleeper, successor);
        assert_eq!(left, Left::Lost, "the worker that lost its lease must be fenced off");
        let after = self.client.steps(run_id).await.expect("a look at the steps");
        assert_eq!(
            serde_json::to_value(before).ok(),
            serde_json::to_value(after).ok(),
            "the worker that lost its lease has written to the journal"
        );
        end
    }

    /// Asks the worker to stop while `step` is in flight; another one goes on with no wait.
    async fn shut_down(&self, step: &StepName, run_id: Uuid) -> End {
        let signals = Signals::default();
        let stopping = signals.stopping.clone();
        let shutdown = hook(step, Side::Before, move || {
            stopping.cancel();
            Box::pin(async { Fault::Proceed })
        });
        let left = self.drive_to(run_id, &shutdown, signals).await;
        let before = self.clock.now();
        match left {
            Left::Released => {
                let next = self.claim(run_id).await.expect("a released run is due at once");
                assert_eq!(self.clock.now(), before, "the next worker must not have to wait");
                self.drive(next, None, Signals::default()).await;
            }
            // It was in its last step, or is one that waits without a worker.
            Left::Ended(_) | Left::Waiting => {}
            left => panic!("a worker that stops left the run as {left:?}"),
        }
        self.finish(run_id, None).await
    }
}

/// The end that a scenario must lead to.
fn expect_end(scenario: &Scenario, end: &End, steps: &[StepName]) {
    let last = |step: &StepName| steps.last() == Some(step);
    let expected = match (scenario, &end.outcome) {
        (Scenario::Cancel(step), Outcome::Succeeded(_)) => last(step),
        (Scenario::Cancel(_), outcome) => *outcome == Outcome::Cancelled,
        // A workflow may catch the failure of a step.
        (Scenario::Permanent(_), Outcome::Succeeded(_) | Outcome::Failed(_)) => true,
        (_, outcome) => matches!(outcome, Outcome::Succeeded(_)),
    };
    assert!(expected, "the run ended as {:?}", end.outcome);
}

/// The journal of an ended run has no gap; that of a success holds results only.
fn expect_journal(end: &End, steps: &[StepView]) {
    let places: Vec<_> = steps.iter().map(|step| step.seq as usize).collect();
    assert_eq!(places, (1..=steps.len()).collect::<Vec<_>>(), "the journal has a gap");
    if let Outcome::Succeeded(_) = end.outcome {
        let open = steps.iter().find(|step| step.state == "retrying");
        assert!(open.is_none(), "a success left a step unfinished: {open:?}");
    }
}

fn name(step: &StepView) -> StepName {
    StepName {
        name: step.name.clone(),
        occurrence: step.occurrence,
        transactional: step.kind != "step",
    }
}

/// `fault` at every point on `side`.
fn everywhere(side: Side, fault: impl Fn() -> Fault + Send + Sync + 'static) -> Faults {
    Arc::new(move |point: Point| {
        let fault = if point.side == side { fault() } else { Fault::Proceed };
        Box::pin(async move { fault })
    })
}

/// `fault` the first time that `step` is reached on `side`.
fn once(step: &StepName, side: Side, fault: impl Fn() -> Fault + Send + Sync + 'static) -> Hook {
    hook(step, side, move || {
        let fault = fault();
        Box::pin(async move { fault })
    })
}

/// Something that happens at one point of a run, once.
struct Hook {
    step: StepName,
    faults: Faults,
    reached: Arc<AtomicBool>,
}

impl Hook {
    fn expect_reached(&self) {
        assert!(self.reached.load(Ordering::SeqCst), "{} was not reached", self.step);
    }
}

/// What `action` answers the first time that `step` is reached on `side`.
fn hook(
    step: &StepName,
    side: Side,
    action: impl Fn() -> BoxFuture<'static, Fault> + Send + Sync + 'static,
) -> Hook {
    let reached = Arc::new(AtomicBool::new(false));
    let (aim, first) = (step.clone(), reached.clone());
    let faults: Faults = Arc::new(move |point: Point| {
        let here = point.side == side
            && point.step == aim.name
            && point.occurrence.unsigned_abs() == aim.occurrence;
        if here && !first.swap(true, Ordering::SeqCst) {
            action()
        } else {
            Box::pin(async { Fault::Proceed })
        }
    });
    Hook { step: step.clone(), faults, reached }
}

fn message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}
