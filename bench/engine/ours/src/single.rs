//! One run of ten steps in a row beside a bare loop of ten commits on one connection, in turn, many times.
//!
//! Invariants: both in one process, alternating, so that whatever disturbs the machine disturbs both; a loop begins only when
//! the run before it has ended in the database. What counts is the time from the first step's call to the tenth's return; the
//! whole run, from its start to its end in the database, is told beside it.

use std::error::Error;

use engine::{CancellationToken, Client, Uuid};
use serde_json::json;
use sqlx::{Connection, PgConnection, PgPool};

use crate::protocol::{begin, now, say};
use crate::workflows::{Ten, all, length, work};

/// Rounds that warm caches and are not told.
const WARM_UP: usize = 20;

/// The row that a checkpoint is at least: whose it is, which, its name, its result.
const BARE_TABLE: &str = "
    create table if not exists public.bare_step (
        run_id uuid not null, seq integer not null, name text not null, output json not null, primary key (run_id, seq))";
const BARE_INSERT: &str = "insert into public.bare_step (run_id, seq, name, output) values ($1, $2, 'noop', $3::text::json)";

pub(crate) async fn single(pool: &PgPool, repeats: usize) -> Result<(), Box<dyn Error>> {
    let mut bare = PgConnection::connect_with(pool.connect_options().as_ref()).await?;
    sqlx::query(BARE_TABLE).execute(&mut bare).await?;
    // The database with finished runs in it serves all repetitions.
    sqlx::query("truncate public.bare_step").execute(&mut bare).await?;
    begin().await;
    let (worker, _) = work(pool, 1, CancellationToken::new())?;
    let client = Client::new(pool.clone());
    let (mut loops, mut steps, mut wholes) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..WARM_UP + repeats {
        let bare_loop = ten_commits(&mut bare, round).await?;
        let whole = one_run(pool, &client, round + 1).await?;
        if round >= WARM_UP {
            loops.push(milliseconds(bare_loop));
            steps.push(milliseconds(length()));
            wholes.push(milliseconds(whole));
        }
    }
    say(&json!({"bare_ms": loops, "steps_ms": steps, "whole_ms": wholes}));
    worker.abort();
    Ok(())
}

async fn ten_commits(bare: &mut PgConnection, round: usize) -> Result<i64, sqlx::Error> {
    let id = Uuid::from_u128(round as u128);
    let from = now();
    for seq in 0..10_i32 {
        let insert = sqlx::query(BARE_INSERT).bind(id).bind(seq).bind(seq.to_string());
        insert.execute(&mut *bare).await?;
    }
    Ok(now() - from)
}

/// Starts the run that is the `number`th of this process and waits for its end; how long that took.
async fn one_run(pool: &PgPool, client: &Client, number: usize) -> Result<i64, Box<dyn Error>> {
    let from = now();
    let mut tx = pool.begin().await?;
    let started = client.start(&mut tx, Ten { number: 10 }).await?;
    tx.commit().await?;
    // Nothing asks the database while the steps are at work: only the end is waited for with queries.
    all(number).await;
    while client.output::<Ten>(started.run_id).await?.is_none() {
        tokio::task::yield_now().await;
    }
    Ok(now() - from)
}

fn milliseconds(nanoseconds: i64) -> f64 {
    std::time::Duration::from_nanos(nanoseconds.unsigned_abs()).as_secs_f64() * 1000.0
}
