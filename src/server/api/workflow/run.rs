//! Workflow runs as they are listed.

use engine::{FailureRecord, RunView, WaitingFor};
use poem_openapi::{Enum, Object};
use uuid::Uuid;

use crate::api::time::Timestamp;
use crate::api::word::{WorkflowFailureKind, WorkflowRunState};

/// A part of the list of runs.
#[derive(Debug, Object)]
pub(crate) struct WorkflowRunList {
    /// Newest first.
    runs: Vec<WorkflowRun>,
    /// For the next part; absent at the end.
    #[oai(nullable)]
    next_after: Option<Uuid>,
}

/// One execution of a workflow.
#[derive(Debug, Object)]
pub(crate) struct WorkflowRun {
    id: Uuid,
    workflow: String,
    version: u32,
    state: WorkflowRunState,
    /// Whose it is: for packs, the id of the organisation.
    #[oai(nullable)]
    key: Option<String>,
    /// The run that started it.
    #[oai(nullable)]
    parent_id: Option<Uuid>,
    /// Higher goes first.
    priority: i32,
    /// How often a worker has taken it up.
    attempts: u32,
    /// How often an operator has sent it back.
    generation: u32,
    /// How far it is, in its own words.
    #[oai(nullable)]
    progress: Option<WorkflowProgress>,
    /// What it waits for.
    #[oai(nullable)]
    waiting_for: Option<WorkflowWaiting>,
    /// Somebody asked to cancel it.
    cancel_requested: bool,
    /// Somebody asked to pause it, and nobody to resume it.
    pause_requested: bool,
    /// The worker that has it.
    #[oai(nullable)]
    worker: Option<String>,
    /// Until when, unless the worker renews its lease.
    #[oai(nullable)]
    lease_until: Option<Timestamp>,
    /// The id of the request that started it.
    #[oai(nullable)]
    trace: Option<String>,
    /// When it is due; absent while only a signal or its children can wake it.
    #[oai(nullable)]
    wake_at: Option<Timestamp>,
    created_at: Timestamp,
    /// When a worker first took it up.
    #[oai(nullable)]
    started_at: Option<Timestamp>,
    #[oai(nullable)]
    ended_at: Option<Timestamp>,
    /// Why it failed.
    #[oai(nullable)]
    error: Option<WorkflowFailure>,
}

/// How far a run is.
#[derive(Debug, Object)]
pub(crate) struct WorkflowProgress {
    /// What is being done.
    step: String,
    done: i64,
    /// 0: not known.
    total: i64,
}

/// What a run waits for.
#[derive(Debug, Object)]
pub(crate) struct WorkflowWaiting {
    kind: WorkflowWaitingKind,
    /// The name of the signal, where it waits for one.
    #[oai(nullable)]
    signal: Option<String>,
    /// The place of the step that started the children, where it waits for them.
    #[oai(nullable)]
    seq: Option<u32>,
}

/// `time` (a sleep, a later start, the next attempt), `signal`, `children`, or its `turn` among the children of another run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum WorkflowWaitingKind {
    Time,
    Signal,
    Children,
    Turn,
}

/// Why an attempt, a step or a run failed.
#[derive(Debug, Object)]
pub(crate) struct WorkflowFailure {
    kind: WorkflowFailureKind,
    /// For programs, if the workflow gave one.
    #[oai(nullable)]
    code: Option<String>,
    /// For people.
    message: String,
    /// What that was caused by, outermost first.
    causes: Vec<String>,
    /// The step it happened in.
    #[oai(nullable)]
    step: Option<String>,
}

impl WorkflowRunList {
    pub(super) fn new(runs: Vec<RunView>, limit: usize) -> Self {
        let next_after = runs.last().filter(|_| runs.len() == limit).map(|run| run.id);
        Self { runs: runs.into_iter().map(WorkflowRun::new).collect(), next_after }
    }
}

impl WorkflowRun {
    pub(super) fn new(run: RunView) -> Self {
        Self {
            id: run.id,
            workflow: run.workflow,
            version: run.version,
            state: run.state.into(),
            key: run.key,
            parent_id: run.parent_id,
            priority: run.priority,
            attempts: run.attempts,
            generation: run.generation,
            progress: run.progress.map(|progress| WorkflowProgress {
                step: progress.step,
                done: progress.done,
                total: progress.total,
            }),
            waiting_for: run.waiting_for.map(Into::into),
            cancel_requested: run.cancel_requested,
            pause_requested: run.pause_requested,
            worker: run.worker,
            lease_until: run.lease_until.map(Into::into),
            trace: run.trace,
            wake_at: run.wake_at.map(Into::into),
            created_at: run.created_at.into(),
            started_at: run.started_at.map(Into::into),
            ended_at: run.ended_at.map(Into::into),
            error: run.error.map(Into::into),
        }
    }
}

impl From<WaitingFor> for WorkflowWaiting {
    fn from(waiting: WaitingFor) -> Self {
        let (kind, signal, seq) = match waiting {
            WaitingFor::Time => (WorkflowWaitingKind::Time, None, None),
            WaitingFor::Signal(name) => (WorkflowWaitingKind::Signal, Some(name), None),
            WaitingFor::Children(seq) => (WorkflowWaitingKind::Children, None, Some(seq)),
            WaitingFor::Turn => (WorkflowWaitingKind::Turn, None, None),
        };
        Self { kind, signal, seq }
    }
}

impl From<FailureRecord> for WorkflowFailure {
    fn from(failure: FailureRecord) -> Self {
        Self {
            kind: failure.kind.into(),
            code: failure.code,
            message: failure.message,
            causes: failure.causes,
            step: failure.step,
        }
    }
}
