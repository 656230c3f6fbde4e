//! Dead workers, lost wake-ups, lost leases, orderly shutdown.

use std::time::{Duration, Instant};

use engine::{FailureKind, LOSSES, Policy, RunState};
use serde_json::json;
use sqlx::PgPool;

use crate::order::{AT_ONCE, Order, Ports};
use crate::single_step;
use crate::world::{Running, World};

#[sqlx::test(migrations = false)]
async fn a_killed_workers_run_goes_on_at_the_step_it_died_in(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let builder =
        || world.worker(ports.clone()).register::<Order>().lease(Duration::from_millis(600));
    let first = Running::spawn(builder());
    let run_id = world.start(Order { items: 1, gated: true }).await;
    while ports.calls() < 2 {
        tokio::task::yield_now().await;
    }
    first.kill().await;
    ports.gate.add_permits(1);
    let second = Running::spawn(builder());
    let run = world.ended(run_id).await;
    assert_eq!((run.state, run.attempts), (RunState::Succeeded, 2), "{:?}", run.error);
    for (what, times) in [("quote", 1), ("charge", 1), ("ship 0", 1)] {
        assert_eq!(world.effects(run_id, what).await, times, "{what}");
    }
    let attempts = world.client.attempts(run_id).await.unwrap();
    let lost: Vec<_> = attempts.iter().filter(|one| one.error.is_some()).collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].step, "wait");
    assert_eq!(lost[0].error.as_ref().unwrap().kind, FailureKind::WorkerLost);
    second.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_lease_is_renewed_for_as_long_as_a_step_takes(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let builder =
        || world.worker(ports.clone()).register::<Order>().lease(Duration::from_millis(300));
    let (one, two) = (Running::spawn(builder()), Running::spawn(builder()));
    let run_id = world.start(Order { items: 0, gated: true }).await;
    while ports.calls() < 2 {
        tokio::task::yield_now().await;
    }
    // Several leases and sweeps long.
    engine::Clock::system().sleep(Duration::from_millis(2500)).await;
    ports.gate.add_permits(1);
    let run = world.ended(run_id).await;
    assert_eq!((run.state, run.attempts), (RunState::Succeeded, 1));
    one.stop().await;
    two.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_run_whose_lease_was_taken_is_dropped_and_writes_nothing(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let builder = world.worker(ports.clone()).register::<Order>();
    let worker = Running::spawn(builder.lease(Duration::from_millis(300)));
    let run_id = world.start(Order { items: 0, gated: true }).await;
    while ports.calls() < 2 {
        tokio::task::yield_now().await;
    }
    sqlx::query("update engine.runs set epoch = epoch + 1, owner = 'another', lease_until = now() + '1 hour'")
        .execute(&world.owner)
        .await
        .unwrap();
    // The gate's waiter goes away with the run's future: then a permit stays.
    ports.gate.add_permits(1);
    engine::Clock::system().sleep(Duration::from_millis(700)).await;
    let run = world.find(run_id).await;
    assert_eq!(run.state, RunState::Running);
    let names: Vec<_> =
        world.client.steps(run_id).await.unwrap().into_iter().map(|step| step.name).collect();
    assert_eq!(names, ["quote"]);
    worker.stop().await;
    assert_eq!(
        world.find(run_id).await.state,
        RunState::Running,
        "it is another worker's to release"
    );
}

single_step!(Deadly, Policy::new().attempts(2), |ports| {
    ports.called();
    Ok(json!(null))
});

#[sqlx::test(migrations = false)]
async fn a_step_that_kills_its_worker_each_time_is_given_up(pool: PgPool) {
    let (world, clock) = World::frozen(pool).await;
    let ports = Ports::new(world.app.clone());
    let run_id = world.start(Deadly).await;
    let mut deaths: u32 = 0;
    while !world.find(run_id).await.state.is_final() {
        let kinds = "update engine.runs set state = 'running', epoch = epoch + 1, owner = 'dies',
                     lease_until = $1 where state = 'queued'";
        sqlx::query(kinds).bind(clock.now()).execute(&world.owner).await.unwrap();
        clock.advance(Duration::from_secs(1));
        deaths += 1;
        assert!(deaths <= LOSSES + 1);
        if deaths > LOSSES {
            let worker = Running::spawn(world.worker(ports.clone()).register::<Deadly>());
            world.ended(run_id).await;
            worker.stop().await;
        } else {
            sqlx::query("update engine.runs set state = 'queued', owner = null, lease_until = null, losses = losses + 1")
                .execute(&world.owner).await.unwrap();
        }
    }
    let error = world.find(run_id).await.error.unwrap();
    assert_eq!(error.kind, FailureKind::WorkerLost);
    assert_eq!(ports.calls(), 0);
}

single_step!(AtMostOnce, Policy::once(), |ports| {
    ports.called();
    ports.gate.acquire().await.map_err(engine::Failure::permanent)?.forget();
    Ok(json!(null))
});

#[sqlx::test(migrations = false)]
async fn a_step_with_one_attempt_does_not_run_again_after_its_worker_died(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let builder =
        || world.worker(ports.clone()).register::<AtMostOnce>().lease(Duration::from_millis(300));
    let first = Running::spawn(builder());
    let run_id = world.start(AtMostOnce).await;
    while ports.calls() < 1 {
        tokio::task::yield_now().await;
    }
    first.kill().await;
    let second = Running::spawn(builder());
    let run = world.ended(run_id).await;
    let error = run.error.unwrap();
    assert_eq!((error.kind, error.step.as_deref()), (FailureKind::WorkerLost, Some("only")));
    assert_eq!(ports.calls(), 1);
    second.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_wake_up_starts_a_run_at_once_and_its_loss_only_delays_it(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let worker = Running::spawn(world.worker(ports.clone()).register::<Order>());
    // The first run waits for the worker's own start.
    let first = world.start(Order::default()).await;
    world.ended(first).await;
    let started = Instant::now();
    let mut delays = Vec::new();
    for _ in 0..10 {
        let run = world.ended(world.start(Order::default()).await).await;
        delays.push(run.started_at.unwrap() - run.created_at);
    }
    delays.sort();
    assert!(delays[5] < chrono::TimeDelta::milliseconds(400), "median of {delays:?}");
    assert!(started.elapsed() < Duration::from_secs(10));
    worker.stop().await;

    let deaf = world.worker(ports).register::<Order>().without_wake_ups();
    let deaf = Running::spawn(deaf);
    let run = world.ended(world.start(Order::default()).await).await;
    assert!(run.started_at.unwrap() - run.created_at < chrono::TimeDelta::seconds(3));
    deaf.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_shutdown_finishes_the_step_in_flight_and_hands_the_run_on_at_once(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let builder = || world.worker(ports.clone()).register::<Order>();
    let first = Running::spawn(builder());
    let run_id = world.start(Order { items: 0, gated: true }).await;
    while ports.calls() < 2 {
        tokio::task::yield_now().await;
    }
    first.stop.cancel();
    tokio::task::yield_now().await;
    ports.gate.add_permits(1);
    first.stop().await;
    let run = world.find(run_id).await;
    assert_eq!(run.state, RunState::Queued);
    let steps = world.client.steps(run_id).await.unwrap();
    assert_eq!(steps.last().unwrap().name, "wait", "the step in flight was finished");
    let second = Running::spawn(builder());
    let run = world.ended(run_id).await;
    assert_eq!(run.state, RunState::Succeeded);
    assert!(
        run.ended_at.unwrap() - run.wake_at < chrono::TimeDelta::seconds(5),
        "no lease was waited for"
    );
    assert_eq!(world.effects(run_id, "quote").await, 1);
    second.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_step_that_outlasts_the_grace_period_is_given_back_uncounted(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let builder = || world.worker(ports.clone()).register::<Order>();
    let first = Running::spawn(builder().grace(Duration::from_millis(100)));
    let run_id = world.start(Order { items: 0, gated: true }).await;
    while ports.calls() < 2 {
        tokio::task::yield_now().await;
    }
    first.stop().await;
    assert_eq!(world.find(run_id).await.state, RunState::Queued);
    ports.gate.add_permits(1);
    let second = Running::spawn(builder());
    assert_eq!(world.ended(run_id).await.state, RunState::Succeeded);
    assert_eq!(world.number("select count(*) from engine.attempts").await, 0);
    second.stop().await;
}

single_step!(Counting, AT_ONCE, |ports| {
    ports.called();
    Ok(json!(null))
});

#[sqlx::test(migrations = false)]
async fn a_checkpoint_outlives_a_database_that_drops_its_connections(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let worker = Running::spawn(
        world.worker(ports.clone()).register::<Order>().lease(Duration::from_secs(1)),
    );
    let run_id = world.start(Order { items: 1, gated: true }).await;
    while ports.calls() < 2 {
        tokio::task::yield_now().await;
    }
    sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'engine_test_app' and datname = current_database()")
        .execute(&world.owner)
        .await
        .unwrap();
    ports.gate.add_permits(2);
    let run = world.ended(run_id).await;
    assert_eq!(run.state, RunState::Succeeded, "{:?}", run.error);
    assert_eq!(world.effects(run_id, "charge").await, 1);
    let after = world.ended(world.start(Order::default()).await).await;
    assert_eq!(after.state, RunState::Succeeded);
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn every_run_of_a_burst_over_three_workers_is_driven_once(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let workers: Vec<_> = (0..3)
        .map(|_| Running::spawn(world.worker(ports.clone()).register::<Counting>().concurrency(4)))
        .collect();
    let mut tx = world.app.begin().await.unwrap();
    let mut runs = Vec::new();
    for _ in 0..100 {
        runs.push(world.client.start(&mut tx, Counting).await.unwrap().run_id);
    }
    tx.commit().await.unwrap();
    for run_id in runs {
        let run = world.ended(run_id).await;
        assert_eq!((run.state, run.attempts), (RunState::Succeeded, 1));
    }
    assert_eq!(ports.calls(), 100);
    for worker in workers {
        worker.stop().await;
    }
}
