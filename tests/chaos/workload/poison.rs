//! Inputs that cannot be parsed, put into the table by hand: each run must fail by itself and stop nobody else.

use anyhow::Result;
use engine::{BoxFuture, Builder, Client, Connection, Context, End, Failure, Workflow};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Pace, Workload, note_end};
use crate::dice::Dice;
use crate::ports::Ports;

/// What somebody's migration, or somebody's mistake, may leave in the table.
const INPUTS: [&str; 9] = [
    "null",
    "[]",
    "\"text\"",
    "{}",
    "{\"dose\": \"much\"}",
    "{\"dose\": 1e999}",
    "{\"dose\": 1, \"dose\": 2}",
    "{\"dose\": \"\\u0000\\ud800\"}",
    "  {\"dose\": 340282366920938463463374607431768211456}  ",
];

/// Nobody gets to run it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Poison {
    dose: u32,
}

impl Workflow for Poison {
    const NAME: &'static str = "chaos.poison";
    type Output = u32;
    type Ports = Ports;

    async fn run(self, _: &mut Context<Ports>) -> Result<u32, Failure> {
        Ok(self.dose)
    }

    fn on_end<'a>(
        _: Self,
        tx: &'a mut Connection,
        end: &'a End,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        note_end(tx, end)
    }
}

/// Puts them there.
#[derive(Clone, Copy, Debug)]
pub struct Load;

impl Workload for Load {
    fn name(&self) -> &'static str {
        Poison::NAME
    }

    fn pace(&self) -> Pace {
        Pace::Share(2)
    }

    fn register(&self, worker: Builder<Ports>, _build: i32) -> Builder<Ports> {
        worker.register::<Poison>()
    }

    /// Without a wake-up, and by no client: a row.
    fn start<'a>(
        &self,
        _client: &Client,
        tx: &'a mut Connection,
        dice: &mut Dice,
    ) -> BoxFuture<'a, Result<Uuid>> {
        let bytes =
            u128::from(dice.within(0..=u64::MAX)) << 64 | u128::from(dice.within(0..=u64::MAX));
        let id = uuid::Builder::from_random_bytes(bytes.to_be_bytes()).into_uuid();
        let deep = format!("{}{}", "[".repeat(3000), "]".repeat(3000));
        let input = match dice.place(INPUTS.len() + 1) {
            place if place < INPUTS.len() => INPUTS[place].to_owned(),
            _ => deep,
        };
        async move {
            sqlx::query(
                "insert into engine.runs (id, workflow, version, state, input, wake_at, created_at)
                 values ($1, $2, 1, 'queued', $3::text::json, now(), now())",
            )
            .bind(id)
            .bind(Poison::NAME)
            .bind(input)
            .execute(tx)
            .await?;
            Ok(id)
        }
        .boxed()
    }

    fn right_end(&self) -> String {
        "run.state = 'failed' and run.error->>'kind' = 'input'
         and not exists (select from engine.steps where run_id = run.id)"
            .to_owned()
    }
}
