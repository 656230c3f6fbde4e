//! Throughput: loads runs, then drains them with one worker at a given concurrency.
//!
//! Invariant: the time runs from the first line of the first run to the moment at which the database shows no run unfinished.

use std::error::Error;
use std::time::Duration;

use engine::{CancellationToken, Client, Clock};
use serde_json::json;
use sqlx::PgPool;
use tokio::task::JoinSet;

use crate::protocol::{begin, now, say, seconds_since};
use crate::workflows::{One, Ten, all, first, work};

/// Starts that travel in one transaction, and transactions at a time.
const STARTS: usize = 500;
const LOADERS: usize = 4;
/// Between two looks at whether the last commits are through.
const LOOK: Duration = Duration::from_millis(5);

/// Each arm reads one of the partial indexes on live runs.
const UNFINISHED: &str = "
    select exists (select from engine.runs where state = 'running')
        or exists (select from engine.runs where state = 'queued')
        or exists (select from engine.runs where state = 'waiting')";

/// Starts so many runs, for a worker that is not there yet.
pub(crate) async fn load(pool: &PgPool, steps: usize, runs: usize) -> Result<(), Box<dyn Error>> {
    let from = now();
    let mut loaders = JoinSet::new();
    for loader in 0..LOADERS {
        let pool = pool.clone();
        let share = runs / LOADERS + usize::from(loader < runs % LOADERS);
        loaders.spawn(async move { load_share(&pool, steps, share).await });
    }
    while let Some(loaded) = loaders.join_next().await {
        loaded??;
    }
    say(&json!({"loaded": runs, "seconds": seconds_since(from)}));
    Ok(())
}

async fn load_share(pool: &PgPool, steps: usize, runs: usize) -> Result<(), engine::Error> {
    let client = Client::new(pool.clone());
    let mut left = runs;
    while left > 0 {
        let starts = left.min(STARTS);
        let mut tx = pool.begin().await?;
        if steps == 1 {
            client.start_many(&mut tx, vec![One { number: 1 }; starts]).await?;
        } else {
            client.start_many(&mut tx, vec![Ten { number: 10 }; starts]).await?;
        }
        tx.commit().await?;
        left -= starts;
    }
    Ok(())
}

/// Drains what was loaded.
pub(crate) async fn drain(
    pool: &PgPool,
    steps: usize,
    runs: usize,
    concurrency: usize,
) -> Result<(), Box<dyn Error>> {
    begin().await;
    let from = now();
    let (worker, _) = work(pool, concurrency, CancellationToken::new())?;
    all(runs).await;
    while sqlx::query_scalar::<_, bool>(UNFINISHED).fetch_one(pool).await? {
        Clock::system().sleep(LOOK).await;
    }
    let seconds = seconds_since(first());
    say(&json!({
        "drained": runs,
        "steps": steps,
        "seconds": seconds,
        "seconds_from_order": seconds_since(from),
    }));
    worker.abort();
    Ok(())
}
