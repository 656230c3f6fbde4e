//! Runs that sleep, some for a moment in their worker, some for seconds without one: never too short, whatever dies.

use std::time::Duration;

use anyhow::Result;
use engine::{BoxFuture, Builder, Client, Connection, Context, End, Failure, Workflow};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Pace, Workload, begin, note_end, succeeded};
use crate::dice::Dice;
use crate::ports::{Ports, effect_tx};

/// Naps, each between two effects that tell when it began at the earliest and ended at the latest.
#[derive(Debug, Serialize, Deserialize)]
pub struct Sleeper {
    naps_ms: Vec<u64>,
}

impl Workflow for Sleeper {
    const NAME: &'static str = "chaos.sleeper";
    type Output = i64;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<i64, Failure> {
        let mut naps = 0;
        for (nth, length) in (0..).zip(self.naps_ms) {
            effect_tx(cx, ("doze", nth), Duration::ZERO).await?;
            cx.sleep("nap", Duration::from_millis(length)).await?;
            naps = effect_tx(cx, ("wake", nth), Duration::ZERO).await?;
        }
        Ok(naps)
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
        Sleeper::NAME
    }

    fn pace(&self) -> Pace {
        Pace::Share(8)
    }

    fn register(&self, worker: Builder<Ports>, _build: i32) -> Builder<Ports> {
        worker.register::<Sleeper>()
    }

    fn start<'a>(
        &self,
        client: &Client,
        tx: &'a mut Connection,
        dice: &mut Dice,
    ) -> BoxFuture<'a, Result<Uuid>> {
        let naps = dice.within(1..=2);
        let naps_ms = (0..naps)
            .map(|_| match dice.weighted(&[(1, 4), (2, 4), (3, 1)]) {
                1 => dice.within(0..=1900),
                2 => dice.within(2000..=4000),
                _ => dice.within(4000..=6000),
            })
            .collect();
        begin(client, tx, Sleeper { naps_ms }, dice)
    }

    fn right_end(&self) -> String {
        let naps = "json_array_length(run.input->'naps_ms')";
        succeeded(naps, &format!("3 * {naps}"))
    }
}
