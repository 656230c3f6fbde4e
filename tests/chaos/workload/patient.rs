//! A step whose retries are far apart: the run waits in the database and holds no worker.

use std::time::Duration;

use anyhow::Result;
use engine::{BoxFuture, Builder, Client, Connection, Context, End, Failure, Policy, Workflow};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Pace, Workload, begin, note_end, succeeded};
use crate::dice::Dice;
use crate::ports::{Ports, note};

/// Most delays are longer than a worker waits by itself.
const POLICY: Policy =
    Policy::new().attempts(60).backoff(Duration::from_secs(6), Duration::from_secs(8));

/// A step that succeeds at the third attempt at the latest.
#[derive(Debug, Serialize, Deserialize)]
pub struct Patient {
    failures: u32,
}

impl Workflow for Patient {
    const NAME: &'static str = "chaos.patient";
    type Output = i64;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<i64, Failure> {
        let failures = self.failures;
        cx.step_tx("ask", POLICY, move |tx, step| {
            async move {
                // Undone when the attempt fails.
                note(tx, &step, ("ask", 0)).await?;
                if step.attempt() > failures { Ok(7) } else { Err(Failure::transient("not yet")) }
            }
            .boxed()
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
        Patient::NAME
    }

    fn pace(&self) -> Pace {
        Pace::Share(8)
    }

    fn register(&self, worker: Builder<Ports>, _build: i32) -> Builder<Ports> {
        worker.register::<Patient>()
    }

    fn start<'a>(
        &self,
        client: &Client,
        tx: &'a mut Connection,
        dice: &mut Dice,
    ) -> BoxFuture<'a, Result<Uuid>> {
        begin(client, tx, Patient { failures: dice.count(1..=2) }, dice)
    }

    fn right_end(&self) -> String {
        succeeded("7", "1")
    }
}
