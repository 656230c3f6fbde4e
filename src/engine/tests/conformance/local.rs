//! Starting runs in the process that works on them.

use std::time::Duration;

use engine::{Builder, LocalClient, RunState};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::order::{Order, Ports};
use crate::world::{Running, World};

/// A worker at work, and the client beside it.
pub(crate) async fn beside<P: Send + Sync + 'static>(
    world: &World,
    builder: Builder<P>,
) -> (Running, LocalClient) {
    let worker = builder.build().unwrap();
    let local = worker.local_client();
    let stop = CancellationToken::new();
    let task = tokio::spawn(worker.run(stop.clone()));
    while world.number("select count(*) from engine.workers").await == 0 {
        tokio::task::yield_now().await;
    }
    (Running::of(stop, task), local)
}

/// Whether a worker was lost under the run.
async fn lost_a_worker(world: &World, run_id: Uuid) -> bool {
    let attempts = world.client.attempts(run_id).await.unwrap();
    attempts.iter().any(|attempt| attempt.error.is_some())
}

const WAKE_UPS: &str = "select count(*) from apalis.jobs";

#[sqlx::test(migrations = false)]
async fn a_run_started_beside_its_worker_needs_no_wake_up_and_no_claim(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let (worker, local) = beside(&world, world.worker(ports).register::<Order>()).await;
    let start = local.start(Order { items: 1, gated: false }).key("tenant").trace("request 7");
    let started = start.await.unwrap();
    assert!(started.created);
    let run = world.ended(started.run_id).await;
    assert_eq!((run.state, run.attempts), (RunState::Succeeded, 1), "{:?}", run.error);
    assert_eq!((run.key.as_deref(), run.trace.as_deref()), (Some("tenant"), Some("request 7")));
    assert_eq!(world.effects(started.run_id, "charge").await, 1);
    assert_eq!(world.number(WAKE_UPS).await, 0);
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_local_start_under_a_known_key_answers_with_the_first_run(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let (worker, local) = beside(&world, world.worker(ports).register::<Order>()).await;
    let start = || local.start(Order::default()).idempotency_key("k").into_future();
    let started = futures_util::future::join_all((0..6).map(|_| start())).await;
    let started: Vec<_> = started.into_iter().map(Result::unwrap).collect();
    assert_eq!(started.iter().filter(|started| started.created).count(), 1);
    assert!(started.iter().all(|one| one.run_id == started[0].run_id));
    assert_eq!(world.ended(started[0].run_id).await.attempts, 1);
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_local_start_waits_for_its_turn_while_every_slot_is_taken(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let builder = world.worker(ports.clone()).register::<Order>().concurrency(1);
    let (worker, local) = beside(&world, builder).await;
    let first = local.start(Order { items: 0, gated: true }).await.unwrap();
    while ports.calls() < 2 {
        tokio::task::yield_now().await;
    }
    let second = local.start(Order::default()).await.unwrap();
    assert_eq!(world.find(second.run_id).await.state, RunState::Queued);
    ports.gate.add_permits(1);
    for run_id in [first.run_id, second.run_id] {
        let run = world.ended(run_id).await;
        assert_eq!((run.state, run.attempts), (RunState::Succeeded, 1));
    }
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_local_start_of_a_later_run_waits_until_then(pool: PgPool) {
    let (world, clock) = World::frozen(pool).await;
    let ports = Ports::new(world.app.clone());
    let (worker, local) = beside(&world, world.worker(ports).register::<Order>()).await;
    let later = clock.now() + Duration::from_hours(1);
    let started = local.start(Order::default()).run_at(later).await.unwrap();
    assert_eq!(world.find(started.run_id).await.state, RunState::Waiting);
    clock.advance(Duration::from_hours(1));
    assert_eq!(world.ended(started.run_id).await.state, RunState::Succeeded);
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_run_started_beside_a_worker_that_dies_goes_on_elsewhere(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let builder =
        || world.worker(ports.clone()).register::<Order>().lease(Duration::from_millis(600));
    let (first, local) = beside(&world, builder()).await;
    let started = local.start(Order { items: 1, gated: true }).await.unwrap();
    while ports.calls() < 2 {
        tokio::task::yield_now().await;
    }
    first.kill().await;
    // The worker is gone, its door still stands open: what comes through it goes on elsewhere, too.
    let orphan = local.start(Order::default()).await.unwrap();
    let second = Running::spawn(builder());
    ports.gate.add_permits(1);
    let run = world.ended(started.run_id).await;
    assert_eq!((run.state, run.attempts), (RunState::Succeeded, 2), "{:?}", run.error);
    let run = world.ended(orphan.run_id).await;
    assert_eq!(run.state, RunState::Succeeded, "{:?}", run.error);
    assert!(lost_a_worker(&world, started.run_id).await);
    assert!(!lost_a_worker(&world, orphan.run_id).await, "it was given back at once");
    for what in ["quote", "charge"] {
        assert_eq!(world.effects(started.run_id, what).await, 1, "{what}");
    }
    second.stop().await;
}

#[sqlx::test(migrations = false)]
async fn what_is_started_beside_a_stopping_worker_is_left_to_the_others_at_once(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let builder = || world.worker(ports.clone()).register::<Order>();
    let (first, local) = beside(&world, builder()).await;
    let starts: Vec<_> = (0..40).map(|_| local.start(Order::default()).into_future()).collect();
    let (started, ()) = tokio::join!(futures_util::future::join_all(starts), first.stop());
    let second = Running::spawn(builder());
    for started in started {
        let run = world.ended(started.unwrap().run_id).await;
        assert_eq!(run.state, RunState::Succeeded, "{:?}", run.error);
        assert!(!lost_a_worker(&world, run.id).await);
    }
    second.stop().await;
}
