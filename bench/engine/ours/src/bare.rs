//! Bare apalis-postgres: what the same queue reaches with nothing on top. No steps, no history, no fence.
//!
//! Invariant: it runs in the modes in which it is fastest. A mode is `BATCHxWORKERS`: jobs fetched at once, and workers in
//! this process.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::{BackendExt, BoxDynError, Monitor, TaskBuilder, WorkerBuilder};
use apalis_postgres::{Config, PostgresStorage, queries};
use engine::{Clock, Uuid};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::protocol::{begin, now, orders, say, seconds_since};
use crate::workflows::{all, begun, ended, first};

const QUEUE: &str = "bench";
/// Its listener alone can miss a wake-up; this is the interval with which its latency was best.
const POLL: Duration = Duration::from_millis(100);
/// Jobs in one insert.
const PUSHED_AT_ONCE: usize = 1000;
const LOOK: Duration = Duration::from_millis(5);
/// Connections of the pool that a drain's workers share.
const CONNECTIONS: u32 = 20;
const UNFINISHED: &str = "select exists (select from apalis.jobs where status <> 'Done')";

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Job {
    number: i64,
}

type Body = Arc<dyn Fn(Job) + Send + Sync>;

pub(crate) async fn migrate(pool: &PgPool) -> Result<(), Box<dyn Error>> {
    Ok(PostgresStorage::<()>::setup(pool).await?)
}

pub(crate) async fn serve(pool: &PgPool) -> Result<(), Box<dyn Error>> {
    let body: Body = Arc::new(|job| {
        let at = now();
        say(&json!({"started": job.number, "at": at}));
    });
    tokio::spawn(workers(pool, (1, 1), &body).run());
    push_as_ordered(pool).await
}

pub(crate) async fn enqueue(pool: &PgPool) -> Result<(), Box<dyn Error>> {
    push_as_ordered(pool).await
}

async fn push_as_ordered(pool: &PgPool) -> Result<(), Box<dyn Error>> {
    say(&json!({"ready": true}));
    let mut orders = orders();
    while let Some(order) = orders.recv().await {
        let number = order.parse()?;
        let from = now();
        push(pool, vec![number]).await?;
        say(&json!({"enqueued": number, "from": from}));
    }
    Ok(())
}

pub(crate) async fn load(pool: &PgPool, jobs: usize) -> Result<(), Box<dyn Error>> {
    let from = now();
    let mut left = jobs;
    while left > 0 {
        let pushed = left.min(PUSHED_AT_ONCE);
        push(pool, vec![1; pushed]).await?;
        left -= pushed;
    }
    say(&json!({"loaded": jobs, "seconds": seconds_since(from)}));
    Ok(())
}

async fn push(pool: &PgPool, numbers: Vec<i64>) -> Result<(), Box<dyn Error>> {
    let mut tasks = Vec::new();
    for number in numbers {
        tasks.push(TaskBuilder::new(serde_json::to_vec(&Job { number })?).build());
    }
    let mut conn = pool.acquire().await?;
    queries::push_tasks(&mut *conn, QUEUE, tasks).await?;
    Ok(())
}

pub(crate) async fn drain(pool: &PgPool, jobs: usize, mode: &str) -> Result<(), Box<dyn Error>> {
    let (batch, workers_wanted) = mode.split_once('x').ok_or("a mode is BATCHxWORKERS")?;
    let shape = (batch.parse()?, workers_wanted.parse()?);
    let options = pool.connect_options().as_ref().clone();
    let own = PgPoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await?;
    let body: Body = Arc::new(|_| {
        begun();
        ended(1);
    });
    begin().await;
    let from = now();
    tokio::spawn(workers(&own, shape, &body).run());
    all(jobs).await;
    while sqlx::query_scalar::<_, bool>(UNFINISHED).fetch_one(pool).await? {
        Clock::system().sleep(LOOK).await;
    }
    let seconds = seconds_since(first());
    let seconds_from_order = seconds_since(from);
    say(&json!({"drained": jobs, "seconds": seconds, "seconds_from_order": seconds_from_order}));
    Ok(())
}

/// Workers that fetch `batch` jobs at a time, so many of them, each under a name of its own.
fn workers(pool: &PgPool, (batch, workers): (usize, usize), body: &Body) -> Monitor {
    let process = Uuid::from_u128(u128::from(now().unsigned_abs())).simple().to_string();
    (0..workers).fold(Monitor::new(), |monitor, worker| {
        let (pool, body, process) = (pool.clone(), body.clone(), process.clone());
        monitor.register(move |restart| {
            let config = Config::default().queue(QUEUE).batch_size(batch).lock_tasks(false);
            let storage = PostgresStorage::<Job>::new(&pool)
                .with_config(config)
                .with_pubsub()
                .poll_with_interval(POLL);
            let body = body.clone();
            WorkerBuilder::new(format!("{QUEUE}-{process}-{worker}-{restart}"))
                .backend(storage)
                .build(move |job: Job| {
                    body(job);
                    async { Ok::<_, BoxDynError>(()) }
                })
        })
    })
}
