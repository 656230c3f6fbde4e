//! Operators: they cancel, pause and resume runs at moments of chance, and send failed ones back.
//!
//! Invariants: they meddle with the runs of `workload::meddled` and with parents, and send back those of
//! `workload::retried` only; what is sent back is noted in the same transaction. When all is over, nothing is left paused.

use std::time::Duration;

use anyhow::Result;
use engine::{Client, Clock, RetryFrom, Workflow};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::dice::Dice;
use crate::report::Meddling;
use crate::starter::Newest;
use crate::workload::family::Parent;
use crate::workload::meddled::Meddled;
use crate::workload::retried::{GATE, Retried};

/// The longest time between two actions.
const GAP_MS: u64 = 250;
/// Only the newest runs can still be at work.
const RECENT: usize = 40;
/// Parents are fewer.
const RECENT_PARENTS: usize = 6;
/// How many of a hundred transactions are rolled back.
const WITHDRAWN: u32 = 10;
/// Who it is, in the engine's record of actions.
const ACTOR: &str = "chaos";

/// What an operator does.
#[derive(Clone, Copy, Debug)]
enum Action {
    Cancel,
    Pause,
    Resume,
    Retry,
}

/// Whoever meddles with runs.
pub struct Operator {
    pool: PgPool,
    client: Client,
    dice: Dice,
    newest: Newest,
    counted: Meddling,
}

impl Operator {
    pub fn new(pool: PgPool, seed: u64, newest: Newest) -> Self {
        let (client, dice) = (Client::new(pool.clone()), Dice::of(seed, "operators"));
        Self { pool, client, dice, newest, counted: Meddling::default() }
    }

    /// Meddles until `stop`; answers how often it had an effect.
    pub async fn work(mut self, stop: CancellationToken) -> Meddling {
        while !stop.is_cancelled() {
            let gap = Duration::from_millis(self.dice.within(20..=GAP_MS));
            Clock::system().sleep(gap).await;
            if let Err(error) = self.act().await {
                tracing::debug!(%error, "an operator was not answered");
            }
        }
        self.counted
    }

    /// A parent that many times in a hundred.
    fn choose(&mut self, parents: u32) -> Option<Uuid> {
        if self.dice.percent(parents) {
            self.newest.choose(Parent::NAME, RECENT_PARENTS, &mut self.dice)
        } else {
            self.newest.choose(Meddled::NAME, RECENT, &mut self.dice)
        }
    }

    async fn act(&mut self) -> Result<()> {
        let actions =
            [(Action::Cancel, 4), (Action::Pause, 5), (Action::Resume, 5), (Action::Retry, 6)];
        let action = self.dice.weighted(&actions);
        if let Action::Retry = action {
            return self.retry().await;
        }
        let parents = if let Action::Cancel = action { 60 } else { 20 };
        let Some(id) = self.choose(parents) else { return Ok(()) };
        let mut conn = self.pool.acquire().await?;
        match action {
            Action::Cancel => {
                self.counted.cancels += u64::from(self.client.cancel(&mut conn, id).await?);
            }
            Action::Pause => {
                self.counted.pauses += u64::from(self.client.pause(&mut conn, id).await?);
            }
            Action::Resume => {
                self.counted.resumes += u64::from(self.client.resume(&mut conn, id).await?);
            }
            Action::Retry => {}
        }
        Ok(())
    }

    /// Sends a run back that has failed: to where it failed, to some step, or to the start.
    async fn retry(&mut self) -> Result<()> {
        let failed = failed(&self.pool).await?;
        if failed.is_empty() {
            return Ok(());
        }
        let run_id = failed[self.dice.place(failed.len())];
        let step = self.dice.count(1..=GATE.unsigned_abs());
        let from = match self.dice.place(3) {
            0 => RetryFrom::Failed,
            1 => RetryFrom::Step(step),
            _ => RetryFrom::Start,
        };
        let withdraw = self.dice.percent(WITHDRAWN);
        let done = send_back(&self.pool, run_id, &from, withdraw).await?;
        self.counted.retries += u64::from(done && !withdraw);
        Ok(())
    }
}

/// The runs that have failed and are to be sent back.
async fn failed(pool: &PgPool) -> Result<Vec<Uuid>> {
    let sql = "select id from engine.runs where workflow = $1 and state = 'failed' order by id";
    Ok(sqlx::query_scalar(sql).bind(Retried::NAME).fetch_all(pool).await?)
}

async fn send_back(pool: &PgPool, run_id: Uuid, from: &RetryFrom, withdraw: bool) -> Result<bool> {
    let from_seq = match from {
        RetryFrom::Start => 1,
        RetryFrom::Step(seq) => i32::try_from(*seq)?,
        _ => GATE,
    };
    let client = Client::new(pool.clone());
    let mut tx = pool.begin().await?;
    let done = client.operator(ACTOR).retry(&mut tx, run_id, from, None).await?;
    if done {
        sqlx::query(
            "insert into chaos.retries (run_id, generation, from_seq)
             select id, generation - 1, $2 from engine.runs where id = $1",
        )
        .bind(run_id)
        .bind(from_seq)
        .execute(&mut *tx)
        .await?;
    }
    if withdraw {
        tx.rollback().await?;
    } else {
        tx.commit().await?;
    }
    Ok(done)
}

/// Sends back whatever has failed and is to succeed.
pub async fn retry_all(pool: &PgPool) -> Result<()> {
    for run_id in failed(pool).await? {
        send_back(pool, run_id, &RetryFrom::Failed, false).await?;
    }
    Ok(())
}

/// Resumes whatever is paused, or asked to be.
pub async fn resume_all(pool: &PgPool) -> Result<()> {
    let paused: Vec<Uuid> = sqlx::query_scalar(
        "select id from engine.runs where pause_requested_at is not null and ended_at is null",
    )
    .fetch_all(pool)
    .await?;
    let client = Client::new(pool.clone());
    let mut conn = pool.acquire().await?;
    for id in paused {
        client.resume(&mut conn, id).await?;
    }
    Ok(())
}
