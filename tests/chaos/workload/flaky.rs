//! A step that fails some times before it succeeds, or that never does.
//!
//! Its own failures are counted apart from lost workers: with four attempts, three failures end well and four do not,
//! however many workers die meanwhile.

use std::time::Duration;

use anyhow::Result;
use engine::{BoxFuture, Builder, Client, Connection, Context, End, Failure, Policy, Workflow};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Pace, Workload, begin, note_end, succeeded};
use crate::dice::Dice;
use crate::ports::{Ports, effect_tx};

/// Attempts that the step has.
const ATTEMPTS: u32 = 4;
/// Its code touches no database, so that nothing fails in it but what is meant to.
const POLICY: Policy = Policy::new()
    .attempts(ATTEMPTS)
    .backoff(Duration::from_millis(50), Duration::from_millis(400))
    .timeout(Duration::from_millis(250));

/// How an attempt fails.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Manner {
    Error,
    Panic,
    Hang,
}

/// A step that fails, and one after it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Flaky {
    /// More than the step's attempts: it never succeeds.
    failures: u32,
    manner: Manner,
}

impl Workflow for Flaky {
    const NAME: &'static str = "chaos.flaky";
    type Output = i64;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<i64, Failure> {
        let Self { failures, manner } = self;
        cx.step("try", POLICY, move |step| async move {
            if step.attempt() > failures {
                return Ok(());
            }
            match manner {
                Manner::Error => Err(Failure::transient("not yet")),
                Manner::Panic => panic!("not yet"),
                Manner::Hang => std::future::pending().await,
            }
        })
        .await?;
        effect_tx(cx, ("after", 0), Duration::ZERO).await
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
        Flaky::NAME
    }

    fn pace(&self) -> Pace {
        Pace::Share(12)
    }

    fn register(&self, worker: Builder<Ports>, _build: i32) -> Builder<Ports> {
        worker.register::<Flaky>()
    }

    fn start<'a>(
        &self,
        client: &Client,
        tx: &'a mut Connection,
        dice: &mut Dice,
    ) -> BoxFuture<'a, Result<Uuid>> {
        let failures = if dice.percent(20) { 1000 } else { dice.count(0..=ATTEMPTS - 1) };
        let manner = dice.weighted(&[(Manner::Error, 6), (Manner::Panic, 3), (Manner::Hang, 2)]);
        begin(client, tx, Flaky { failures, manner }, dice)
    }

    fn right_end(&self) -> String {
        format!(
            "case when (run.input->>'failures')::integer < {ATTEMPTS} then {}
                  else run.state = 'failed'
                       and run.error->>'kind' = case run.input->>'manner'
                               when 'error' then 'transient' when 'panic' then 'panicked' else 'timed_out'
                           end
                       and exists (select from engine.steps where run_id = run.id and state = 'failed'
                                      and attempts - losses = {ATTEMPTS})
             end",
            succeeded("1", "2")
        )
    }

    fn counts_every_step(&self) -> bool {
        false
    }
}
