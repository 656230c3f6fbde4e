//! Steps whose effects commit by themselves: at least once each.

use std::time::Duration;

use anyhow::Result;
use engine::{BoxFuture, Builder, Client, Connection, Context, End, Failure, Workflow};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Pace, Workload, begin, note_end, succeeded};
use crate::dice::Dice;
use crate::ports::{Ports, effect};

/// Some steps in a row.
#[derive(Debug, Serialize, Deserialize)]
pub struct Plain {
    steps: i32,
    busy_ms: u64,
}

impl Workflow for Plain {
    const NAME: &'static str = "chaos.plain";
    type Output = i64;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<i64, Failure> {
        let mut sum = 0;
        for occurrence in 0..self.steps {
            sum += effect(cx, ("work", occurrence), Duration::from_millis(self.busy_ms)).await?;
        }
        Ok(sum)
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
        Plain::NAME
    }

    fn pace(&self) -> Pace {
        Pace::Share(30)
    }

    fn register(&self, worker: Builder<Ports>, _build: i32) -> Builder<Ports> {
        worker.register::<Plain>()
    }

    fn start<'a>(
        &self,
        client: &Client,
        tx: &'a mut Connection,
        dice: &mut Dice,
    ) -> BoxFuture<'a, Result<Uuid>> {
        let steps = i32::try_from(dice.within(1..=6)).unwrap_or(1);
        let workflow = Plain { steps, busy_ms: dice.within(0..=150) };
        begin(client, tx, workflow, dice)
    }

    fn right_end(&self) -> String {
        let steps = "(run.input->>'steps')::integer";
        succeeded(&format!("{steps} * ({steps} + 1) / 2"), steps)
    }
}
