//! Child runs: bounded fan-out, failures, cancellation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use engine::testing::{Harness, Known, exercise};
use engine::{Client, Context, End, Failure, Outcome, RunFilter, RunState, Workflow};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use uuid::Uuid;

use crate::order::{AT_ONCE, Ports};
use crate::world::{Running, World, effect};

/// Squares a number; 13 brings bad luck.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Square(u32);

static AT_WORK: AtomicU32 = AtomicU32::new(0);
static MOST_AT_WORK: AtomicU32 = AtomicU32::new(0);

impl Workflow for Square {
    const NAME: &'static str = "test.square";
    type Output = u32;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<u32, Failure> {
        let (number, run_id) = (self.0, cx.run_id());
        if number == 13 {
            return Err(Failure::permanent("bad luck"));
        }
        cx.step("square", AT_ONCE, |_| async move {
            let at_work = AT_WORK.fetch_add(1, Ordering::SeqCst) + 1;
            MOST_AT_WORK.fetch_max(at_work, Ordering::SeqCst);
            tokio::task::yield_now().await;
            AT_WORK.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        })
        .await?;
        cx.step_tx("effect", AT_ONCE, |tx, _| {
            Box::pin(async move { effect(tx, run_id, "square").await })
        })
        .await?;
        Ok(number * number)
    }
}

/// Adds up the squares of the numbers up to `to`.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sum {
    to: u32,
    at_most: usize,
}

impl Workflow for Sum {
    const NAME: &'static str = "test.sum";
    type Output = (u32, u32);
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<(u32, u32), Failure> {
        let children = cx.spawn_all("squares", (1..=self.to).map(Square), self.at_most).await?;
        let ends = cx.join_all(children).await?;
        let failed = ends.iter().filter(|end| end.is_err()).count();
        let last = cx.spawn("one more", Square(1)).await?;
        let one = cx.join(last).await?;
        let sum: u32 = ends.into_iter().filter_map(Result::ok).sum();
        Ok((sum + one, u32::try_from(failed).map_err(Failure::permanent)?))
    }
}

#[sqlx::test(migrations = false)]
async fn a_fan_out_over_many_children_keeps_its_bound_and_brings_back_every_result(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let worker = || world.worker(ports.clone()).register::<Sum>().register::<Square>();
    let (one, other) = (worker().concurrency(20), worker().concurrency(20));
    let (one, other) = (Running::spawn(one), Running::spawn(other));
    let run_id = world.start(Sum { to: 300, at_most: 7 }).await;
    let run = world.ended(run_id).await;
    let expected: u32 = (1..=300).filter(|n| *n != 13).map(|n| n * n).sum();
    assert_eq!(run.output, Some(serde_json::json!([expected + 1, 1])));
    assert!(MOST_AT_WORK.load(Ordering::SeqCst) <= 7, "{MOST_AT_WORK:?}");
    let effects = world.number("select count(*) from effects where what = 'square'").await;
    assert_eq!(effects, 300, "299 squares and one more");
    let filter = RunFilter { parent_id: Some(run_id), ..RunFilter::default() };
    assert_eq!(world.client.list(&filter, None, 1000).await.unwrap().len(), 301);
    one.stop().await;
    other.stop().await;
}

#[sqlx::test(migrations = false)]
async fn cancelling_a_parent_cancels_the_children_that_have_not_ended(pool: PgPool) {
    let world = World::new(pool).await;
    // Nobody runs the children.
    let parents = Running::spawn(world.worker(Ports::new(world.app.clone())).register::<Sum>());
    let run_id = world.start(Sum { to: 3, at_most: 2 }).await;
    world.until(run_id, |run| run.state == RunState::Waiting).await;
    world.cancel(run_id).await;
    assert_eq!(world.ended(run_id).await.state, RunState::Cancelled);
    let children = Running::spawn(world.worker(Ports::new(world.app.clone())).register::<Square>());
    let filter = RunFilter { parent_id: Some(run_id), ..RunFilter::default() };
    for child in world.client.list(&filter, None, 10).await.unwrap() {
        assert_eq!(world.ended(child.id).await.state, RunState::Cancelled);
    }
    assert_eq!(world.number("select count(*) from effects").await, 0);
    parents.stop().await;
    children.stop().await;
}

#[derive(Serialize, Deserialize)]
struct Unlucky;

impl Workflow for Unlucky {
    const NAME: &'static str = "test.unlucky";
    type Output = u32;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<u32, Failure> {
        let child = cx.spawn("child", Square(13)).await?;
        cx.join(child).await
    }
}

#[sqlx::test(migrations = false)]
async fn the_failure_of_a_child_reaches_its_parent_with_its_cause(pool: PgPool) {
    let world = World::new(pool).await;
    let ports = Ports::new(world.app.clone());
    let worker = Running::spawn(world.worker(ports).register::<Unlucky>().register::<Square>());
    let run = world.ended(world.start(Unlucky).await).await;
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(run.error.unwrap().message, "bad luck");
    worker.stop().await;
}

struct Sums(World);

impl Harness for Sums {
    type Workflow = Sum;

    async fn make_input(&self, _: &Client) -> Uuid {
        self.0.start(Sum { to: 3, at_most: 2 }).await
    }

    fn ports(&self) -> Arc<Ports> {
        Ports::new(self.0.app.clone())
    }

    fn register(&self, known: &mut Known<Ports>) {
        known.add::<Square>();
    }

    async fn check(&self, end: &End) {
        if let Outcome::Succeeded(output) = &end.outcome {
            assert_eq!(*output, serde_json::json!([15, 0]));
            let effects: i64 = sqlx::query_scalar(
                "select count(*) from effects join engine.runs as run on run.id = effects.run_id where parent_id = $1",
            )
            .bind(end.run_id)
            .fetch_one(&self.0.app)
            .await
            .unwrap();
            assert_eq!(effects, 4, "each child has had its effect once");
        }
        let open: i64 = sqlx::query_scalar(
            "select count(*) from engine.runs where parent_id = $1 and ended_at is null and cancel_requested_at is null",
        )
        .bind(end.run_id)
        .fetch_one(&self.0.app)
        .await
        .unwrap();
        assert_eq!(open, 0, "children that go on after their parent's end");
    }
}

#[sqlx::test(migrations = false)]
async fn a_workflow_with_children_survives_everything_that_can_go_wrong(pool: PgPool) {
    let (world, clock) = World::frozen(pool).await;
    let app = world.app.clone();
    let report = exercise(&Sums(world), &app, &clock).await;
    let steps: Vec<_> = report.steps.iter().map(ToString::to_string).collect();
    assert_eq!(steps, ["squares#0", "squares#1", "one more#0", "one more#1"]);
}
