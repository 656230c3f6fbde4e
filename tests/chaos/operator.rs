//! Operators: they cancel, pause and resume runs at moments of chance.
//!
//! Invariant: they touch the runs of `workload::meddled` only; when all is over, nothing is left paused.

use std::time::Duration;

use anyhow::Result;
use engine::{Client, Clock};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::dice::Dice;
use crate::report::Meddling;
use crate::starter::Meddlesome;

/// The longest time between two actions.
const GAP_MS: u64 = 250;
/// Only the newest runs can still be at work.
const RECENT: usize = 40;

/// What an operator does.
#[derive(Clone, Copy, Debug)]
enum Action {
    Cancel,
    Pause,
    Resume,
}

/// Whoever meddles with runs.
pub struct Operator {
    pool: PgPool,
    client: Client,
    dice: Dice,
    meddlesome: Meddlesome,
    counted: Meddling,
}

impl Operator {
    pub fn new(pool: PgPool, seed: u64, meddlesome: Meddlesome) -> Self {
        let (client, dice) = (Client::new(pool.clone()), Dice::of(seed, "operators"));
        Self { pool, client, dice, meddlesome, counted: Meddling::default() }
    }

    /// Meddles until `stop`; answers how often it had an effect.
    pub async fn work(mut self, stop: CancellationToken) -> Meddling {
        while !stop.is_cancelled() {
            let gap = Duration::from_millis(self.dice.within(20..=GAP_MS));
            Clock::system().sleep(gap).await;
            if let Some(id) = self.choose()
                && let Err(error) = self.act(id).await
            {
                tracing::debug!(%error, "an operator was not answered");
            }
        }
        self.counted
    }

    fn choose(&mut self) -> Option<Uuid> {
        let meddlesome = self.meddlesome.lock().expect("nothing panics while it holds this lock");
        let recent = &meddlesome[meddlesome.len().saturating_sub(RECENT)..];
        (!recent.is_empty()).then(|| recent[self.dice.place(recent.len())])
    }

    async fn act(&mut self, id: Uuid) -> Result<()> {
        let actions = [(Action::Cancel, 2), (Action::Pause, 5), (Action::Resume, 5)];
        let action = self.dice.weighted(&actions);
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
        }
        Ok(())
    }
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
