//! DBOS for Rust (crate `dbos`), in the modes in which it was fastest: a queue polled every 10 ms for starts from another
//! process, and `run`/`start` in the process itself.
//!
//! `dbos-rs-bench migrate|serve|enqueue URL`, `dbos-rs-bench drain URL STEPS RUNS IN_FLIGHT`; see `../protocol.rs`.

#[path = "../../protocol.rs"]
mod protocol;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use dbos::{Client, ClientConfig, Config, DBOS, QueueConflict, QueueOptions, step};
use protocol::{begin, now, orders, say, seconds_since};
use serde_json::json;

const POLL: Duration = Duration::from_millis(10);
/// The poll interval begins at a second and shrinks by a tenth with each poll.
const SETTLING: Duration = Duration::from_secs(13);
const CONNECTIONS: u32 = 20;

static FIRST: AtomicI64 = AtomicI64::new(0);

async fn noop(value: i64) -> dbos::Result<i64> {
    Ok(value)
}

async fn timed(number: i64) -> dbos::Result<i64> {
    let at = now();
    say(&json!({"started": number, "at": at}));
    Ok(number)
}

async fn one(number: i64) -> dbos::Result<i64> {
    let _ = FIRST.compare_exchange(0, now(), Ordering::Relaxed, Ordering::Relaxed);
    step("noop", || noop(number)).await
}

async fn ten(number: i64) -> dbos::Result<i64> {
    let _ = FIRST.compare_exchange(0, now(), Ordering::Relaxed, Ordering::Relaxed);
    for value in 0..10 {
        step("noop", || noop(value)).await?;
    }
    Ok(number)
}

fn instance(url: &str) -> DBOS {
    DBOS::new(Config {
        app_version: Some("v1".into()),
        max_connections: CONNECTIONS,
        ..Config::new("bench", url)
    })
}

async fn serve(url: &str) {
    let dbos = instance(url);
    let timed = dbos.register_workflow("timed", timed).expect("a new name");
    dbos.launch().await.expect("a database");
    let options = QueueOptions { polling_interval: POLL, ..QueueOptions::default() };
    dbos.register_queue("q", options, QueueConflict::AlwaysUpdate).await.expect("a queue");
    tokio::time::sleep(SETTLING).await;
    say(&json!({"ready": true}));
    let mut orders = orders();
    while let Some(order) = orders.recv().await {
        let number: i64 = order.parse().expect("a number");
        let from = now();
        timed.start(number).await.expect("a start");
        say(&json!({"enqueued": number, "from": from}));
    }
}

async fn enqueue(url: &str) {
    let client =
        Client::connect(ClientConfig { app_name: Some("bench".into()), ..ClientConfig::new(url) })
            .await
            .expect("a database");
    say(&json!({"ready": true}));
    let mut orders = orders();
    while let Some(order) = orders.recv().await {
        let number: i64 = order.parse().expect("a number");
        let from = now();
        client.enqueue::<_, i64, dbos::Error>("timed", "q", number).await.expect("an enqueue");
        say(&json!({"enqueued": number, "from": from}));
    }
}

async fn drain(url: &str, steps: usize, runs: usize, in_flight: usize) {
    let dbos = instance(url);
    let one = dbos.register_workflow("one", one).expect("a new name");
    let ten = dbos.register_workflow("ten", ten).expect("a new name");
    dbos.launch().await.expect("a database");
    let workflow = Arc::new(if steps == 1 { one } else { ten });
    begin().await;
    let from = now();
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = Vec::new();
    for _ in 0..in_flight {
        let (workflow, next) = (workflow.clone(), next.clone());
        callers.push(tokio::spawn(async move {
            while let number = next.fetch_add(1, Ordering::Relaxed)
                && number < runs
            {
                workflow.run(number as i64).await.expect("a run");
            }
        }));
    }
    for caller in callers {
        caller.await.expect("no panic");
    }
    let seconds = seconds_since(FIRST.load(Ordering::Relaxed));
    say(&json!({"drained": runs, "seconds": seconds, "seconds_from_order": seconds_since(from)}));
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| arguments[index].parse().expect("a number");
    match arguments[0].as_str() {
        "migrate" => instance(&arguments[1]).launch().await.expect("a database"),
        "serve" => serve(&arguments[1]).await,
        "enqueue" => enqueue(&arguments[1]).await,
        "drain" => drain(&arguments[1], number(2), number(3), number(4)).await,
        other => panic!("no such command: {other}"),
    }
    std::process::exit(0); // its services run for ever
}
