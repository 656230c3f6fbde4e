//! The cost of claims and of doing nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::{AssertSqlSafe, PgPool};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::order::{Order, Ports};
use crate::world::{Running, World};

/// A file of `sql/` as a statement that `prepare` takes: without sqlx's type overrides.
fn statement(text: &str) -> String {
    text.lines()
        .map(|line| match (line.find(" as \""), line.rfind('"')) {
            (Some(from), Some(to)) => format!("{}{}", &line[..from], &line[to + 1..]),
            _ => line.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\n")
}

async fn plan(world: &World, text: &str, parameters: &str) -> String {
    let mut conn = world.owner.acquire().await.unwrap();
    let prepare = format!("deallocate all; prepare question as {}", statement(text));
    sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *conn).await.unwrap();
    let explain = format!("explain (costs off) execute question({parameters})");
    let lines: Vec<String> =
        sqlx::query_scalar(AssertSqlSafe(explain)).fetch_all(&mut *conn).await.unwrap();
    lines.join("\n")
}

#[sqlx::test(migrations = false)]
async fn a_history_of_finished_runs_does_not_slow_a_claim(pool: PgPool) {
    let world = World::new(pool).await;
    sqlx::raw_sql(
        "insert into engine.runs (id, workflow, version, state, input, output, wake_at, created_at, ended_at)
         select gen_random_uuid(), 'test.order', 1, 'succeeded', '{}', 'null', now(), now(), now()
           from generate_series(1, 20000);
         analyze engine.runs",
    )
    .execute(&world.owner)
    .await
    .unwrap();
    let claim = plan(
        &world,
        include_str!("../../sql/claim.sql"),
        "now(), '{test.order}', '{1}', '{\"\"}', 'me', 10, '10 s', '', 0",
    )
    .await;
    assert!(claim.contains("runs_queued"), "{claim}");
    assert!(!claim.contains("Seq Scan on runs"), "{claim}");
    let sweep =
        plan(&world, include_str!("../../sql/sweep.sql"), "now(), '{test.order}', '{1}', '{}'")
            .await;
    for index in ["runs_running", "runs_waiting", "runs_queued"] {
        assert!(sweep.contains(index), "{index}: {sweep}");
    }
    assert!(!sweep.contains("Seq Scan on runs"), "{sweep}");
}

/// Counts the statements that are sent from this thread, which is the test runtime's only one.
#[derive(Clone, Default)]
struct Statements(Arc<AtomicU32>);

impl Subscriber for Statements {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[sqlx::test(migrations = false)]
async fn an_idle_worker_asks_at_most_four_times_a_second(pool: PgPool) {
    let world = World::new(pool).await;
    let statements = Statements::default();
    let _counting = tracing::subscriber::set_default(statements.clone());
    let worker = Running::spawn(world.worker(Ports::new(world.app.clone())).register::<Order>());
    world.ended(world.start(Order::default()).await).await;
    let seconds = 8;
    engine::Clock::system().sleep(Duration::from_secs(2)).await;
    let before = statements.0.load(Ordering::Relaxed);
    engine::Clock::system().sleep(Duration::from_secs(seconds)).await;
    let asked = u64::from(statements.0.load(Ordering::Relaxed) - before);
    assert!(asked > 0, "nothing was counted");
    assert!(asked <= 4 * seconds, "{asked} statements in {seconds} s");
    worker.stop().await;
}
