//! The workloads: what is started, and how it must come out. A file for each.
//!
//! Invariant: what a workload says about its end is SQL over the tables that the engine and the trial keep, so that the
//! checker asks the database and not the code that ran.

pub mod dormant;
pub mod exact;
pub mod family;
pub mod flaky;
pub mod killer;
pub mod limited;
pub mod meddled;
pub mod once;
pub mod patient;
pub mod plain;
pub mod poison;
pub mod retried;
pub mod signalled;
pub mod sleeper;
pub mod tick;
pub mod versioned;

use std::time::Duration;

use anyhow::Result;
use engine::{BoxFuture, Builder, Client, Connection, End, Failure, Outcome, Workflow};
use futures_util::FutureExt;
use uuid::Uuid;

use crate::dice::Dice;
use crate::ports::Ports;

/// How often a workload is started.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// This many of all that are started, in relation to the others.
    Share(u32),
    /// One at the beginning and then one each time this has passed: more would drown the rest.
    Every(Duration),
    /// By the engine itself.
    Never,
}

/// A workflow of the trial, and what the checker must know of it.
pub trait Workload: Send + Sync {
    /// The workflow's name.
    fn name(&self) -> &'static str;

    /// How often it is started.
    fn pace(&self) -> Pace;

    /// Tells a worker of this build about it.
    fn register(&self, worker: Builder<Ports>, build: i32) -> Builder<Ports>;

    /// Starts a run in `tx`.
    fn start<'a>(
        &self,
        client: &Client,
        tx: &'a mut Connection,
        dice: &mut Dice,
    ) -> BoxFuture<'a, Result<Uuid>>;

    /// How its runs may end: a condition in SQL on `run`, a row of `engine.runs`.
    fn right_end(&self) -> String;

    /// Whether each of its steps notes an effect.
    fn counts_every_step(&self) -> bool {
        true
    }
}

/// Every workload.
pub fn all() -> Vec<Box<dyn Workload>> {
    vec![
        Box::new(plain::Load),
        Box::new(exact::Load),
        Box::new(flaky::Load),
        Box::new(patient::Load),
        Box::new(once::Load),
        Box::new(killer::Load),
        Box::new(poison::Load),
        Box::new(meddled::Load),
        Box::new(versioned::Load),
        Box::new(tick::Load),
        Box::new(signalled::Load),
        Box::new(dormant::Load),
        Box::new(sleeper::Load),
        Box::new(family::Load),
        Box::new(family::Children),
        Box::new(retried::Load),
        Box::new(limited::Load),
    ]
}

/// Starts a run with some priority, for some key, now and then a little later.
pub(crate) fn begin<'a, W: Workflow>(
    client: &Client,
    tx: &'a mut Connection,
    workflow: W,
    dice: &mut Dice,
) -> BoxFuture<'a, Result<Uuid>> {
    let priority = i32::try_from(dice.within(0..=3)).unwrap_or(0);
    let mut start = client.start(tx, workflow).priority(priority).key(dice.place(10));
    if dice.percent(15) {
        let delay = Duration::from_millis(dice.within(100..=3000));
        start = start.run_at(engine::Clock::system().now() + delay);
    }
    async move { Ok(start.await?.run_id) }.boxed()
}

/// What every workflow of the trial does when it fails or is cancelled: it writes that down.
pub(crate) fn note_end<'a>(
    tx: &'a mut Connection,
    end: &'a End,
) -> BoxFuture<'a, Result<(), Failure>> {
    let outcome = match &end.outcome {
        Outcome::Succeeded(_) => "succeeded",
        Outcome::Failed(_) => "failed",
        Outcome::Cancelled => "cancelled",
    };
    async move {
        sqlx::query("insert into chaos.endings (run_id, outcome) values ($1, $2)")
            .bind(end.run_id)
            .bind(outcome)
            .execute(tx)
            .await
            .map(drop)
            .map_err(Failure::transient)
    }
    .boxed()
}

/// In SQL: the run succeeded with the number `output`, and `steps` steps on record.
pub(crate) fn succeeded(output: &str, steps: &str) -> String {
    format!(
        "run.state = 'succeeded'
         and run.output::text = ({output})::text
         and (select count(*) from engine.steps where run_id = run.id and state = 'done') = ({steps})"
    )
}
