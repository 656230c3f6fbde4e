//! What the trial's workflows reach the world through: a table that counts their effects.
//!
//! Invariant: an effect names the run, the step, the claim and the process, so that the checker can tell who did it and
//! whether they might have.

use engine::{Connection, Context, Failure, Policy, Pool, StepContext};
use futures_util::FutureExt;
use std::time::Duration;

/// A worker, as its workflows see it.
#[derive(Debug)]
pub struct Ports {
    /// For effects that commit by themselves.
    pub pool: Pool,
    /// Which process this is.
    pub worker: String,
    /// Which build of the program it is.
    pub build: i32,
}

/// For steps that must succeed in the end: outlasts every outage that the plan can hold.
pub(crate) const PERSISTENT: Policy =
    Policy::new().attempts(60).backoff(Duration::from_millis(100), Duration::from_secs(2));

/// Whether an effect commits by itself or with its checkpoint.
const PLAIN: &str = "step";
const TRANSACTIONAL: &str = "step_tx";

/// A use of a step: its name, and which one of that name it is.
pub(crate) type Use = (&'static str, i32);

/// A step whose effect commits by itself, and which then takes `busy`.
pub(crate) async fn effect(
    cx: &mut Context<Ports>,
    (name, occurrence): Use,
    busy: Duration,
) -> Result<i64, Failure> {
    cx.step(name, PERSISTENT, move |step| async move {
        note_alone(&step, (name, occurrence)).await?;
        engine::Clock::system().sleep(busy).await;
        Ok(i64::from(occurrence) + 1)
    })
    .await
}

/// A step whose effect commits with its checkpoint, `busy` after it was written.
pub(crate) async fn effect_tx(
    cx: &mut Context<Ports>,
    (name, occurrence): Use,
    busy: Duration,
) -> Result<i64, Failure> {
    cx.step_tx(name, PERSISTENT, move |tx, step| {
        async move {
            note(tx, &step, (name, occurrence)).await?;
            engine::Clock::system().sleep(busy).await;
            Ok(i64::from(occurrence) + 1)
        }
        .boxed()
    })
    .await
}

/// Notes an effect that commits by itself.
pub(crate) async fn note_alone(step: &StepContext<Ports>, of: Use) -> Result<(), Failure> {
    let mut conn = step.pool.acquire().await.map_err(Failure::transient)?;
    insert(&mut conn, step, of, PLAIN).await
}

/// Notes an effect in the step's transaction.
pub(crate) async fn note(
    tx: &mut Connection,
    step: &StepContext<Ports>,
    of: Use,
) -> Result<(), Failure> {
    insert(tx, step, of, TRANSACTIONAL).await
}

async fn insert(
    conn: &mut Connection,
    step: &StepContext<Ports>,
    (name, occurrence): Use,
    kind: &str,
) -> Result<(), Failure> {
    sqlx::query(
        "insert into chaos.effects (run_id, step, occurrence, kind, epoch, attempt, worker, build)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(step.run_id())
    .bind(name)
    .bind(occurrence)
    .bind(kind)
    .bind(step.epoch())
    .bind(i32::try_from(step.attempt()).unwrap_or(i32::MAX))
    .bind(&step.worker)
    .bind(step.build)
    .execute(conn)
    .await
    .map(drop)
    .map_err(Failure::transient)
}
