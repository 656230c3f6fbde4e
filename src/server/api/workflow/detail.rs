//! One workflow run with everything that is on record of it.

use engine::{ActionView, AttemptView, RunView, SignalView, StepView};
use poem_openapi::Object;
use serde_json::Value;

use super::run::{WorkflowFailure, WorkflowRun, WorkflowRunList};
use crate::api::time::Timestamp;

/// What is on record of a run.
pub(super) struct History {
    pub(super) steps: Vec<StepView>,
    pub(super) past_steps: Vec<StepView>,
    pub(super) attempts: Vec<AttemptView>,
    pub(super) signals: Vec<SignalView>,
    pub(super) actions: Vec<ActionView>,
    pub(super) children: WorkflowRunList,
}

/// A run with its record.
#[derive(Debug, Object)]
pub(crate) struct WorkflowRunDetail {
    run: WorkflowRun,
    /// What it was started with.
    input: Value,
    /// What it left behind; absent unless it has succeeded.
    #[oai(nullable)]
    output: Option<Value>,
    /// In the order in which they first left a mark.
    steps: Vec<WorkflowStep>,
    /// Steps that retries have taken back, the oldest first.
    past_steps: Vec<WorkflowStep>,
    /// Every attempt of every step, in order.
    attempts: Vec<WorkflowAttempt>,
    /// In the order in which they came.
    signals: Vec<WorkflowSignal>,
    /// What operators did to it, in order.
    actions: Vec<WorkflowAction>,
    /// Runs that it started, the newest first; the list of runs with this `parent_id` has the others.
    children: WorkflowRunList,
}

/// A step of a run.
#[derive(Debug, Object)]
pub(crate) struct WorkflowStep {
    /// Its place, from 1: where a retry can go on.
    seq: u32,
    name: String,
    /// 0 for the first use of the name in the run.
    occurrence: u32,
    /// `step`, `step_tx`, `sleep`, `signal`, `spawn`, `join` or `patch`.
    kind: String,
    /// `done`, `failed`, `retrying` or `waiting`.
    state: String,
    /// The successful one included.
    attempts: u32,
    /// Its result.
    #[oai(nullable)]
    output: Option<Value>,
    /// Its latest failure.
    #[oai(nullable)]
    error: Option<WorkflowFailure>,
    /// When it gives up waiting, or its sleep is over.
    #[oai(nullable)]
    wake_at: Option<Timestamp>,
    /// When the latest attempt began.
    started_at: Timestamp,
    /// When the latest attempt ended.
    #[oai(nullable)]
    ended_at: Option<Timestamp>,
    /// For a step that a retry has taken back: how often the run had been sent back before.
    #[oai(nullable)]
    generation: Option<u32>,
}

/// An attempt of a step.
#[derive(Debug, Object)]
pub(crate) struct WorkflowAttempt {
    step: String,
    occurrence: u32,
    /// 1 for the first.
    attempt: u32,
    /// How often the run had been sent back before.
    generation: u32,
    /// Under which of its claims the run was.
    epoch: i64,
    /// Absent for the successful one.
    #[oai(nullable)]
    error: Option<WorkflowFailure>,
    started_at: Timestamp,
    ended_at: Timestamp,
}

/// A message to a run.
#[derive(Debug, Object)]
pub(crate) struct WorkflowSignal {
    name: String,
    payload: Value,
    /// The key under which it exists once.
    #[oai(nullable)]
    sender_key: Option<String>,
    sent_at: Timestamp,
    /// The place of the step that has taken it.
    #[oai(nullable)]
    taken_seq: Option<u32>,
}

/// What an operator did.
#[derive(Debug, Object)]
pub(crate) struct WorkflowAction {
    /// Who; opaque, as in the audit log.
    actor: String,
    action: String,
    detail: Value,
    acted_at: Timestamp,
}

impl WorkflowRunDetail {
    pub(super) fn new(history: History, mut run: RunView) -> Self {
        Self {
            input: run.input.take(),
            output: run.output.take(),
            run: WorkflowRun::new(run),
            steps: history.steps.into_iter().map(Into::into).collect(),
            past_steps: history.past_steps.into_iter().map(Into::into).collect(),
            attempts: history.attempts.into_iter().map(Into::into).collect(),
            signals: history.signals.into_iter().map(Into::into).collect(),
            actions: history.actions.into_iter().map(Into::into).collect(),
            children: history.children,
        }
    }
}

impl From<StepView> for WorkflowStep {
    fn from(step: StepView) -> Self {
        Self {
            seq: step.seq,
            name: step.name,
            occurrence: step.occurrence,
            kind: step.kind,
            state: step.state,
            attempts: step.attempts,
            output: step.output,
            error: step.error.map(Into::into),
            wake_at: step.wake_at.map(Into::into),
            started_at: step.started_at.into(),
            ended_at: step.ended_at.map(Into::into),
            generation: step.taken_back_in,
        }
    }
}

impl From<AttemptView> for WorkflowAttempt {
    fn from(attempt: AttemptView) -> Self {
        Self {
            step: attempt.step,
            occurrence: attempt.occurrence,
            attempt: attempt.attempt,
            generation: attempt.generation,
            epoch: attempt.epoch,
            error: attempt.error.map(Into::into),
            started_at: attempt.started_at.into(),
            ended_at: attempt.ended_at.into(),
        }
    }
}

impl From<SignalView> for WorkflowSignal {
    fn from(signal: SignalView) -> Self {
        Self {
            name: signal.name,
            payload: signal.payload,
            sender_key: signal.sender_key,
            sent_at: signal.sent_at.into(),
            taken_seq: signal.taken_seq,
        }
    }
}

impl From<ActionView> for WorkflowAction {
    fn from(action: ActionView) -> Self {
        Self {
            actor: action.actor,
            action: action.action,
            detail: action.detail,
            acted_at: action.acted_at.into(),
        }
    }
}
