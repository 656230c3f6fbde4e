//! Attempts: panics, deadlines, backoff, and what stays on record.

use std::time::Duration;

use engine::{Failure, FailureKind, Policy, RunState};
use serde_json::json;
use sqlx::PgPool;

use crate::order::{AT_ONCE, Order, Ports};
use crate::single_step;
use crate::world::{Running, World};

#[derive(Debug, thiserror::Error)]
#[error("the shop is closed")]
struct Closed(#[source] std::io::Error);

single_step!(Unlucky, AT_ONCE.attempts(3), |ports| {
    ports.called();
    match ports.attempt() {
        1 => panic!("slipped"),
        _ => Err(Failure::transient(Closed(std::io::Error::other("no light"))).code("closed")),
    }
});

#[sqlx::test(migrations = false)]
async fn the_last_attempt_fails_the_run_with_every_attempt_on_record(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let worker = Running::spawn(world.worker(ports.clone()).register::<Unlucky>());
    let run_id = world.start(Unlucky).await;
    let run = world.ended(run_id).await;
    let error = run.error.unwrap();
    assert_eq!((error.kind, error.step.as_deref()), (FailureKind::Transient, Some("only")));
    assert_eq!(
        (error.message.as_str(), error.causes),
        ("the shop is closed", vec!["no light".into()])
    );
    assert_eq!(error.code.as_deref(), Some("closed"));
    let attempts = world.client.attempts(run_id).await.unwrap();
    let kinds: Vec<_> = attempts.iter().map(|one| one.error.as_ref().unwrap().kind).collect();
    assert_eq!(kinds, [FailureKind::Panicked, FailureKind::Transient, FailureKind::Transient]);
    assert_eq!(attempts[0].error.as_ref().unwrap().message, "slipped");
    assert_eq!(ports.calls(), 3);
    worker.stop().await;
}

single_step!(Refused, AT_ONCE, |ports| {
    ports.called();
    Err::<serde_json::Value, _>(Failure::permanent("wrong card"))
});

#[sqlx::test(migrations = false)]
async fn a_permanent_failure_is_not_tried_again(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let worker = Running::spawn(world.worker(ports.clone()).register::<Refused>());
    let run = world.ended(world.start(Refused).await).await;
    assert_eq!(run.error.unwrap().kind, FailureKind::Permanent);
    assert_eq!(ports.calls(), 1);
    worker.stop().await;
}

single_step!(Endless, AT_ONCE.attempts(2).timeout(Duration::from_secs(30)), |ports| {
    ports.called();
    std::future::pending::<()>().await;
    Ok(json!(null))
});

#[sqlx::test(migrations = false)]
async fn an_attempt_that_takes_too_long_is_dropped_and_counts(pool: PgPool) {
    let (world, clock) = World::frozen(pool).await;
    let ports = Ports::new(world.app.clone());
    let worker = Running::spawn(
        world.worker(ports.clone()).register::<Endless>().lease(Duration::from_hours(1)),
    );
    let run_id = world.start(Endless).await;
    for calls in 1..=2 {
        while ports.calls() < calls {
            tokio::task::yield_now().await;
        }
        world.until(run_id, |run| run.state == RunState::Running).await;
        clock.advance(Duration::from_secs(30));
    }
    let run = world.ended(run_id).await;
    assert_eq!(run.error.unwrap().kind, FailureKind::TimedOut);
    assert_eq!(world.client.attempts(run_id).await.unwrap().len(), 2);
    worker.stop().await;
}

single_step!(
    Patient,
    Policy::new().attempts(20).backoff(Duration::from_hours(2), Duration::from_hours(2)),
    |ports| {
        ports.called();
        if ports.attempt() == 1 {
            Err(Failure::transient("later"))
        } else {
            Ok(json!(ports.attempt()))
        }
    }
);

#[sqlx::test(migrations = false)]
async fn a_run_that_backs_off_holds_no_slot_and_comes_back_on_time(pool: PgPool) {
    let (world, clock) = World::frozen(pool).await;
    let ports = Ports::new(world.app.clone());
    let builder = world.worker(ports.clone()).register::<Patient>().register::<Order>();
    let worker = Running::spawn(builder.concurrency(1));
    let patient = world.start(Patient).await;
    let waiting = world.until(patient, |run| run.state == RunState::Waiting).await;
    let other = world.start(Order::default()).await;
    assert_eq!(world.ended(other).await.state, RunState::Succeeded);
    clock.set(waiting.wake_at.unwrap() - chrono::TimeDelta::milliseconds(1));
    let again = world.start(Order::default()).await;
    world.ended(again).await;
    assert_eq!(world.find(patient).await.state, RunState::Waiting, "never early");
    clock.set(waiting.wake_at.unwrap());
    assert_eq!(world.ended(patient).await.output, Some(json!(2)));
    worker.stop().await;
}
