//! Cancelling, and the hook in the transaction that ends a run.

use std::sync::atomic::Ordering;

use engine::{Context, End, Error, Failure, Policy, RunState, Workflow};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::order::{Order, Ports};
use crate::single_step;
use crate::world::{Running, World, effect};

#[sqlx::test(migrations = false)]
async fn a_cancelled_run_stops_in_its_step_and_ends_with_its_hook(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let worker = Running::spawn(world.worker(ports.clone()).register::<Order>());
    let run_id = world.start(Order { items: 1, gated: true }).await;
    while ports.calls() < 2 {
        tokio::task::yield_now().await;
    }
    assert!(world.cancel(run_id).await);
    let run = world.ended(run_id).await;
    assert_eq!(run.state, RunState::Cancelled);
    assert!(run.cancel_requested && run.error.is_none());
    assert_eq!(world.effects(run_id, "ended cancelled").await, 1);
    assert_eq!(world.effects(run_id, "charge").await, 0);
    assert!(!world.cancel(run_id).await, "it is over");
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_run_that_nobody_has_taken_up_is_cancelled_before_its_first_step(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let later = chrono::TimeDelta::hours(5);
    let mut tx = world.app.begin().await.unwrap();
    let run_at = world.clock.now() + later;
    let started = world.client.start(&mut tx, Order::default()).run_at(run_at).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.find(started.run_id).await.state, RunState::Waiting);
    world.cancel(started.run_id).await;
    let worker = Running::spawn(world.worker(ports.clone()).register::<Order>());
    assert_eq!(world.ended(started.run_id).await.state, RunState::Cancelled);
    assert_eq!(ports.calls(), 0);
    worker.stop().await;
}

single_step!(Hopeful, Policy::new().backoff(HOURS, HOURS), |ports| {
    ports.called();
    ports.gate.acquire().await.map_err(Failure::permanent)?.forget();
    Err(Failure::transient("not today"))
});

const HOURS: std::time::Duration = std::time::Duration::from_hours(500);

#[sqlx::test(migrations = false)]
async fn a_cancel_that_meets_a_failing_attempt_does_not_wait_out_the_backoff(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let worker = Running::spawn(world.worker(ports.clone()).register::<Hopeful>());
    let run_id = world.start(Hopeful).await;
    while ports.calls() < 1 {
        tokio::task::yield_now().await;
    }
    world.cancel(run_id).await;
    ports.gate.add_permits(1);
    assert_eq!(world.ended(run_id).await.state, RunState::Cancelled);
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_paused_run_waits_until_it_is_resumed_and_can_be_cancelled(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let (one, other) = (world.start(Order::default()).await, world.start(Order::default()).await);
    let mut conn = world.app.acquire().await.unwrap();
    for run_id in [one, other] {
        assert!(world.client.pause(&mut conn, run_id).await.unwrap());
    }
    let worker = Running::spawn(world.worker(ports.clone()).register::<Order>());
    world.ended(world.start(Order::default()).await).await;
    assert_eq!(world.find(one).await.state, RunState::Paused);
    assert!(world.client.resume(&mut conn, one).await.unwrap());
    assert_eq!(world.ended(one).await.state, RunState::Succeeded);
    assert!(!world.client.resume(&mut conn, one).await.unwrap(), "it is over");
    assert!(!world.client.pause(&mut conn, one).await.unwrap(), "it is over");
    world.cancel(other).await;
    assert_eq!(world.ended(other).await.state, RunState::Cancelled);
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn an_unknown_run_cannot_be_cancelled(pool: PgPool) {
    let world = World::new(pool).await;
    let mut conn = world.app.acquire().await.unwrap();
    let refused = world.client.cancel(&mut conn, Uuid::nil()).await;
    assert!(matches!(refused, Err(Error::UnknownRun(_))));
}

/// Fails at once; its hook fails as its input says.
#[derive(Serialize, Deserialize)]
struct Hooked {
    transient_failures: u32,
    permanent: bool,
}

static HOOKS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

impl Workflow for Hooked {
    const NAME: &'static str = "test.hooked";
    type Output = ();
    type Ports = Ports;

    async fn run(self, _: &mut Context<Ports>) -> Result<(), Failure> {
        Err(Failure::permanent("as it must"))
    }

    fn on_end<'a>(
        input: Self,
        tx: &'a mut PgConnection,
        end: &'a End,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            effect(tx, end.run_id, "hook").await?;
            if input.permanent {
                return Err(Failure::permanent("this hook cannot succeed"));
            }
            if HOOKS.fetch_add(1, Ordering::SeqCst) < input.transient_failures {
                return Err(Failure::transient("not yet"));
            }
            Ok(())
        })
    }
}

#[sqlx::test(migrations = false)]
async fn a_hook_that_fails_for_a_while_ends_the_run_once_it_succeeds(pool: PgPool) {
    let world = World::new(pool).await;
    let worker = Running::spawn(world.worker(Ports::new(world.app.clone())).register::<Hooked>());
    let run_id = world.start(Hooked { transient_failures: 2, permanent: false }).await;
    assert_eq!(world.ended(run_id).await.error.unwrap().message, "as it must");
    assert_eq!(world.effects(run_id, "hook").await, 1, "failed tries left nothing");
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_hook_that_cannot_succeed_does_not_keep_the_run_alive(pool: PgPool) {
    let world = World::new(pool).await;
    let worker = Running::spawn(world.worker(Ports::new(world.app.clone())).register::<Hooked>());
    let run_id = world.start(Hooked { transient_failures: 0, permanent: true }).await;
    assert_eq!(world.ended(run_id).await.state, RunState::Failed);
    assert_eq!(world.effects(run_id, "hook").await, 0, "its writes are rolled back");
    worker.stop().await;
}
