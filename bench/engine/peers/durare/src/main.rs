//! durare, the community's DBOS for Rust: a queue polled every 10 ms for starts from another process, `start` in the process
//! itself, and for throughput both a queue and direct starts.
//!
//! `durare-bench migrate|serve|enqueue URL`, `durare-bench load URL STEPS RUNS`, `durare-bench drain URL STEPS RUNS queue|direct`; see
//! `../protocol.rs`.

#[path = "../../protocol.rs"]
mod protocol;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use durare::{
    Client, DurableContext, DurableEngine, PostgresProvider, Result, WorkflowOptions, WorkflowQueue,
};
use protocol::{begin, now, orders, say, seconds_since};
use serde_json::json;
use tokio::sync::Notify;

const LATENCY_POLL: Duration = Duration::from_millis(10);
const DRAIN_POLL: Duration = Duration::from_millis(50);
const WORKER_CONCURRENCY: usize = 100;
const LOADERS: usize = 16;
const IN_FLIGHT: usize = 64;

static FIRST: AtomicI64 = AtomicI64::new(0);
static LEFT: AtomicUsize = AtomicUsize::new(usize::MAX);
static LAST: Notify = Notify::const_new();

fn begun() {
    let _ = FIRST.compare_exchange(0, now(), Ordering::Relaxed, Ordering::Relaxed);
}

fn ended() {
    if LEFT.fetch_sub(1, Ordering::SeqCst) == 1 {
        LAST.notify_one();
    }
}

#[durare::step]
async fn noop(ctx: &DurableContext, value: i64) -> Result<i64> {
    Ok(value)
}

#[durare::workflow]
async fn timed(_ctx: DurableContext, number: i64) -> Result<i64> {
    let at = now();
    say(&json!({"started": number, "at": at}));
    Ok(number)
}

#[durare::workflow]
async fn one(ctx: DurableContext, number: i64) -> Result<i64> {
    begun();
    let value = noop(&ctx, number).await?;
    ended();
    Ok(value)
}

#[durare::workflow]
async fn ten(ctx: DurableContext, number: i64) -> Result<i64> {
    begun();
    for value in 0..10 {
        noop(&ctx, value).await?;
    }
    ended();
    Ok(number)
}

async fn engine(url: &str) -> DurableEngine {
    let builder = DurableEngine::connect(url).await.expect("a database");
    builder.build().await.expect("an engine")
}

async fn serve(url: &str) {
    let mut engine = engine(url).await;
    engine.register_queue(WorkflowQueue::new("q").base_polling_interval(LATENCY_POLL));
    engine.launch().await.expect("a launch");
    say(&json!({"ready": true}));
    let mut orders = orders();
    while let Some(order) = orders.recv().await {
        let number: i64 = order.parse().expect("a number");
        let from = now();
        let options = WorkflowOptions::with_id(format!("direct-{number}"));
        engine.start::<_, i64>("timed", number, options).await.expect("a start");
        say(&json!({"enqueued": number, "from": from}));
    }
}

async fn enqueue(url: &str) {
    let provider = PostgresProvider::connect(url).await.expect("a database");
    let client = Client::new(Arc::new(provider));
    say(&json!({"ready": true}));
    let mut orders = orders();
    while let Some(order) = orders.recv().await {
        let number: i64 = order.parse().expect("a number");
        let from = now();
        let options = WorkflowOptions::with_id(format!("queued-{number}"));
        client.enqueue::<_, i64>("q", "timed", number, options).await.expect("an enqueue");
        say(&json!({"enqueued": number, "from": from}));
    }
}

fn name(steps: usize) -> &'static str {
    if steps == 1 { "one" } else { "ten" }
}

async fn load(url: &str, steps: usize, runs: usize) {
    let mut engine = engine(url).await;
    engine.register_queue(WorkflowQueue::new("q")); // not launched: nobody works on it here
    let from = now();
    starts(Arc::new(engine), name(steps), runs, LOADERS, true).await;
    say(&json!({"loaded": runs, "seconds": seconds_since(from)}));
}

/// Starts all runs from so many tasks; those that are not queued are waited for, one by one.
async fn starts(
    engine: Arc<DurableEngine>,
    name: &'static str,
    runs: usize,
    tasks: usize,
    queued: bool,
) {
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = Vec::new();
    for _ in 0..tasks {
        let (engine, next) = (engine.clone(), next.clone());
        callers.push(tokio::spawn(async move {
            while let number = next.fetch_add(1, Ordering::Relaxed)
                && number < runs
            {
                let options = WorkflowOptions::with_id(format!("run-{number}"));
                let options = if queued { options.queue("q") } else { options };
                let run = engine.start::<_, i64>(name, number as i64, options).await;
                let run = run.expect("a start");
                if !queued {
                    run.result().await.expect("a result");
                }
            }
        }));
    }
    for caller in callers {
        caller.await.expect("no panic");
    }
}

async fn drain(url: &str, steps: usize, runs: usize, mode: &str) {
    LEFT.store(runs, Ordering::SeqCst);
    let mut engine = engine(url).await;
    let queued = mode == "queue";
    if queued {
        let queue = WorkflowQueue::new("q").base_polling_interval(DRAIN_POLL);
        engine.register_queue(queue.worker_concurrency(WORKER_CONCURRENCY));
    } else {
        engine.launch().await.expect("a launch");
    }
    let pool = sqlx::PgPool::connect(url).await.expect("a database");
    begin().await;
    let from = now();
    if queued {
        engine.launch().await.expect("a launch");
        LAST.notified().await;
    } else {
        starts(Arc::new(engine), name(steps), runs, IN_FLIGHT, false).await;
    }
    let unfinished = "select exists (select from dbos.workflow_status where status <> 'SUCCESS')";
    while sqlx::query_scalar::<_, bool>(unfinished).fetch_one(&pool).await.expect("a count") {
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
        "migrate" => drop(engine(&arguments[1]).await), // building it makes the tables
        "serve" => serve(&arguments[1]).await,
        "enqueue" => enqueue(&arguments[1]).await,
        "load" => load(&arguments[1], number(2), number(3)).await,
        "drain" => drain(&arguments[1], number(2), number(3), &arguments[4]).await,
        other => panic!("no such command: {other}"),
    }
    std::process::exit(0); // its services run for ever
}
