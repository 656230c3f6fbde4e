//! Starting runs, and which worker may take them.

use engine::{Context, Error, Failure, RunState, Workflow};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use crate::order::{Order, Ports};
use crate::world::{Running, World};

#[sqlx::test(migrations = false)]
async fn a_start_exists_if_and_only_if_the_caller_commits(pool: PgPool) {
    let world = World::new(pool).await;
    let mut tx = world.app.begin().await.unwrap();
    let rolled_back = world.client.start(&mut tx, Order::default()).await.unwrap();
    tx.rollback().await.unwrap();
    assert!(world.client.find(rolled_back.run_id).await.unwrap().is_none());
    assert_eq!(world.number("select count(*) from apalis.jobs").await, 0);

    let run_id = world.start(Order::default()).await;
    assert_eq!(world.find(run_id).await.state, RunState::Queued);
    assert_eq!(world.number("select count(*) from apalis.jobs").await, 1);
}

#[sqlx::test(migrations = false)]
async fn a_wake_up_is_due_for_the_database_too_whose_clock_is_another(pool: PgPool) {
    let world = World::new(pool).await;
    world.start(Order::default()).await;
    let soon = "select count(*) from apalis.jobs where run_at > now() - interval '30 seconds'";
    assert_eq!(world.number(soon).await, 0, "a wake-up that is due later is not notified");
    assert_eq!(world.number("select count(*) from apalis.jobs").await, 1);
}

#[sqlx::test(migrations = false)]
async fn the_same_idempotency_key_answers_with_the_same_run(pool: PgPool) {
    let world = World::new(pool).await;
    let mut runs = Vec::new();
    for items in [1, 2] {
        let mut tx = world.app.begin().await.unwrap();
        let order = Order { items, ..Order::default() };
        let start = world.client.start(&mut tx, order).idempotency_key("k").key("tenant");
        runs.push(start.trace("request 7").await.unwrap());
        tx.commit().await.unwrap();
    }
    assert!(runs[0].created && !runs[1].created);
    assert_eq!(runs[0].run_id, runs[1].run_id);
    let run = world.find(runs[0].run_id).await;
    assert_eq!((run.key.as_deref(), run.trace.as_deref()), (Some("tenant"), Some("request 7")));
    assert_eq!(world.number("select count(*) from engine.runs").await, 1);
    assert_eq!(world.number("select count(*) from apalis.jobs").await, 1);
}

#[sqlx::test(migrations = false)]
async fn two_callers_with_one_key_at_the_same_moment_start_one_run(pool: PgPool) {
    let world = World::new(pool).await;
    let starts = (0..6).map(|_| async {
        let mut tx = world.app.begin().await.unwrap();
        let started =
            world.client.start(&mut tx, Order::default()).idempotency_key("k").await.unwrap();
        tx.commit().await.unwrap();
        started
    });
    let started = futures_util::future::join_all(starts).await;
    assert_eq!(started.iter().filter(|started| started.created).count(), 1);
    assert!(started.iter().all(|one| one.run_id == started[0].run_id));
}

#[sqlx::test(migrations = false)]
async fn a_run_ends_with_its_typed_output_and_a_journal(pool: PgPool) {
    let world = World::new(pool).await;
    let worker = Running::spawn(world.worker(Ports::new(world.app.clone())).register::<Order>());
    let run_id = world.start(Order { items: 2, gated: false }).await;
    let run = world.ended(run_id).await;
    assert_eq!(run.state, RunState::Succeeded, "{:?}", run.error);
    assert_eq!(run.attempts, 1);
    let output = world.client.output::<Order>(run_id).await.unwrap();
    assert_eq!(output.as_deref(), Some("charged 200"));
    let progress = run.progress.unwrap();
    assert_eq!((progress.step.as_str(), progress.done, progress.total), ("ship", 2, 2));
    let steps = world.client.steps(run_id).await.unwrap();
    let names: Vec<_> = steps
        .iter()
        .map(|step| (step.name.as_str(), step.occurrence, step.kind.as_str()))
        .collect();
    assert_eq!(
        names,
        [("quote", 0, "step"), ("charge", 0, "step_tx"), ("ship", 0, "step"), ("ship", 1, "step")]
    );
    let attempts = world.client.attempts(run_id).await.unwrap();
    assert_eq!(attempts.len(), 4);
    assert!(attempts.iter().all(|attempt| attempt.attempt == 1 && attempt.error.is_none()));
    worker.stop().await;
}

/// The next version of [`Order`].
#[derive(Serialize, Deserialize)]
struct OrderTwo {
    item: String,
}

impl Workflow for OrderTwo {
    const NAME: &'static str = Order::NAME;
    const VERSION: u32 = 2;
    type Output = String;
    type Ports = Ports;

    async fn run(self, _: &mut Context<Ports>) -> Result<String, Failure> {
        Ok(self.item)
    }
}

#[sqlx::test(migrations = false)]
async fn a_worker_claims_only_the_versions_it_knows(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let old = world.start(Order::default()).await;
    let new = world.start(OrderTwo { item: "tea".into() }).await;
    let worker = Running::spawn(world.worker(ports.clone()).register::<OrderTwo>());
    assert_eq!(world.ended(new).await.state, RunState::Succeeded);
    let untouched = world.find(old).await;
    assert_eq!((untouched.state, untouched.attempts), (RunState::Queued, 0));
    worker.stop().await;
    let both = world.worker(ports).register::<OrderTwo>().register::<Order>();
    let worker = Running::spawn(both);
    assert_eq!(world.ended(old).await.state, RunState::Succeeded);
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn an_input_that_does_not_parse_fails_the_run_instead_of_looping(pool: PgPool) {
    let world = World::new(pool).await;
    let run_id = world.start(OrderTwo { item: "tea".into() }).await;
    sqlx::query("update engine.runs set input = '{\"items\": 3}'")
        .execute(&world.owner)
        .await
        .unwrap();
    let worker = Running::spawn(world.worker(Ports::new(world.app.clone())).register::<OrderTwo>());
    let run = world.ended(run_id).await;
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(run.attempts, 1);
    assert_eq!(run.error.unwrap().code.as_deref(), Some("invalid_input"));
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn an_input_over_256_kib_is_refused_with_the_way_out(pool: PgPool) {
    let world = World::new(pool).await;
    let mut tx = world.app.begin().await.unwrap();
    let refused =
        world.client.start(&mut tx, OrderTwo { item: "x".repeat(256 * 1024) }).await.unwrap_err();
    assert!(matches!(refused, Error::TooLarge { limit: 262_144, .. }));
    assert!(refused.to_string().contains("keep large data in storage"));
}

#[sqlx::test(migrations = false)]
async fn hostile_text_travels_through_input_and_output_unchanged(pool: PgPool) {
    let world = World::new(pool).await;
    let item = "nul \0, bidi \u{202e}, quote \", \u{fffd}".to_owned();
    let run_id = world.start(OrderTwo { item: item.clone() }).await;
    let worker = Running::spawn(world.worker(Ports::new(world.app.clone())).register::<OrderTwo>());
    assert_eq!(world.ended(run_id).await.state, RunState::Succeeded);
    assert_eq!(world.client.output::<OrderTwo>(run_id).await.unwrap(), Some(item));
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_worker_that_is_put_together_wrongly_says_everything_that_is_wrong(pool: PgPool) {
    let world = World::new(pool).await;
    let built = world
        .worker(Ports::new(world.app.clone()))
        .register::<Order>()
        .register::<Order>()
        .concurrency(0)
        .build();
    let message = built.err().unwrap().to_string();
    assert!(message.contains("test.order version 1 is registered twice"), "{message}");
    assert!(message.contains("concurrency is 0"), "{message}");
}
