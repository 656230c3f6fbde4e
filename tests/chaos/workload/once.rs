//! A step with a single attempt: it runs at most once, also when its worker dies.

use std::time::Duration;

use anyhow::Result;
use engine::{BoxFuture, Builder, Client, Connection, Context, End, Failure, Policy, Workflow};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Pace, Workload, begin, note_end, succeeded};
use crate::dice::Dice;
use crate::ports::{Ports, note_alone};

/// A step that must not be repeated.
#[derive(Debug, Serialize, Deserialize)]
pub struct Once {
    busy_ms: u64,
}

impl Workflow for Once {
    const NAME: &'static str = "chaos.once";
    type Output = i64;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<i64, Failure> {
        let busy = Duration::from_millis(self.busy_ms);
        cx.step("fire", Policy::once(), move |step| async move {
            note_alone(&step, ("fire", 0)).await?;
            engine::Clock::system().sleep(busy).await;
            Ok(1)
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
        Once::NAME
    }

    fn pace(&self) -> Pace {
        Pace::Share(6)
    }

    fn register(&self, worker: Builder<Ports>, _build: i32) -> Builder<Ports> {
        worker.register::<Once>()
    }

    fn start<'a>(
        &self,
        client: &Client,
        tx: &'a mut Connection,
        dice: &mut Dice,
    ) -> BoxFuture<'a, Result<Uuid>> {
        begin(client, tx, Once { busy_ms: dice.within(0..=300) }, dice)
    }

    /// It fails when its worker died, or when the database was away just then; it never fires twice.
    fn right_end(&self) -> String {
        format!(
            "(select count(*) from chaos.effects where run_id = run.id) <= 1
             and case run.state
                     when 'succeeded' then {}
                     when 'failed' then run.error->>'kind' in ('worker_lost', 'transient')
                     else false
                 end",
            succeeded("1", "1")
        )
    }
}
