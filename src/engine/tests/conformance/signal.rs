//! Signals, sleeps, patches: what a run waits for, and what it remembers of its own code.

use std::time::Duration;

use engine::testing::{Harness, exercise};
use engine::{Client, Context, End, Failure, Outcome, RunState, RunView, WaitingFor, Workflow};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use uuid::Uuid;

use crate::order::{AT_ONCE, Ports};
use crate::world::{Running, World, effect};

const HOUR: Duration = Duration::from_hours(1);

/// Waits for an approval, then acts on it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Approval {
    timeout: Option<Duration>,
}

impl Workflow for Approval {
    const NAME: &'static str = "test.approval";
    type Output = Option<String>;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<Option<String>, Failure> {
        let run_id = cx.run_id();
        let by: Option<String> = cx.wait_for("approved", self.timeout).await?;
        cx.step_tx("act", AT_ONCE, |tx, _| {
            Box::pin(async move { effect(tx, run_id, "act").await })
        })
        .await?;
        Ok(by)
    }
}

async fn signal(world: &World, run_id: Uuid, by: &str, key: Option<&str>) -> bool {
    let mut conn = world.app.acquire().await.unwrap();
    world.client.signal(&mut conn, run_id, "approved", &by, key).await.unwrap()
}

async fn suspended(world: &World, run_id: Uuid) -> RunView {
    world.until(run_id, |run| run.state == RunState::Waiting).await
}

#[sqlx::test(migrations = false)]
async fn a_run_that_waits_for_a_signal_holds_no_worker_and_goes_on_when_it_comes(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let worker = Running::spawn(world.worker(ports).register::<Approval>().concurrency(1));
    let (one, other) = (
        world.start(Approval { timeout: None }).await,
        world.start(Approval { timeout: None }).await,
    );
    for run_id in [one, other] {
        let run = suspended(&world, run_id).await;
        assert_eq!(run.waiting_for, Some(WaitingFor::Signal("approved".to_owned())));
        assert!(run.wake_at.is_none() && run.worker.is_none());
    }
    assert!(signal(&world, other, "kim", None).await);
    assert_eq!(world.ended(other).await.output, Some("kim".into()));
    assert_eq!(world.find(one).await.state, RunState::Waiting);
    assert!(!signal(&world, other, "late", None).await, "it is over");
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_signal_that_comes_early_is_kept_and_a_second_one_under_its_key_is_the_same(
    pool: PgPool,
) {
    let world = World::new(pool).await;
    let run_id = world.start(Approval { timeout: None }).await;
    assert!(signal(&world, run_id, "kim", Some("click-1")).await);
    assert!(!signal(&world, run_id, "kim again", Some("click-1")).await);
    assert!(signal(&world, run_id, "sam", Some("click-2")).await);
    let worker = Running::spawn(world.worker(Ports::new(world.app.clone())).register::<Approval>());
    assert_eq!(world.ended(run_id).await.output, Some("kim".into()));
    let signals = world.client.signals(run_id).await.unwrap();
    let taken: Vec<_> = signals.iter().map(|signal| signal.taken_seq).collect();
    assert_eq!(taken, [Some(1), None], "the first is taken by the first step, the second is left");
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_signal_of_a_transaction_that_is_rolled_back_was_never_sent(pool: PgPool) {
    let world = World::new(pool).await;
    let worker = Running::spawn(world.worker(Ports::new(world.app.clone())).register::<Approval>());
    let run_id = world.start(Approval { timeout: None }).await;
    suspended(&world, run_id).await;
    let mut tx = world.app.begin().await.unwrap();
    assert!(world.client.signal(&mut tx, run_id, "approved", &"kim", None).await.unwrap());
    tx.rollback().await.unwrap();
    assert!(world.client.signals(run_id).await.unwrap().is_empty());
    assert_eq!(world.find(run_id).await.state, RunState::Waiting);
    signal(&world, run_id, "sam", None).await;
    assert_eq!(world.ended(run_id).await.output, Some("sam".into()));
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_wait_that_times_out_answers_nothing_and_not_a_moment_early(pool: PgPool) {
    let (world, clock) = World::frozen(pool).await;
    let worker = Running::spawn(world.worker(Ports::new(world.app.clone())).register::<Approval>());
    let run_id = world.start(Approval { timeout: Some(HOUR) }).await;
    let run = suspended(&world, run_id).await;
    assert_eq!(run.wake_at, Some(clock.now() + HOUR));
    let moment = Duration::from_millis(1);
    clock.advance(HOUR.checked_sub(moment).unwrap());
    let still = world.client.steps(run_id).await.unwrap();
    assert_eq!(still[0].state, "waiting");
    clock.advance(moment);
    let run = world.ended(run_id).await;
    assert_eq!((run.state, run.output), (RunState::Succeeded, Some(serde_json::Value::Null)));
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn signals_that_meet_runs_on_their_way_to_waiting_are_all_taken(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let worker = Running::spawn(world.worker(ports).register::<Approval>().concurrency(50));
    let mut tx = world.app.begin().await.unwrap();
    let waits = (0..200).map(|_| Approval { timeout: None });
    let run_ids = world.client.start_many(&mut tx, waits).await.unwrap();
    tx.commit().await.unwrap();
    for run_id in &run_ids {
        signal(&world, *run_id, "kim", None).await;
    }
    for run_id in run_ids {
        assert_eq!(world.ended(run_id).await.output, Some("kim".into()));
    }
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_cancelled_or_paused_wait_is_left(pool: PgPool) {
    let world = World::new(pool).await;
    let worker = Running::spawn(world.worker(Ports::new(world.app.clone())).register::<Approval>());
    let (one, other) = (
        world.start(Approval { timeout: None }).await,
        world.start(Approval { timeout: None }).await,
    );
    suspended(&world, one).await;
    suspended(&world, other).await;
    world.cancel(one).await;
    assert_eq!(world.ended(one).await.state, RunState::Cancelled);
    let mut conn = world.app.acquire().await.unwrap();
    assert!(world.client.pause(&mut conn, other).await.unwrap());
    signal(&world, other, "kim", None).await;
    assert_eq!(world.find(other).await.state, RunState::Paused);
    assert!(world.client.resume(&mut conn, other).await.unwrap());
    assert_eq!(world.ended(other).await.output, Some("kim".into()));
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_signal_that_comes_while_a_wait_with_a_timeout_is_paused_is_taken_after_it(pool: PgPool) {
    let (world, _clock) = World::frozen(pool).await;
    let ports = Ports::new(world.app.clone());
    let worker = Running::spawn(world.worker(ports).register::<Approval>());
    let run_id = world.start(Approval { timeout: Some(HOUR) }).await;
    suspended(&world, run_id).await;
    let mut conn = world.app.acquire().await.unwrap();
    assert!(world.client.pause(&mut conn, run_id).await.unwrap());
    signal(&world, run_id, "kim", None).await;
    assert!(world.client.resume(&mut conn, run_id).await.unwrap());
    assert_eq!(world.ended(run_id).await.output, Some("kim".into()));
    worker.stop().await;
}

/// Sleeps a short and a long while, and asks what it has no other way to know twice.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sleeper;

impl Workflow for Sleeper {
    const NAME: &'static str = "test.sleeper";
    type Output = (u64, u64);
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<(u64, u64), Failure> {
        let run_id = cx.run_id();
        let drawn = (cx.random(), cx.random());
        cx.sleep("moment", Duration::from_millis(30)).await?;
        cx.sleep("hour", HOUR).await?;
        cx.step_tx("rise", AT_ONCE, |tx, _| {
            Box::pin(async move { effect(tx, run_id, &format!("{drawn:?}")).await })
        })
        .await?;
        Ok(drawn)
    }
}

#[sqlx::test(migrations = false)]
async fn a_sleep_lasts_as_long_as_it_was_meant_to_whoever_wakes_the_run(pool: PgPool) {
    let (world, clock) = World::frozen(pool).await;
    let first = Running::spawn(world.worker(Ports::new(world.app.clone())).register::<Sleeper>());
    let run_id = world.start(Sleeper).await;
    let begun = clock.now();
    // Nobody moves the clock: the run waits in place.
    world.until(run_id, |run| run.state == RunState::Running).await;
    while world.client.steps(run_id).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    clock.advance(Duration::from_millis(30));
    let run = suspended(&world, run_id).await;
    assert_eq!(run.wake_at, Some(clock.now() + HOUR));
    first.kill().await;
    clock.advance(HOUR);
    let second = Running::spawn(world.worker(Ports::new(world.app.clone())).register::<Sleeper>());
    let run = world.ended(run_id).await;
    assert_eq!(run.ended_at, Some(begun + HOUR + Duration::from_millis(30)));
    let drawn: (u64, u64) = serde_json::from_value(run.output.unwrap()).unwrap();
    assert_ne!(drawn.0, drawn.1);
    assert_eq!(
        world.effects(run_id, &format!("{drawn:?}")).await,
        1,
        "random is the same on a replay"
    );
    second.stop().await;
}

/// Two versions of one workflow's code under one version number: the change is patched in.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Patched;

impl Workflow for Patched {
    const NAME: &'static str = "test.patched";
    type Output = String;
    type Ports = bool;

    async fn run(self, cx: &mut Context<bool>) -> Result<String, Failure> {
        let is_new_code = cx.step("before", AT_ONCE, |new| async move { Ok(*new) }).await?;
        let mut way = "old".to_owned();
        if is_new_code {
            if cx.patched("mail").await? {
                "new".clone_into(&mut way);
            }
            assert_eq!(cx.patched("mail").await?, way == "new", "the answer never changes");
        }
        cx.wait_for::<()>("go", None).await?;
        cx.step("after", AT_ONCE, |_| async move { Ok(()) }).await?;
        Ok(way)
    }
}

#[sqlx::test(migrations = false)]
async fn a_patch_is_on_record_and_the_question_may_be_taken_out_again(pool: PgPool) {
    let world = World::new(pool).await;
    let worker = Running::spawn(world.worker(std::sync::Arc::new(true)).register::<Patched>());
    let run_id = world.start(Patched).await;
    suspended(&world, run_id).await;
    let kinds: Vec<_> =
        world.client.steps(run_id).await.unwrap().into_iter().map(|step| step.kind).collect();
    assert_eq!(kinds, ["step", "patch", "signal"]);
    // Code that no longer asks: the entry is passed over.
    sqlx::query("update engine.steps set output = 'false' where name = 'before'")
        .execute(&world.owner)
        .await
        .unwrap();
    let mut conn = world.app.acquire().await.unwrap();
    world.client.signal(&mut conn, run_id, "go", &(), None).await.unwrap();
    assert_eq!(world.ended(run_id).await.output, Some("old".into()));
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_run_that_had_come_further_before_the_patch_goes_the_old_way(pool: PgPool) {
    let world = World::new(pool).await;
    let old = Running::spawn(world.worker(std::sync::Arc::new(false)).register::<Patched>());
    let run_id = world.start(Patched).await;
    suspended(&world, run_id).await;
    old.stop().await;
    sqlx::query("update engine.steps set output = 'true' where name = 'before'")
        .execute(&world.owner)
        .await
        .unwrap();
    let new = Running::spawn(world.worker(std::sync::Arc::new(true)).register::<Patched>());
    let mut conn = world.app.acquire().await.unwrap();
    world.client.signal(&mut conn, run_id, "go", &(), None).await.unwrap();
    assert_eq!(world.ended(run_id).await.output, Some("old".into()));
    new.stop().await;
}

struct Approvals(World);

impl Harness for Approvals {
    type Workflow = Approval;

    async fn make_input(&self, _: &Client) -> Uuid {
        self.0.start(Approval { timeout: Some(HOUR) }).await
    }

    fn ports(&self) -> std::sync::Arc<Ports> {
        Ports::new(self.0.app.clone())
    }

    async fn signal(&self, client: &Client, run: &RunView, name: &str) -> bool {
        let mut conn = self.0.app.acquire().await.unwrap();
        client.signal(&mut conn, run.id, name, &"kim", None).await.unwrap()
    }

    async fn check(&self, end: &End) {
        let acted = self.0.effects(end.run_id, "act").await;
        match &end.outcome {
            Outcome::Succeeded(_) => assert_eq!(acted, 1),
            _ => assert_eq!(acted, 0),
        }
    }
}

#[sqlx::test(migrations = false)]
async fn a_workflow_that_waits_survives_everything_that_can_go_wrong(pool: PgPool) {
    let (world, clock) = World::frozen(pool).await;
    let app = world.app.clone();
    let report = exercise(&Approvals(world), &app, &clock).await;
    let steps: Vec<_> = report.steps.iter().map(ToString::to_string).collect();
    assert_eq!(steps, ["approved#0", "act#0"]);
}
