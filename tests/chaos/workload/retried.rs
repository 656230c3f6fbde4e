//! Runs that fail for good until operators have sent them back often enough (see `operator`).

use std::time::Duration;

use anyhow::Result;
use engine::{
    BoxFuture, Builder, Client, Connection, Context, End, Failure, GoOn, Reopened, Workflow,
};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Pace, Workload, begin, note_end, succeeded};
use crate::dice::Dice;
use crate::ports::{PERSISTENT, Ports, effect, effect_tx, note};

/// The place of the step that fails.
pub const GATE: i32 = 3;

/// Two steps, one that fails in the first generations of the run, and one after it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Retried {
    failures: i64,
    busy_ms: u64,
}

impl Workflow for Retried {
    const NAME: &'static str = "chaos.retried";
    type Output = i64;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<i64, Failure> {
        let busy = Duration::from_millis(self.busy_ms);
        effect_tx(cx, ("prepare", 0), busy).await?;
        effect(cx, ("work", 0), busy).await?;
        let failures = self.failures;
        let generation = cx
            .step_tx("gate", PERSISTENT, move |tx, step| {
                async move {
                    let reopened: i64 = sqlx::query_scalar(
                        "select count(*) from chaos.reopenings where run_id = $1",
                    )
                    .bind(step.run_id())
                    .fetch_one(&mut *tx)
                    .await
                    .map_err(Failure::transient)?;
                    if reopened < failures {
                        return Err(Failure::permanent("not in this generation"));
                    }
                    note(tx, &step, ("gate", 0)).await?;
                    Ok(reopened)
                }
                .boxed()
            })
            .await?;
        effect_tx(cx, ("finish", 0), busy).await?;
        Ok(generation)
    }

    fn on_end<'a>(
        _: Self,
        tx: &'a mut Connection,
        end: &'a End,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        note_end(tx, end)
    }

    fn on_reopen<'a>(
        _: Self,
        tx: &'a mut Connection,
        run: &'a Reopened,
    ) -> BoxFuture<'a, Result<GoOn, Failure>> {
        async move {
            sqlx::query("insert into chaos.reopenings (run_id) values ($1)")
                .bind(run.run_id)
                .execute(tx)
                .await
                .map(|_| GoOn::AsAsked)
                .map_err(Failure::transient)
        }
        .boxed()
    }
}

/// Starts them.
#[derive(Clone, Copy, Debug)]
pub struct Load;

impl Workload for Load {
    fn name(&self) -> &'static str {
        Retried::NAME
    }

    fn pace(&self) -> Pace {
        Pace::Share(8)
    }

    fn register(&self, worker: Builder<Ports>, _build: i32) -> Builder<Ports> {
        worker.register::<Retried>()
    }

    fn start<'a>(
        &self,
        client: &Client,
        tx: &'a mut Connection,
        dice: &mut Dice,
    ) -> BoxFuture<'a, Result<Uuid>> {
        let failures = i64::from(dice.count(0..=3));
        begin(client, tx, Retried { failures, busy_ms: dice.within(0..=80) }, dice)
    }

    fn right_end(&self) -> String {
        let failures = "(run.input->>'failures')::integer";
        format!("run.generation = {failures} and {}", succeeded(failures, "4"))
    }
}
