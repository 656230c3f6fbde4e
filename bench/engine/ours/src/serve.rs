//! Enqueue to start: a worker that says when a run's step begins, and a client, in the same process or in another.
//!
//! Invariant: the time is taken just before the start is asked for, so that its transaction and commit are part of what is
//! measured, and again on the first line of the step.

use std::error::Error;

use engine::{CancellationToken, Client};
use serde_json::json;
use sqlx::PgPool;

use crate::protocol::{now, orders, say};
use crate::workflows::{Timed, work};

/// Runs driven at a time: the worker's default.
const CONCURRENCY: usize = 8;

/// Works, and starts the runs that are ordered here right in its worker.
pub(crate) async fn serve(pool: &PgPool) -> Result<(), Box<dyn Error>> {
    let (worker, local) = work(pool, CONCURRENCY, CancellationToken::new())?;
    say(&json!({"ready": true}));
    let mut orders = orders();
    while let Some(order) = orders.recv().await {
        let number = order.parse()?;
        let from = now();
        local.start(Timed { number }).await?;
        say(&json!({"enqueued": number, "from": from}));
    }
    worker.abort();
    Ok(())
}

/// Starts the runs that are ordered, for a worker elsewhere.
pub(crate) async fn enqueue(pool: &PgPool) -> Result<(), Box<dyn Error>> {
    let client = Client::new(pool.clone());
    say(&json!({"ready": true}));
    let mut orders = orders();
    while let Some(order) = orders.recv().await {
        let number = order.parse()?;
        let from = now();
        let mut tx = pool.begin().await?;
        client.start(&mut tx, Timed { number }).await?;
        tx.commit().await?;
        say(&json!({"enqueued": number, "from": from}));
    }
    Ok(())
}
