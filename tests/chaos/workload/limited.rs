//! A workflow of which so many runs may go at a time, and so many of each key, in two versions that every worker has.

use std::time::Duration;

use anyhow::Result;
use engine::{BoxFuture, Builder, Client, Connection, Context, End, Failure, Limits, Workflow};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Pace, Workload, note_end, succeeded};
use crate::dice::Dice;
use crate::ports::{Ports, effect, effect_tx};

/// Runs at a time, and of each key.
pub const RUNNING: u32 = 3;
pub const RUNNING_PER_KEY: u32 = 2;
/// Few, so that the limit of each is reached.
const KEYS: usize = 3;

/// The first version.
#[derive(Debug, Serialize, Deserialize)]
pub struct Limited {
    busy_ms: u64,
}

/// The second version, which counts as well.
#[derive(Debug, Serialize, Deserialize)]
pub struct Later {
    busy_ms: u64,
}

async fn work(cx: &mut Context<Ports>, busy_ms: u64) -> Result<i64, Failure> {
    let busy = Duration::from_millis(busy_ms);
    effect(cx, ("take", 0), busy).await?;
    effect_tx(cx, ("give", 0), busy).await
}

impl Workflow for Limited {
    const NAME: &'static str = "chaos.limited";
    const LIMITS: Limits = Limits::NONE.running(RUNNING).running_per_key(RUNNING_PER_KEY);
    type Output = i64;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<i64, Failure> {
        work(cx, self.busy_ms).await
    }

    fn on_end<'a>(
        _: Self,
        tx: &'a mut Connection,
        end: &'a End,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        note_end(tx, end)
    }
}

impl Workflow for Later {
    const NAME: &'static str = Limited::NAME;
    const VERSION: u32 = 2;
    const LIMITS: Limits = Limited::LIMITS;
    type Output = i64;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<i64, Failure> {
        work(cx, self.busy_ms).await
    }

    fn on_end<'a>(
        _: Self,
        tx: &'a mut Connection,
        end: &'a End,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        note_end(tx, end)
    }
}

/// Starts them.
#[derive(Clone, Copy, Debug)]
pub struct Load;

impl Workload for Load {
    fn name(&self) -> &'static str {
        Limited::NAME
    }

    fn pace(&self) -> Pace {
        Pace::Share(8)
    }

    fn register(&self, worker: Builder<Ports>, _build: i32) -> Builder<Ports> {
        worker.register::<Limited>().register::<Later>()
    }

    fn start<'a>(
        &self,
        client: &Client,
        tx: &'a mut Connection,
        dice: &mut Dice,
    ) -> BoxFuture<'a, Result<Uuid>> {
        let (key, busy_ms) = (dice.place(KEYS), dice.within(0..=60));
        if dice.percent(50) {
            let start = client.start(tx, Limited { busy_ms }).key(key);
            async move { Ok(start.await?.run_id) }.boxed()
        } else {
            let start = client.start(tx, Later { busy_ms }).key(key);
            async move { Ok(start.await?.run_id) }.boxed()
        }
    }

    fn right_end(&self) -> String {
        succeeded("1", "2")
    }
}
