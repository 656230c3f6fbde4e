//! Runs that wait for signals, some of them not for ever (see `sender`).

use std::time::Duration;

use anyhow::Result;
use engine::{BoxFuture, Builder, Client, Connection, Context, End, Failure, Workflow};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Pace, Workload, begin, note_end, succeeded};
use crate::dice::Dice;
use crate::ports::{PERSISTENT, Ports, Use, effect_tx, note};

/// The signal's name.
pub const WORD: &str = "word";

/// Waits in a row.
#[derive(Debug, Serialize, Deserialize)]
pub struct Signalled {
    waits: i32,
    /// The longest that each wait takes.
    timeout_ms: Option<u64>,
}

impl Workflow for Signalled {
    const NAME: &'static str = "chaos.signalled";
    type Output = i64;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<i64, Failure> {
        let timeout = self.timeout_ms.map(Duration::from_millis);
        let mut heard = 0;
        for occurrence in 0..self.waits {
            effect_tx(cx, ("listen", occurrence), Duration::ZERO).await?;
            let word = cx.wait_for(WORD, timeout).await?;
            heard += hear(cx, ("hear", occurrence), WORD, word).await?;
        }
        Ok(heard)
    }

    fn on_end<'a>(
        _: Self,
        tx: &'a mut Connection,
        end: &'a End,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        note_end(tx, end)
    }
}

/// A step that notes which signal came, if one did; how many that were.
pub(super) async fn hear(
    cx: &mut Context<Ports>,
    of: Use,
    signal: &'static str,
    token: Option<i64>,
) -> Result<i64, Failure> {
    cx.step_tx(of.0, PERSISTENT, move |tx, step| {
        async move {
            note(tx, &step, of).await?;
            sqlx::query(
                "insert into chaos.heard (run_id, name, occurrence, token) values ($1, $2, $3, $4)",
            )
            .bind(step.run_id())
            .bind(signal)
            .bind(of.1)
            .bind(token)
            .execute(tx)
            .await
            .map_err(Failure::transient)?;
            Ok(i64::from(token.is_some()))
        }
        .boxed()
    })
    .await
}

/// Starts them.
#[derive(Clone, Copy, Debug)]
pub struct Load;

impl Workload for Load {
    fn name(&self) -> &'static str {
        Signalled::NAME
    }

    fn pace(&self) -> Pace {
        Pace::Share(10)
    }

    fn register(&self, worker: Builder<Ports>, _build: i32) -> Builder<Ports> {
        worker.register::<Signalled>()
    }

    fn start<'a>(
        &self,
        client: &Client,
        tx: &'a mut Connection,
        dice: &mut Dice,
    ) -> BoxFuture<'a, Result<Uuid>> {
        let waits = i32::try_from(dice.within(1..=3)).unwrap_or(1);
        let timeout_ms = dice.percent(60).then(|| dice.within(0..=4000));
        begin(client, tx, Signalled { waits, timeout_ms }, dice)
    }

    fn right_end(&self) -> String {
        succeeded(
            "(select count(token) from chaos.heard where run_id = run.id)",
            "3 * (run.input->>'waits')::integer",
        )
    }
}
