//! What a platform administrator does to one run: when it can be done, and doing it on record.
//!
//! Invariants
//! - One transaction: the audit entries, then the engine's work. The entries come first because they lock the heads of
//!   audit chains, and a run's row is the last that a transaction locks. What turns out to have nothing to do is rolled back.
//! - The same action twice does and records one thing; the second answer says so.
//! - A run whose state does not allow an action is left alone, and the refusal names the state and a way out.

use std::collections::BTreeMap;

use db::operations::Operation;
use engine::{Connection, Operator, RetryFrom, RunState, RunView};
use evidence::action::Action;
use evidence::ids::OrgId;
use poem_openapi::Object;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::Connection as _;
use uuid::Uuid;

use super::find_on;
use super::run::WorkflowRun;
use crate::api::idempotency::{Answer, Asked};
use crate::auth::PlatformAdmin;
use crate::errors::{Error, Result, State};
use crate::state;

/// What was done to a run.
#[derive(Debug, Object)]
pub(crate) struct WorkflowRunActed {
    /// Whether anything was done. What finds nothing to do changes and records nothing.
    pub(super) done: bool,
    /// For people.
    pub(super) message: String,
    /// The run as it is now.
    run: WorkflowRun,
}

/// What is to be done to a run.
#[derive(Debug)]
pub(super) enum Act {
    Retry { from: RetryFrom, version: Option<u32> },
    Cancel,
    Pause,
    Resume,
    Signal { name: String, payload: Value, sender_key: Option<String> },
}

/// Whether it can be done.
#[derive(Debug, PartialEq, Eq)]
enum Stand {
    Open,
    /// There is nothing to do.
    Settled(&'static str),
    /// The state does not allow it.
    Closed(&'static str),
}

impl Answer for WorkflowRunActed {
    fn status(&self) -> u16 {
        200
    }
}

/// Does it, on record.
pub(super) async fn act(
    admin: &PlatformAdmin,
    asked: &Asked,
    run_id: Uuid,
    act: &Act,
) -> Result<WorkflowRunActed> {
    let state = &admin.context.state;
    let _turn = turn(state).await?;
    let mut tx = state.pool.begin().await?;
    if let Some(answer) = asked.answered(&mut tx).await? {
        return Ok(answer);
    }
    let answer = act.carry_out(admin, &mut tx, run_id).await?;
    asked.keep(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

const CHANGED: &str = "The run has changed meanwhile: look at it again.";

/// Operators wait for each other at the heads of chains: a few at a time, so that they do not hold every connection.
pub(super) async fn turn(state: &state::State) -> Result<tokio::sync::SemaphorePermit<'_>> {
    state.operations.acquire().await.map_err(Error::internal)
}

/// The organisation behind a run's key, if it can be one.
pub(super) fn org_of(key: Option<&str>) -> Option<OrgId> {
    key?.parse().ok()
}

/// What stands in the audit log for a text that people wrote.
pub(super) fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

impl WorkflowRunActed {
    fn nothing(message: &str, run: RunView) -> Self {
        Self { done: false, message: message.to_owned(), run: WorkflowRun::new(run) }
    }
}

impl Act {
    async fn carry_out(
        &self,
        admin: &PlatformAdmin,
        conn: &mut Connection,
        run_id: Uuid,
    ) -> Result<WorkflowRunActed> {
        let engine = &admin.context.state.engine;
        let before = find_on(engine, conn, run_id).await?;
        if let Some(answer) = self.settled(&before, admin).await? {
            return Ok(WorkflowRunActed::nothing(answer, before));
        }
        let done = self.record_and_perform(admin, conn, &before).await;
        let after = find_on(engine, conn, run_id).await?;
        match done {
            Ok(true) => {
                let message = self.told(after.state);
                Ok(WorkflowRunActed { done: true, message, run: WorkflowRun::new(after) })
            }
            // It changed between the look and the lock.
            Ok(false) | Err(Error::Input(_)) if after.state != before.state => {
                let answer = self.settled(&after, admin).await?;
                Ok(WorkflowRunActed::nothing(answer.unwrap_or(CHANGED), after))
            }
            Ok(false) => Ok(WorkflowRunActed::nothing(self.again(), after)),
            Err(error) => Err(error),
        }
    }

    /// Up to a savepoint: what finds nothing to do is undone, its audit entries included, and can still be answered.
    async fn record_and_perform(
        &self,
        admin: &PlatformAdmin,
        conn: &mut Connection,
        run: &RunView,
    ) -> Result<bool> {
        let mut on_record = conn.begin().await?;
        db::operations::record(&mut on_record, self.operation(run), &admin.cause()).await?;
        let operator = admin.context.state.engine.operator(admin.id());
        let done = self.perform(&operator, &mut on_record, run.id).await;
        if matches!(done, Ok(true)) {
            on_record.commit().await?;
        } else {
            on_record.rollback().await?;
        }
        done
    }

    /// Why there is nothing to do, if so. A state that does not allow it is a refusal.
    async fn settled(&self, run: &RunView, admin: &PlatformAdmin) -> Result<Option<&'static str>> {
        match self.stand(run) {
            Stand::Open => Ok(None),
            Stand::Settled(message) => Ok(Some(message)),
            Stand::Closed(_) if self.was_sent(run, admin).await? => Ok(Some(self.again())),
            Stand::Closed(way_out) => {
                let state = run.state.as_str();
                let message = format!("The run is {state}: {way_out}");
                Err(State::Run { state, message }.into())
            }
        }
    }

    fn stand(&self, run: &RunView) -> Stand {
        match self {
            Self::Retry { .. } => retry(run),
            Self::Cancel => cancel(run),
            Self::Pause => pause(run),
            Self::Resume => resume(run),
            Self::Signal { .. } if run.state.is_final() => {
                Stand::Closed("nobody would take the signal. A failed run can be retried first.")
            }
            Self::Signal { .. } => Stand::Open,
        }
    }

    /// Whether this very signal reached the run before it ended.
    async fn was_sent(&self, run: &RunView, admin: &PlatformAdmin) -> Result<bool> {
        let Self::Signal { name, sender_key: Some(key), .. } = self else { return Ok(false) };
        let signals = admin.context.state.engine.signals(run.id).await?;
        Ok(signals
            .iter()
            .any(|known| known.name == *name && known.sender_key.as_ref() == Some(key)))
    }

    async fn perform(
        &self,
        operator: &Operator<'_>,
        conn: &mut Connection,
        run_id: Uuid,
    ) -> Result<bool> {
        let done = match self {
            Self::Retry { from, version } => operator.retry(conn, run_id, from, *version).await,
            Self::Cancel => operator.cancel(conn, run_id).await,
            Self::Pause => operator.pause(conn, run_id).await,
            Self::Resume => operator.resume(conn, run_id).await,
            Self::Signal { name, payload, sender_key } => {
                operator.signal(conn, run_id, (name, payload), sender_key.as_deref()).await
            }
        };
        Ok(done?)
    }

    fn operation(&self, run: &RunView) -> Operation {
        let mut detail = Map::new();
        detail.insert("run_id".into(), run.id.to_string().into());
        detail.insert("workflow".into(), run.workflow.as_str().into());
        match self {
            Self::Retry { from, version } => {
                let from = match from {
                    RetryFrom::Step(seq) => json!(seq),
                    RetryFrom::Start => json!("start"),
                    _ => json!("failed"),
                };
                detail.insert("from".into(), from);
                detail.extend(version.map(|version| ("version".into(), version.into())));
            }
            Self::Signal { name, payload, .. } => {
                detail.insert("name_sha256".into(), sha256(name).into());
                detail.insert("payload_sha256".into(), sha256(&payload.to_string()).into());
            }
            Self::Cancel | Self::Pause | Self::Resume => {}
        }
        let orgs: BTreeMap<_, _> =
            org_of(run.key.as_deref()).map(|org| (org, detail.clone())).into_iter().collect();
        detail.extend(run.key.as_deref().map(|key| ("key".into(), key.into())));
        Operation { action: self.action(), detail, orgs }
    }

    const fn action(&self) -> Action {
        match self {
            Self::Retry { .. } => Action::WorkflowRunRetried,
            Self::Cancel => Action::WorkflowRunCancelled,
            Self::Pause => Action::WorkflowRunPaused,
            Self::Resume => Action::WorkflowRunResumed,
            Self::Signal { .. } => Action::WorkflowRunSignalled,
        }
    }

    /// What was done, for people.
    fn told(&self, state: RunState) -> String {
        match self {
            Self::Retry { .. } => format!("The run was sent back; it is {state} now."),
            Self::Cancel => "The run is being cancelled: it ends before its next step.".to_owned(),
            Self::Pause if state == RunState::Paused => "The run is paused.".to_owned(),
            Self::Pause => "The run is being paused: it stops before its next step.".to_owned(),
            Self::Resume => format!("The run goes on; it is {state} now."),
            Self::Signal { .. } => "The signal is with the run.".to_owned(),
        }
    }

    /// Why the engine had nothing to do although the run's state allowed it.
    const fn again(&self) -> &'static str {
        match self {
            Self::Signal { .. } => "The run has this signal already, under the same sender key.",
            _ => CHANGED,
        }
    }
}

fn retry(run: &RunView) -> Stand {
    match run.state {
        RunState::Failed => Stand::Open,
        RunState::Paused => Stand::Settled(
            "The run has not failed, or was sent back already. It is paused: resume it.",
        ),
        RunState::Queued | RunState::Running | RunState::Waiting => {
            Stand::Settled("The run has not failed, or was sent back already.")
        }
        RunState::Succeeded => Stand::Closed("there is nothing to retry."),
        RunState::Cancelled => {
            Stand::Closed("only failed runs can be retried. Start a new one instead.")
        }
    }
}

fn cancel(run: &RunView) -> Stand {
    match run.state {
        RunState::Cancelled => Stand::Settled("The run is cancelled already."),
        RunState::Succeeded | RunState::Failed => {
            Stand::Closed("it is over, there is nothing to cancel.")
        }
        _ if run.cancel_requested => Stand::Settled("The run is being cancelled already."),
        _ => Stand::Open,
    }
}

fn pause(run: &RunView) -> Stand {
    match run.state {
        state if state.is_final() => Stand::Closed("it is over, there is nothing to pause."),
        _ if run.cancel_requested => {
            Stand::Closed("it is being cancelled and cannot be paused any more.")
        }
        _ if run.pause_requested => Stand::Settled("The run is paused already, or about to be."),
        _ => Stand::Open,
    }
}

fn resume(run: &RunView) -> Stand {
    match run.state {
        RunState::Failed => Stand::Closed("it is over. Retry it instead."),
        RunState::Succeeded | RunState::Cancelled => {
            Stand::Closed("it is over, there is nothing to resume.")
        }
        _ if run.pause_requested => Stand::Open,
        _ => Stand::Settled("The run is not paused."),
    }
}
