//! Whose turn it is: priorities, keys in turn, limits across workers.

use std::collections::HashMap;
use std::sync::Mutex;

use engine::{Context, Failure, Limits, RunState, Workflow};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use crate::order::AT_ONCE;
use crate::world::{Running, World};

/// What runs left behind, in the order in which they began, and how many were at work at a time.
#[derive(Default)]
struct Log {
    begun: Mutex<Vec<String>>,
    at_work: Mutex<HashMap<String, u32>>,
    most: Mutex<HashMap<String, u32>>,
}

impl Log {
    fn enter(&self, key: &str) {
        self.begun.lock().unwrap().push(key.to_owned());
        for key in [key, ""] {
            let mut at_work = self.at_work.lock().unwrap();
            let now = at_work.entry(key.to_owned()).or_default();
            *now += 1;
            let mut most = self.most.lock().unwrap();
            let most = most.entry(key.to_owned()).or_default();
            *most = (*most).max(*now);
        }
    }

    fn leave(&self, key: &str) {
        for key in [key, ""] {
            *self.at_work.lock().unwrap().get_mut(key).unwrap() -= 1;
        }
    }

    fn begun(&self) -> Vec<String> {
        self.begun.lock().unwrap().clone()
    }
}

macro_rules! logged {
    ($name:ident, $limits:expr) => {
        logged!($name, concat!("test.", stringify!($name)), 1, $limits);
    };
    ($name:ident, $kind:expr, $version:expr, $limits:expr) => {
        #[derive(Serialize, Deserialize)]
        struct $name(String);

        impl Workflow for $name {
            const NAME: &'static str = $kind;
            const VERSION: u32 = $version;
            const LIMITS: Limits = $limits;
            type Output = ();
            type Ports = Log;

            async fn run(self, cx: &mut Context<Log>) -> Result<(), Failure> {
                let key = &self.0;
                cx.step("work", AT_ONCE, |log| async move {
                    log.enter(key);
                    for _ in 0..20 {
                        tokio::task::yield_now().await;
                    }
                    log.leave(key);
                    Ok(())
                })
                .await
            }
        }
    };
}

logged!(Free, Limits::NONE);
logged!(Zebra, Limits::NONE);
logged!(Narrow, Limits::NONE.running(3).running_per_key(2));
logged!(Old, "test.versions", 1, Limits::NONE.running_per_key(2));
logged!(New, "test.versions", 2, Limits::NONE.running_per_key(2));

async fn start(world: &World, key: &str, runs: usize, priority: i32) {
    let mut tx = world.app.begin().await.unwrap();
    let many = (0..runs).map(|_| Free(key.to_owned()));
    world.client.start_many(&mut tx, many).key(key).priority(priority).await.unwrap();
    tx.commit().await.unwrap();
}

async fn drained(world: &World) {
    while world.number("select count(*) from engine.runs where ended_at is null").await > 0 {
        tokio::task::yield_now().await;
    }
}

#[sqlx::test(migrations = false)]
async fn one_key_with_many_runs_does_not_delay_the_single_run_of_another(pool: PgPool) {
    let world = World::new(pool).await;
    start(&world, "big", 500, 0).await;
    start(&world, "small", 1, 0).await;
    start(&world, "tiny", 2, 0).await;
    let log = std::sync::Arc::new(Log::default());
    let worker = Running::spawn(world.worker(log.clone()).register::<Free>().concurrency(1));
    drained(&world).await;
    let begun = log.begun();
    let first: Vec<_> = begun.iter().take(5).map(String::as_str).collect();
    assert_eq!(first, ["big", "small", "tiny", "big", "tiny"], "the keys are served in turn");
    assert_eq!(begun.len(), 503);
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_workflow_with_many_runs_does_not_delay_another_workflow(pool: PgPool) {
    let world = World::new(pool).await;
    start(&world, "many", 50, 0).await;
    let mut tx = world.app.begin().await.unwrap();
    world.client.start(&mut tx, Zebra("zebra".to_owned())).await.unwrap();
    tx.commit().await.unwrap();
    let log = std::sync::Arc::new(Log::default());
    let builder = world.worker(log.clone()).register::<Free>().register::<Zebra>();
    let worker = Running::spawn(builder.concurrency(1));
    drained(&world).await;
    let place = log.begun().iter().position(|key| key == "zebra").unwrap();
    assert!(place <= 1, "it was served at place {place}");
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_higher_priority_goes_first(pool: PgPool) {
    let world = World::new(pool).await;
    start(&world, "low", 3, -1).await;
    start(&world, "high", 3, 5).await;
    let log = std::sync::Arc::new(Log::default());
    let worker = Running::spawn(world.worker(log.clone()).register::<Free>().concurrency(2));
    drained(&world).await;
    assert_eq!(log.begun()[..3], ["high", "high", "high"]);
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn limits_of_a_workflow_and_of_a_key_hold_across_workers(pool: PgPool) {
    let world = World::new(pool).await;
    let mut tx = world.app.begin().await.unwrap();
    for key in ["a", "b", "c"] {
        let many = (0..60).map(|_| Narrow(key.to_owned()));
        world.client.start_many(&mut tx, many).key(key).await.unwrap();
    }
    tx.commit().await.unwrap();
    let log = std::sync::Arc::new(Log::default());
    let worker = || world.worker(log.clone()).register::<Narrow>().concurrency(10);
    let workers = [worker(), worker(), worker()].map(Running::spawn);
    drained(&world).await;
    let most = log.most.lock().unwrap().clone();
    assert_eq!(log.begun().len(), 180);
    assert!(most[""] <= 3, "{most:?}");
    assert!(["a", "b", "c"].iter().all(|key| most[*key] <= 2), "{most:?}");
    for worker in workers {
        worker.stop().await;
    }
}

#[sqlx::test(migrations = false)]
async fn versions_of_a_workflow_share_its_limits(pool: PgPool) {
    let world = World::new(pool).await;
    let mut tx = world.app.begin().await.unwrap();
    let old = (0..20).map(|_| Old("a".to_owned()));
    world.client.start_many(&mut tx, old).key("a").await.unwrap();
    let new = (0..20).map(|_| New("a".to_owned()));
    world.client.start_many(&mut tx, new).key("a").await.unwrap();
    tx.commit().await.unwrap();
    let log = std::sync::Arc::new(Log::default());
    let worker = world.worker(log.clone()).register::<Old>().register::<New>().concurrency(10);
    let worker = Running::spawn(worker);
    drained(&world).await;
    assert_eq!((log.begun().len(), log.most.lock().unwrap()["a"]), (40, 2));
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn operators_see_what_is_due_and_who_works(pool: PgPool) {
    let world = World::new(pool).await;
    start(&world, "acme", 3, 0).await;
    let keys = world.client.queued_keys(10).await.unwrap();
    assert_eq!((keys[0].key.as_str(), keys[0].queued), ("acme", 3));
    let queue = &world.client.queues().await.unwrap()[0];
    assert_eq!((queue.queued, queue.running, queue.workers), (3, 0, 0));
    let log = std::sync::Arc::new(Log::default());
    let builder = world.worker(log).register::<Free>().program("test 1.0");
    let worker = Running::spawn(builder);
    drained(&world).await;
    while world.client.workers().await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let seen = &world.client.workers().await.unwrap()[0];
    assert_eq!((seen.program.as_str(), seen.concurrency), ("test 1.0", 8));
    assert_eq!(seen.kinds, serde_json::json!([{"workflow": "test.Free", "version": 1}]));
    let since = world.clock.now() - chrono::TimeDelta::hours(1);
    let counts = world.client.counts(since).await.unwrap();
    assert_eq!((counts[0].state, counts[0].runs), (RunState::Succeeded, 3));
    worker.stop().await;
    assert!(world.client.workers().await.unwrap().is_empty(), "it has taken its row along");
}

#[sqlx::test(migrations = false)]
async fn a_limit_holds_for_runs_that_are_started_beside_their_worker(pool: PgPool) {
    let world = World::new(pool).await;
    let log = std::sync::Arc::new(Log::default());
    let builder = world.worker(log.clone()).register::<Narrow>().concurrency(8);
    let (worker, local) = crate::local::beside(&world, builder).await;
    let starts = (0..16).map(|number| {
        let key = if number % 2 == 0 { "even" } else { "odd" };
        local.start(Narrow(key.to_owned())).key(key).into_future()
    });
    for started in futures_util::future::join_all(starts).await {
        assert!(started.unwrap().created);
    }
    drained(&world).await;
    let most = log.most.lock().unwrap().clone();
    assert!(most[""] <= 3 && most["even"] <= 2 && most["odd"] <= 2, "{most:?}");
    worker.stop().await;
}
