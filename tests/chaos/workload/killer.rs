//! A step that kills its process, a few times or each time: then the run must fail within the allowance. It stops
//! nobody else.

use std::time::Duration;

use anyhow::Result;
use engine::{BoxFuture, Builder, Client, Connection, Context, End, Failure, LOSSES, Workflow};
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Pace, Workload, begin, note_end, succeeded};
use crate::dice::Dice;
use crate::ports::{PERSISTENT, Ports, note_alone};

/// The end of its process.
#[derive(Debug, Serialize, Deserialize)]
pub struct Killer {
    after_ms: u64,
    /// More than the allowance: it never stops.
    deaths: u32,
}

impl Workflow for Killer {
    const NAME: &'static str = "chaos.killer";
    type Output = i64;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<i64, Failure> {
        let (after, deaths) = (Duration::from_millis(self.after_ms), self.deaths);
        cx.step("kill", PERSISTENT, move |step| async move {
            note_alone(&step, ("kill", 0)).await?;
            if step.attempt() > deaths {
                return Ok(1);
            }
            engine::Clock::system().sleep(after).await;
            // As the kernel does when memory is short: no thread of the process gets to say a word.
            kill_process(getpid(), Signal::KILL).map_err(Failure::permanent)?;
            std::future::pending().await
        })
        .await
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
        Killer::NAME
    }

    fn pace(&self) -> Pace {
        Pace::Every(Duration::from_secs(40))
    }

    fn register(&self, worker: Builder<Ports>, _build: i32) -> Builder<Ports> {
        worker.register::<Killer>()
    }

    fn start<'a>(
        &self,
        client: &Client,
        tx: &'a mut Connection,
        dice: &mut Dice,
    ) -> BoxFuture<'a, Result<Uuid>> {
        // At once is the worst for those who were claimed beside it.
        let after_ms = if dice.percent(50) { 0 } else { dice.within(0..=400) };
        let deaths = if dice.percent(50) { dice.count(1..=3) } else { LOSSES * 2 };
        begin(client, tx, Killer { after_ms, deaths }, dice)
    }

    fn right_end(&self) -> String {
        format!(
            "(select count(*) from chaos.effects where run_id = run.id) <= {LOSSES} + 1
             and case when (run.input->>'deaths')::integer <= {LOSSES} then {}
                      else run.state = 'failed' and run.error->>'kind' = 'worker_lost'
                 end",
            succeeded("1", "1")
        )
    }
}
