//! Steps: checkpoints, results, failures that a workflow catches, and code that does not fit its journal.

use std::sync::atomic::Ordering;
use std::time::Duration;

use engine::{Context, Failure, FailureKind, Policy, RunState, Workflow};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgPool;

use crate::order::{AT_ONCE, Ports};
use crate::single_step;
use crate::world::{Running, World};

single_step!(TooLarge, AT_ONCE, |ports| {
    ports.called();
    Ok(json!("x".repeat(256 * 1024)))
});

#[sqlx::test(migrations = false)]
async fn a_result_over_256_kib_fails_the_step_for_good(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let worker = Running::spawn(world.worker(ports.clone()).register::<TooLarge>());
    let run = world.ended(world.start(TooLarge).await).await;
    let error = run.error.unwrap();
    assert_eq!(error.code.as_deref(), Some("result_too_large"));
    assert_eq!(error.step.as_deref(), Some("only"));
    assert_eq!(ports.calls(), 1);
    worker.stop().await;
}

/// Catches the failure of one step and goes on; another step makes the run wait, so that it is replayed.
#[derive(Serialize, Deserialize)]
struct Catching;

impl Workflow for Catching {
    const NAME: &'static str = "test.catching";
    type Output = String;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<String, Failure> {
        let caught = cx
            .step("fails", AT_ONCE, |ports| async move {
                ports.called();
                Err::<(), _>(Failure::permanent("no").code("refused"))
            })
            .await
            .expect_err("it always fails");
        let first = cx.now().await?;
        let waits = Policy::new().backoff(Duration::from_hours(1), Duration::from_hours(1));
        cx.step("waits", waits, |step| async move {
            if step.attempt() < 3 { Err(Failure::transient("not yet")) } else { Ok(()) }
        })
        .await?;
        Ok(format!("{:?} {caught} {first}", caught.machine_code()))
    }
}

#[sqlx::test(migrations = false)]
async fn a_caught_failure_and_the_time_are_the_same_on_every_replay(pool: PgPool) {
    let (world, clock) = World::frozen(pool).await;
    let ports = Ports::new(world.app.clone());
    let run_id = world.start(Catching).await;
    let worker = Running::spawn(world.worker(ports.clone()).register::<Catching>());
    for _ in 0..2 {
        world.until(run_id, |run| run.state == RunState::Waiting).await;
        clock.advance(Duration::from_hours(1));
        world.until(run_id, |run| run.state != RunState::Waiting).await;
    }
    world.ended(run_id).await;
    assert_eq!(
        world.client.output::<Catching>(run_id).await.unwrap().as_deref(),
        Some("Some(\"refused\") no 2026-03-01 00:00:00 UTC")
    );
    assert_eq!(ports.calls(), 1, "a step that failed for good does not run again");
    worker.stop().await;
}

/// A workflow whose steps depend on who asks: what must never be.
#[derive(Serialize, Deserialize)]
struct Fickle;

impl Workflow for Fickle {
    const NAME: &'static str = "test.fickle";
    type Output = ();
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<(), Failure> {
        let replay = cx.epoch() > 1;
        let name = if replay { "renamed" } else { "first" };
        cx.step(name, AT_ONCE, |ports| async move {
            ports.called();
            Ok(())
        })
        .await?;
        let waits = Policy::new().backoff(Duration::from_hours(1), Duration::from_hours(1));
        cx.step("waits", waits, |_| async move { Err(Failure::transient("not yet")) }).await
    }
}

/// Forgets a recorded step when it is replayed.
#[derive(Serialize, Deserialize)]
struct Forgetful;

impl Workflow for Forgetful {
    const NAME: &'static str = "test.forgetful";
    type Output = ();
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<(), Failure> {
        if cx.epoch() > 1 {
            return Ok(());
        }
        let waits = Policy::new().backoff(Duration::from_hours(1), Duration::from_hours(1));
        cx.step("waits", waits, |_| async move { Err(Failure::transient("not yet")) }).await
    }
}

async fn replayed<W: Workflow<Ports = Ports>>(
    pool: PgPool,
    workflow: W,
) -> (World, engine::RunView) {
    let (world, clock) = World::frozen(pool).await;
    let ports = Ports::new(world.app.clone());
    let run_id = world.start(workflow).await;
    let worker = Running::spawn(world.worker(ports.clone()).register::<W>());
    let waiting = world.until(run_id, |run| run.state == RunState::Waiting).await;
    clock.advance((waiting.wake_at.unwrap() - clock.now()).to_std().unwrap());
    let run = world.ended(run_id).await;
    assert!(ports.calls.load(Ordering::SeqCst) <= 1, "no step ran on the replay");
    worker.stop().await;
    (world, run)
}

#[sqlx::test(migrations = false)]
async fn a_renamed_step_stops_the_run_as_nondeterministic(pool: PgPool) {
    let (_, run) = replayed(pool, Fickle).await;
    let error = run.error.unwrap();
    assert_eq!(error.kind, FailureKind::Nondeterministic);
    assert_eq!(
        error.message,
        "the code asks for step renamed#0, the journal holds step first#0 at place 1"
    );
}

#[sqlx::test(migrations = false)]
async fn a_forgotten_step_stops_the_run_as_nondeterministic(pool: PgPool) {
    let (_, run) = replayed(pool, Forgetful).await;
    assert_eq!(run.error.unwrap().kind, FailureKind::Nondeterministic);
}
