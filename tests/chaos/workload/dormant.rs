//! A crowd of runs that wait for a signal from the beginning to the end of the trial, and cost no worker meanwhile.

use std::time::Duration;

use anyhow::{Result, bail};
use engine::{BoxFuture, Builder, Client, Clock, Connection, Context, End, Failure, Workflow};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::signalled::hear;
use super::{Pace, Workload, note_end, succeeded};
use crate::dice::Dice;
use crate::ports::Ports;

/// The signal's name.
pub const DAWN: &str = "dawn";
/// How many there are in a trial of a quarter of an hour; a shorter one has fewer in proportion.
const CROWD: u64 = 10_000;
const CROWD_IN: Duration = Duration::from_mins(15);
/// Runs that are started in one transaction, and the time between two.
const BATCH: u64 = 250;
const BEAT: Duration = Duration::from_millis(400);

/// Sleeps until dawn.
#[derive(Debug, Serialize, Deserialize)]
pub struct Dormant {
    place: u64,
}

impl Workflow for Dormant {
    const NAME: &'static str = "chaos.dormant";
    type Output = i64;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<i64, Failure> {
        let dawn = cx.wait_for(DAWN, None).await?;
        hear(cx, ("rise", 0), DAWN, dawn).await
    }

    fn on_end<'a>(
        _: Self,
        tx: &'a mut Connection,
        end: &'a End,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        note_end(tx, end)
    }
}

/// How many are started in a trial that takes `length`.
pub fn crowd(length: Duration) -> u64 {
    (CROWD * length.as_secs()).div_ceil(CROWD_IN.as_secs()).min(CROWD)
}

/// Starts `number` of them, batch by batch; answers those whose start is certain.
pub async fn gather(pool: PgPool, number: u64, stop: CancellationToken) -> Vec<Uuid> {
    let client = Client::new(pool.clone());
    let mut certain = Vec::new();
    let mut place = 0;
    while place < number && !stop.is_cancelled() {
        let end = (place + BATCH).min(number);
        match start(&pool, &client, place..end).await {
            Ok(ids) => {
                certain.extend(ids);
                place = end;
            }
            // Perhaps it was committed: then there are some more.
            Err(error) => tracing::debug!(%error, "a part of the crowd could not be started"),
        }
        Clock::system().sleep(BEAT).await;
    }
    certain
}

async fn start(pool: &PgPool, client: &Client, places: std::ops::Range<u64>) -> Result<Vec<Uuid>> {
    let mut tx = pool.begin().await?;
    let ids = client.start_many(&mut tx, places.map(|place| Dormant { place })).await?;
    sqlx::query("insert into chaos.requests (run_id, workflow) select unnest($1::uuid[]), $2")
        .bind(&ids)
        .bind(Dormant::NAME)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(ids)
}

/// Knows how they end.
#[derive(Clone, Copy, Debug)]
pub struct Load;

impl Workload for Load {
    fn name(&self) -> &'static str {
        Dormant::NAME
    }

    fn pace(&self) -> Pace {
        Pace::Never
    }

    fn register(&self, worker: Builder<Ports>, _build: i32) -> Builder<Ports> {
        worker.register::<Dormant>()
    }

    fn start<'a>(
        &self,
        _: &Client,
        _: &'a mut Connection,
        _: &mut Dice,
    ) -> BoxFuture<'a, Result<Uuid>> {
        async { bail!("the crowd is started as a whole") }.boxed()
    }

    fn right_end(&self) -> String {
        succeeded("1", "2")
    }
}
