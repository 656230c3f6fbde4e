//! underway: jobs of one step and of ten, woken by LISTEN/NOTIFY. Its throughput is highest while jobs are still being added,
//! so `drain` enqueues and works at the same time.
//!
//! `underway-bench migrate|serve|enqueue URL`, `underway-bench drain URL STEPS RUNS WORKERS`; see `../protocol.rs`.

#[path = "../../protocol.rs"]
mod protocol;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use protocol::{begin, now, orders, say, seconds_since};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::Notify;
use underway::{Job, To};

const LOADERS: usize = 8;

static FIRST: AtomicI64 = AtomicI64::new(0);
static LEFT: AtomicUsize = AtomicUsize::new(usize::MAX);
static LAST: Notify = Notify::const_new();

#[derive(Clone, Serialize, Deserialize)]
struct Number {
    number: i64,
}

fn begun() {
    let _ = FIRST.compare_exchange(0, now(), Ordering::Relaxed, Ordering::Relaxed);
}

fn ended() {
    if LEFT.fetch_sub(1, Ordering::SeqCst) == 1 {
        LAST.notify_one();
    }
}

async fn migrated(url: &str, connections: u32) -> PgPool {
    let pool = PgPoolOptions::new().max_connections(connections).connect(url).await;
    let pool = pool.expect("a database");
    underway::run_migrations(&pool).await.expect("its tables");
    pool
}

async fn timed(pool: PgPool) -> Job<Number, ()> {
    let job = Job::builder().step(|_, Number { number }| async move {
        let at = now();
        say(&json!({"started": number, "at": at}));
        To::done()
    });
    job.name("timed").pool(pool).build().await.expect("a queue")
}

async fn one(pool: PgPool) -> Job<Number, ()> {
    let job = Job::builder().step(|_, Number { .. }| async move {
        begun();
        ended();
        To::done()
    });
    job.name("one").pool(pool).build().await.expect("a queue")
}

async fn ten(pool: PgPool) -> Job<Number, ()> {
    let job = Job::builder()
        .step(|_, next: Number| async move {
            begun();
            To::next(next)
        })
        .step(|_, next: Number| async move { To::next(next) })
        .step(|_, next: Number| async move { To::next(next) })
        .step(|_, next: Number| async move { To::next(next) })
        .step(|_, next: Number| async move { To::next(next) })
        .step(|_, next: Number| async move { To::next(next) })
        .step(|_, next: Number| async move { To::next(next) })
        .step(|_, next: Number| async move { To::next(next) })
        .step(|_, next: Number| async move { To::next(next) })
        .step(|_, _: Number| async move {
            ended();
            To::done()
        });
    job.name("ten").pool(pool).build().await.expect("a queue")
}

async fn serve(url: &str) {
    let job = timed(migrated(url, 10).await).await;
    let worker = job.worker();
    tokio::spawn(async move { worker.run().await });
    say(&json!({"ready": true}));
    enqueue_as_ordered(&job).await;
}

async fn enqueue(url: &str) {
    let job = timed(migrated(url, 2).await).await;
    say(&json!({"ready": true}));
    enqueue_as_ordered(&job).await;
}

async fn enqueue_as_ordered(job: &Job<Number, ()>) {
    let mut orders = orders();
    while let Some(order) = orders.recv().await {
        let number: i64 = order.parse().expect("a number");
        let from = now();
        job.enqueue(&Number { number }).await.expect("an enqueue");
        say(&json!({"enqueued": number, "from": from}));
    }
}

async fn drain(url: &str, steps: usize, runs: usize, workers: usize) {
    LEFT.store(runs, Ordering::SeqCst);
    let connections = u32::try_from(workers * 2 + LOADERS).expect("few workers");
    let pool = migrated(url, connections).await;
    let job = if steps == 1 { one(pool.clone()).await } else { ten(pool.clone()).await };
    let mut worker = job.worker();
    worker.set_concurrency_limit(workers);
    begin().await;
    let from = now();
    tokio::spawn(async move { worker.run().await });
    let next = Arc::new(AtomicUsize::new(0));
    let mut loaders = Vec::new();
    for _ in 0..LOADERS {
        let (job, next) = (job.clone(), next.clone());
        loaders.push(tokio::spawn(async move {
            while let number = next.fetch_add(1, Ordering::Relaxed)
                && number < runs
            {
                job.enqueue(&Number { number: number as i64 }).await.expect("an enqueue");
            }
        }));
    }
    for loader in loaders {
        loader.await.expect("no panic");
    }
    LAST.notified().await;
    // Each step is a task of its own, and rows of early steps may be gone already: the last step's tell how many have ended.
    let finished = "select count(*) from underway.task where state = 'succeeded' and (input->>'step_index')::bigint = $1 - 1";
    let (steps, runs_wanted) = (steps as i64, runs as i64);
    let count = || sqlx::query_scalar::<_, i64>(finished).bind(steps).fetch_one(&pool);
    while count().await.expect("a count") < runs_wanted {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let seconds = seconds_since(FIRST.load(Ordering::Relaxed));
    say(&json!({"drained": runs, "seconds": seconds, "seconds_from_order": seconds_since(from)}));
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| arguments[index].parse().expect("a number");
    match arguments[0].as_str() {
        "migrate" => drop(migrated(&arguments[1], 1).await),
        "serve" => serve(&arguments[1]).await,
        "enqueue" => enqueue(&arguments[1]).await,
        "drain" => drain(&arguments[1], number(2), number(3), number(4)).await,
        other => panic!("no such command: {other}"),
    }
    std::process::exit(0); // its services run for ever
}
