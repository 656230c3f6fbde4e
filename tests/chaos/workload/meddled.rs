//! Runs that operators cancel, pause and resume while they are at work (see `operator`).

use std::time::Duration;

use anyhow::Result;
use engine::{BoxFuture, Builder, Client, Connection, Context, End, Failure, Workflow};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Pace, Workload, begin, note_end, succeeded};
use crate::dice::Dice;
use crate::ports::{Ports, effect, effect_tx};

/// Rounds of two steps that take a moment each.
#[derive(Debug, Serialize, Deserialize)]
pub struct Meddled {
    rounds: i32,
    busy_ms: u64,
}

impl Workflow for Meddled {
    const NAME: &'static str = "chaos.meddled";
    type Output = i64;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<i64, Failure> {
        let busy = Duration::from_millis(self.busy_ms);
        let mut last = 0;
        for occurrence in 0..self.rounds {
            effect(cx, ("prepare", occurrence), busy).await?;
            last = effect_tx(cx, ("commit", occurrence), busy).await?;
        }
        Ok(last)
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
        Meddled::NAME
    }

    fn pace(&self) -> Pace {
        Pace::Share(14)
    }

    fn register(&self, worker: Builder<Ports>, _build: i32) -> Builder<Ports> {
        worker.register::<Meddled>()
    }

    fn start<'a>(
        &self,
        client: &Client,
        tx: &'a mut Connection,
        dice: &mut Dice,
    ) -> BoxFuture<'a, Result<Uuid>> {
        let rounds = i32::try_from(dice.within(2..=4)).unwrap_or(2);
        begin(client, tx, Meddled { rounds, busy_ms: dice.within(10..=120) }, dice)
    }

    fn right_end(&self) -> String {
        let rounds = "(run.input->>'rounds')::integer";
        format!(
            "case run.state when 'cancelled' then run.cancel_requested_at is not null else {} end",
            succeeded(rounds, &format!("2 * {rounds}"))
        )
    }
}
