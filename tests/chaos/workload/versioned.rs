//! One workflow in two versions, the older build's and the newer one's, side by side.
//!
//! A build knows its own version only, so whatever the other one started must wait for a worker of the other build.

use std::time::Duration;

use anyhow::Result;
use engine::{BoxFuture, Builder, Client, Connection, Context, End, Failure, Workflow};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Pace, Workload, begin, note_end, succeeded};
use crate::dice::Dice;
use crate::ports::{Ports, effect, effect_tx};

/// The builds, by number; each one's version of this workflow has the same number.
pub const BUILDS: [i32; 2] = [1, 2];

/// As the first build has it: two steps.
#[derive(Debug, Serialize, Deserialize)]
pub struct Old {
    busy_ms: u64,
}

/// As the second build has it: another step between them.
#[derive(Debug, Serialize, Deserialize)]
pub struct New {
    busy_ms: u64,
}

impl Workflow for Old {
    const NAME: &'static str = "chaos.versioned";
    const VERSION: u32 = 1;
    type Output = i64;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<i64, Failure> {
        let busy = Duration::from_millis(self.busy_ms);
        effect(cx, ("open", 0), busy).await?;
        effect_tx(cx, ("close", 0), busy).await?;
        Ok(1)
    }

    fn on_end<'a>(
        _: Self,
        tx: &'a mut Connection,
        end: &'a End,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        note_end(tx, end)
    }
}

impl Workflow for New {
    const NAME: &'static str = Old::NAME;
    const VERSION: u32 = 2;
    type Output = i64;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<i64, Failure> {
        let busy = Duration::from_millis(self.busy_ms);
        effect(cx, ("open", 0), busy).await?;
        effect_tx(cx, ("check", 0), busy).await?;
        effect_tx(cx, ("close", 0), busy).await?;
        Ok(2)
    }

    fn on_end<'a>(
        _: Self,
        tx: &'a mut Connection,
        end: &'a End,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        note_end(tx, end)
    }
}

/// Starts both.
#[derive(Clone, Copy, Debug)]
pub struct Load;

impl Workload for Load {
    fn name(&self) -> &'static str {
        Old::NAME
    }

    fn pace(&self) -> Pace {
        Pace::Share(14)
    }

    fn register(&self, worker: Builder<Ports>, build: i32) -> Builder<Ports> {
        if build == BUILDS[0] { worker.register::<Old>() } else { worker.register::<New>() }
    }

    fn start<'a>(
        &self,
        client: &Client,
        tx: &'a mut Connection,
        dice: &mut Dice,
    ) -> BoxFuture<'a, Result<Uuid>> {
        let busy_ms = dice.within(0..=150);
        if dice.percent(50) {
            begin(client, tx, Old { busy_ms }, dice)
        } else {
            begin(client, tx, New { busy_ms }, dice)
        }
    }

    fn right_end(&self) -> String {
        succeeded("run.version", "run.version + 1")
    }
}
