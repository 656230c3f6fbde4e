//! Whoever sends signals: to runs that wait for them, will wait, or are over.
//!
//! Invariants: each send is noted in its own transaction; a token is counted as sent only when the commit was answered,
//! and as not sent only when its transaction was rolled back before a commit was asked for.

use std::time::Duration;

use anyhow::Result;
use engine::{Client, Clock, Connection, Time};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::dice::Dice;
use crate::starter::Newest;
use crate::workload::dormant::DAWN;
use crate::workload::signalled::{Signalled, WORD};

/// The longest time between two transactions.
const GAP_MS: u64 = 60;
/// Only the newest runs can still be at work.
const RECENT: usize = 60;
/// How many of a hundred transactions are rolled back.
const WITHDRAWN: u32 = 15;
/// Most signals in one transaction, when all are woken.
const BATCH: usize = 250;

/// What the sender knows for certain.
#[derive(Clone, Debug, Default)]
pub struct Sends {
    pub answered: Vec<(i64, Time)>,
    pub withdrawn: Vec<i64>,
}

/// Whoever sends signals.
pub struct Sender {
    pool: PgPool,
    client: Client,
    dice: Dice,
    newest: Newest,
    sends: Sends,
}

impl Sender {
    pub fn new(pool: PgPool, seed: u64, newest: Newest) -> Self {
        let (client, dice) = (Client::new(pool.clone()), Dice::of(seed, "signals"));
        Self { pool, client, dice, newest, sends: Sends::default() }
    }

    /// Sends until `stop`; answers what is certain.
    pub async fn work(mut self, stop: CancellationToken) -> Sends {
        while !stop.is_cancelled() {
            let gap = Duration::from_millis(self.dice.within(10..=GAP_MS));
            Clock::system().sleep(gap).await;
            if let Err(error) = self.transact().await {
                tracing::debug!(%error, "signals were not sent");
            }
        }
        self.sends
    }

    /// One transaction with a few signals in it.
    async fn transact(&mut self) -> Result<()> {
        let mut chosen: Vec<_> =
            (0..self.dice.within(1..=3)).filter_map(|_| self.choose()).collect();
        // Whoever locks several runs does it in one order.
        chosen.sort_unstable();
        let withdraw = self.dice.percent(WITHDRAWN);
        let mut tx = self.pool.begin().await?;
        let mut tokens = Vec::new();
        for run_id in chosen {
            let key = self.key();
            tokens.push(send(&self.client, &mut tx, (run_id, WORD), key.as_deref()).await?);
        }
        if withdraw {
            self.sends.withdrawn.extend(tokens);
            tx.rollback().await?;
            return Ok(());
        }
        tx.commit().await?;
        let now = Clock::system().now();
        self.sends.answered.extend(tokens.into_iter().map(|token| (token, now)));
        Ok(())
    }

    fn choose(&mut self) -> Option<Uuid> {
        self.newest.choose(<Signalled as engine::Workflow>::NAME, RECENT, &mut self.dice)
    }

    /// None, one of few that come again and again, or one of its own.
    fn key(&mut self) -> Option<String> {
        match self.dice.weighted(&[(0, 3), (1, 5), (2, 4)]) {
            0 => None,
            1 => Some(format!("again {}", self.dice.place(3))),
            _ => Some(format!("once {}", self.dice.within(0..=u64::MAX))),
        }
    }
}

/// Sends a signal with a token of its own, and notes that; answers the token.
async fn send(
    client: &Client,
    tx: &mut Connection,
    (run_id, name): (Uuid, &str),
    key: Option<&str>,
) -> Result<i64> {
    let token: i64 =
        sqlx::query_scalar("select nextval('chaos.tokens')").fetch_one(&mut *tx).await?;
    let is_new = client.signal(&mut *tx, run_id, name, &token, key).await?;
    sqlx::query(
        "insert into chaos.sent (run_id, name, token, sender_key, is_new) values ($1, $2, $3, $4, $5)",
    )
    .bind(run_id)
    .bind(name)
    .bind(token)
    .bind(key)
    .bind(is_new)
    .execute(tx)
    .await?;
    Ok(token)
}

/// Sends each run that waits for a signal one.
pub async fn wake_all(pool: &PgPool) -> Result<()> {
    let waiting: Vec<(Uuid, String)> = sqlx::query_as(
        "select id, awaited_name from engine.runs
          where state = 'waiting' and waiting_for = 'signal' and awaited_name in ($1, $2)
          order by id",
    )
    .bind(WORD)
    .bind(DAWN)
    .fetch_all(pool)
    .await?;
    let client = Client::new(pool.clone());
    for batch in waiting.chunks(BATCH) {
        let mut tx = pool.begin().await?;
        for (run_id, name) in batch {
            send(&client, &mut tx, (*run_id, name), None).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}
