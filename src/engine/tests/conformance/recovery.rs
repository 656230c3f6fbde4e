//! Dead workers, lost wake-ups, lost leases, orderly shutdown.

use std::time::Duration;

use engine::{FailureKind, LOSSES, Policy, RunState};
use serde_json::json;
use sqlx::{Connection, PgPool};

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
    let builder = || world.worker(ports.clone()).register::<Order>().lease(Duration::from_secs(1));
    let (one, two) = (Running::spawn(builder()), Running::spawn(builder()));
    let run_id = world.start(Order { items: 0, gated: true }).await;
    while ports.calls() < 2 {
        tokio::task::yield_now().await;
    }
    // Several leases and sweeps long.
    engine::Clock::system().sleep(Duration::from_millis(3500)).await;
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
    engine::Clock::system().sleep(Duration::from_millis(700)).await;
    ports.gate.add_permits(1);
    engine::Clock::system().sleep(Duration::from_millis(100)).await;
    assert_eq!(ports.gate.available_permits(), 1);
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

/// Starts a run on a worker that has had nothing to do for a while; how long the run waited to be taken up.
async fn delay_when_idle(world: &World) -> chrono::TimeDelta {
    // Longer than the sweep that follows the end of a run, off the beat of the regular ones.
    engine::Clock::system().sleep(Duration::from_millis(130)).await;
    let run = world.ended(world.start(Order::default()).await).await;
    run.started_at.unwrap() - run.created_at
}

/// The median of several delays: a sweep alone would give half a second.
async fn usual_delay_when_idle(world: &World) -> chrono::TimeDelta {
    let mut delays = Vec::new();
    for _ in 0..9 {
        delays.push(delay_when_idle(world).await);
    }
    delays.sort();
    delays[4]
}

#[sqlx::test(migrations = false)]
async fn a_wake_up_starts_a_run_at_once_and_its_loss_only_delays_it(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let worker = Running::spawn(world.worker(ports.clone()).register::<Order>());
    // The first run waits for the worker's own start.
    world.ended(world.start(Order::default()).await).await;
    let delay = usual_delay_when_idle(&world).await;
    assert!(delay < chrono::TimeDelta::milliseconds(250), "median {delay}");
    worker.stop().await;

    let deaf = world.worker(ports).register::<Order>().without_wake_ups();
    let deaf = Running::spawn(deaf);
    assert!(delay_when_idle(&world).await < chrono::TimeDelta::seconds(3));
    deaf.stop().await;
}

#[sqlx::test(migrations = false)]
async fn wake_ups_come_again_after_the_database_dropped_every_connection(pool: PgPool) {
    let world = World::new(pool).await;
    let worker = Running::spawn(world.worker(Ports::new(world.app.clone())).register::<Order>());
    world.ended(world.start(Order::default()).await).await;
    for _ in 0..3 {
        world.drop_connections().await;
        engine::Clock::system().sleep(Duration::from_millis(300)).await;
    }
    let restarted = async {
        while usual_delay_when_idle(&world).await > chrono::TimeDelta::milliseconds(250) {}
    };
    let limit = Duration::from_secs(30);
    assert!(tokio::time::timeout(limit, restarted).await.is_ok(), "the worker stayed deaf");
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_row_that_somebody_locks_does_not_cost_the_other_runs_their_leases(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let lease = Duration::from_secs(1);
    let worker = Running::spawn(world.worker(ports.clone()).register::<Order>().lease(lease));
    let locked = world.start(Order { items: 0, gated: true }).await;
    let other = world.start(Order { items: 0, gated: true }).await;
    while ports.calls() < 4 {
        tokio::task::yield_now().await;
    }
    let mut tx = world.owner.begin().await.unwrap();
    sqlx::query("select from engine.runs where id = $1 for update")
        .bind(locked)
        .execute(&mut *tx)
        .await
        .unwrap();
    engine::Clock::system().sleep(lease * 3).await;
    tx.rollback().await.unwrap();
    ports.gate.add_permits(4);
    let run = world.ended(other).await;
    assert_eq!((run.state, run.attempts), (RunState::Succeeded, 1));
    assert_eq!(world.ended(locked).await.state, RunState::Succeeded);
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_row_that_somebody_locks_holds_up_the_results_of_its_own_run_alone(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let builder = world.worker(ports.clone()).register::<Order>().concurrency(30);
    let worker = Running::spawn(builder);
    let mut runs = Vec::new();
    for _ in 0..20 {
        runs.push(world.start(Order { items: 3, gated: true }).await);
    }
    while ports.calls() < 40 {
        tokio::task::yield_now().await;
    }
    let mut tx = world.owner.begin().await.unwrap();
    let locked = runs[7];
    let lock = "select from engine.runs where id = $1 for update";
    sqlx::query(lock).bind(locked).execute(&mut *tx).await.unwrap();
    ports.gate.add_permits(20);
    for run_id in runs.iter().filter(|run_id| **run_id != locked) {
        assert_eq!(world.ended(*run_id).await.state, RunState::Succeeded);
    }
    assert_eq!(world.find(locked).await.state, RunState::Running);
    tx.rollback().await.unwrap();
    let run = world.ended(locked).await;
    assert_eq!((run.state, run.attempts), (RunState::Succeeded, 1), "{:?}", run.error);
    for (what, times) in [("quote", 1), ("charge", 1), ("ship 2", 1)] {
        assert_eq!(world.effects(locked, what).await, times, "{what}");
    }
    worker.stop().await;
}

single_step!(Busy, AT_ONCE, |ports| {
    ports.called();
    // Keeps its thread, as a computation would.
    std::thread::sleep(Duration::from_millis(2500));
    Ok(json!(null))
});

/// Watches from a thread and a connection of its own whether a lease ever lapses, until every run is over.
fn lapses(options: sqlx::postgres::PgConnectOptions) -> std::thread::JoinHandle<bool> {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut conn = sqlx::PgConnection::connect_with(&options).await.unwrap();
            loop {
                let (over, lapsed): (bool, bool) = sqlx::query_as(
                    "select bool_and(ended_at is not null), coalesce(bool_or(lease_until < now()), false)
                       from engine.runs",
                )
                .fetch_one(&mut conn)
                .await
                .unwrap();
                if over || lapsed {
                    return lapsed;
                }
                engine::Clock::system().sleep(Duration::from_millis(5)).await;
            }
        })
    })
}

#[sqlx::test(migrations = false)]
async fn a_step_that_keeps_every_thread_busy_keeps_its_lease(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let run_id = world.start(Busy).await;
    let lapsed = lapses(world.owner.connect_options().as_ref().clone());
    // The test's runtime has one thread, which the step keeps.
    let lease = Duration::from_secs(1);
    let worker = Running::spawn(world.worker(ports.clone()).register::<Busy>().lease(lease));
    let run = world.ended(run_id).await;
    assert_eq!((run.state, run.attempts), (RunState::Succeeded, 1), "{:?}", run.error);
    assert!(!lapsed.join().unwrap(), "the lease lapsed while the step was at work");
    worker.stop().await;
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
        run.ended_at.unwrap() - run.wake_at.unwrap() < chrono::TimeDelta::seconds(5),
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

#[sqlx::test(migrations = false)]
async fn a_step_with_one_attempt_that_outlasts_the_grace_period_does_not_run_again(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let builder = || world.worker(ports.clone()).register::<AtMostOnce>();
    let first = Running::spawn(builder().grace(Duration::from_millis(100)));
    let run_id = world.start(AtMostOnce).await;
    while ports.calls() < 1 {
        tokio::task::yield_now().await;
    }
    first.stop().await;
    let second = Running::spawn(builder());
    let error = world.ended(run_id).await.error.unwrap();
    assert_eq!((error.kind, ports.calls()), (FailureKind::WorkerLost, 1));
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
    world.drop_connections().await;
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

#[sqlx::test(migrations = false)]
async fn a_shutdown_with_a_backlog_comes_to_its_end_and_leaves_the_rest_to_others(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let mut tx = world.app.begin().await.unwrap();
    let many = (0..500).map(|_| Order::default());
    world.client.start_many(&mut tx, many).await.unwrap();
    tx.commit().await.unwrap();
    let builder = world.worker(ports.clone()).register::<Order>().concurrency(4);
    let worker = Running::spawn(builder);
    while ports.calls() < 8 {
        tokio::task::yield_now().await;
    }
    let stopped = tokio::time::timeout(Duration::from_secs(10), worker.stop()).await;
    assert!(stopped.is_ok(), "the worker goes on claiming what it gives back");
    let held = world.number("select count(*) from engine.runs where state = 'running'").await;
    let left = world.number("select count(*) from engine.runs where state = 'queued'").await;
    assert!(held == 0 && left > 0, "{held} held, {left} left");
}
