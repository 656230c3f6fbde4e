//! A schedule that ticks each second: one run for each tick, however many workers see it.

use std::time::Duration;

use anyhow::{Result, bail};
use engine::{
    BoxFuture, Builder, Client, Connection, Context, End, Failure, Schedule, Time, Workflow,
};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Pace, Workload, note_end, succeeded};
use crate::dice::Dice;
use crate::ports::{Ports, effect_tx};

/// The schedule's name.
pub const SCHEDULE: &str = "chaos.every_second";

/// The run of a tick.
#[derive(Debug, Serialize, Deserialize)]
pub struct Tick {
    at: Time,
}

impl Workflow for Tick {
    const NAME: &'static str = "chaos.tick";
    type Output = i64;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<i64, Failure> {
        effect_tx(cx, ("tick", 0), Duration::from_millis(20)).await
    }

    fn on_end<'a>(
        _: Self,
        tx: &'a mut Connection,
        end: &'a End,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        note_end(tx, end)
    }
}

/// Lets a worker fire the schedule, too.
pub fn schedule(worker: Builder<Ports>) -> Builder<Ports> {
    worker.schedule(Schedule::new(SCHEDULE, "* * * * * *", "Europe/Berlin", |at| Tick { at }))
}

/// Is started by the engine.
#[derive(Clone, Copy, Debug)]
pub struct Load;

impl Workload for Load {
    fn name(&self) -> &'static str {
        Tick::NAME
    }

    fn pace(&self) -> Pace {
        Pace::Never
    }

    fn register(&self, worker: Builder<Ports>, _build: i32) -> Builder<Ports> {
        worker.register::<Tick>()
    }

    fn start<'a>(
        &self,
        _: &Client,
        _: &'a mut Connection,
        _: &mut Dice,
    ) -> BoxFuture<'a, Result<Uuid>> {
        async { bail!("a tick is started by its schedule") }.boxed()
    }

    fn right_end(&self) -> String {
        succeeded("1", "1")
    }
}
