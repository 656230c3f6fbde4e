//! Runs, steps and attempts as operators and callers see them: plain data, no behaviour.

use serde::Serialize;
use uuid::Uuid;

use crate::{FailureRecord, RunState, Time};

/// How far a run is, in the workflow's own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// What is being done.
    pub step: String,
    /// How much of it is done.
    pub done: i64,
    /// How much there is; 0 = not known.
    pub total: i64,
}

/// A run.
#[derive(Clone, Debug, Serialize)]
pub struct RunView {
    /// Its id.
    pub id: Uuid,
    /// [`crate::Workflow::NAME`].
    pub workflow: String,
    /// [`crate::Workflow::VERSION`].
    pub version: u32,
    /// Where it stands.
    pub state: RunState,
    /// The last progress it reported.
    pub progress: Option<Progress>,
    /// How often a worker has taken it up.
    pub attempts: u32,
    /// Why it failed.
    pub error: Option<FailureRecord>,
    /// What it left behind, as JSON.
    pub output: Option<serde_json::Value>,
    /// What it was started with, as JSON.
    pub input: serde_json::Value,
    /// Whether somebody asked to cancel it.
    pub cancel_requested: bool,
    /// Whether somebody asked to pause it, and nobody to resume it.
    pub pause_requested: bool,
    /// What a waiting run waits for.
    pub waiting_for: Option<WaitingFor>,
    /// The run that started it, if one did.
    pub parent_id: Option<Uuid>,
    /// How often an operator has sent it back after a failure.
    pub generation: u32,
    /// Its priority: higher goes first.
    pub priority: i32,
    /// The worker that has it.
    pub worker: Option<String>,
    /// Until when that worker has it, unless it renews its lease.
    pub lease_until: Option<Time>,
    /// The key it was started with, such as a tenant.
    pub key: Option<String>,
    /// The trace text it was started with, such as a request id.
    pub trace: Option<String>,
    /// When it is (or was last) due; `None` while only news can wake it.
    pub wake_at: Option<Time>,
    /// When it was started by the caller.
    pub created_at: Time,
    /// When a worker first took it up.
    pub started_at: Option<Time>,
    /// When it ended.
    pub ended_at: Option<Time>,
}

/// What a run waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitingFor {
    /// Its time: a start later on, a sleep, the next attempt of a step.
    Time,
    /// A signal of this name.
    Signal(String),
    /// The children that the step at this place has started.
    Children(u32),
    /// Its turn among the children of a bounded fan-out.
    Turn,
}

/// A step that has a result, waits, or is being tried again.
#[derive(Clone, Debug, Serialize)]
pub struct StepView {
    /// Its name.
    pub name: String,
    /// 0 for the first use of the name in the run, 1 for the second …
    pub occurrence: u32,
    /// Its place in the order in which steps first left a mark, from 1.
    pub seq: u32,
    /// `step`, `step_tx`, `sleep`, `signal`, `spawn`, `join`, or `patch`.
    pub kind: String,
    /// `done`, `failed`, `retrying`, or `waiting`.
    pub state: String,
    /// Attempts so far, the successful one included.
    pub attempts: u32,
    /// Its result, as JSON.
    pub output: Option<serde_json::Value>,
    /// Its latest failure.
    pub error: Option<FailureRecord>,
    /// When a step that waits gives up, or a sleep is over.
    pub wake_at: Option<Time>,
    /// When the latest attempt began.
    pub started_at: Time,
    /// When the latest attempt ended; `None` while the step waits.
    pub ended_at: Option<Time>,
    /// For steps that a retry has taken back: how often the run had been sent back before.
    pub taken_back_in: Option<u32>,
}

/// One attempt of a step.
#[derive(Clone, Debug, Serialize)]
pub struct AttemptView {
    /// The step's name.
    pub step: String,
    /// The step's occurrence.
    pub occurrence: u32,
    /// 1 for the first.
    pub attempt: u32,
    /// How often the run had been sent back before.
    pub generation: u32,
    /// The epoch it ran under.
    pub epoch: i64,
    /// Why it failed; `None` for the successful one.
    pub error: Option<FailureRecord>,
    /// When it began.
    pub started_at: Time,
    /// When it ended.
    pub ended_at: Time,
}

/// A signal to a run.
#[derive(Clone, Debug, Serialize)]
pub struct SignalView {
    /// Its name.
    pub name: String,
    /// What it carries, as JSON.
    pub payload: serde_json::Value,
    /// The key under which it exists once.
    pub sender_key: Option<String>,
    /// When it was sent.
    pub sent_at: Time,
    /// The place of the step that has taken it.
    pub taken_seq: Option<u32>,
}

/// What somebody did to a run or a schedule.
#[derive(Clone, Debug, Serialize)]
pub struct ActionView {
    /// Who.
    pub actor: String,
    /// What: `retry`, `cancel`, `pause`, `resume`, `signal`, `redrive`, `schedule.pause` …
    pub action: String,
    /// To which run.
    pub run_id: Option<Uuid>,
    /// To which schedule.
    pub schedule: Option<String>,
    /// With what.
    pub detail: serde_json::Value,
    /// When.
    pub acted_at: Time,
}

/// How many runs of a workflow are in a state.
#[derive(Clone, Debug, Serialize)]
pub struct Count {
    /// The workflow.
    pub workflow: String,
    /// The state.
    pub state: RunState,
    /// How many.
    pub runs: u64,
}

/// Failed runs of a workflow that failed alike.
#[derive(Clone, Debug, Serialize)]
pub struct FailureGroup {
    /// The workflow.
    pub workflow: String,
    /// Why they failed.
    pub error: FailureRecord,
    /// How many.
    pub runs: u64,
    /// When the first of them failed.
    pub first_at: Time,
    /// When the last of them failed.
    pub last_at: Time,
    /// The newest of them.
    pub newest: Uuid,
}

/// Runs that have ended lately.
#[derive(Clone, Debug, Serialize)]
pub struct Recent {
    /// From when on all of them are there: when there were too many to read, later than it was asked for.
    pub since: Time,
    /// By workflow and minute; minutes without an end are left out.
    pub minutes: Vec<MinuteView>,
}

/// Runs of a workflow that ended within a minute.
#[derive(Clone, Debug, Serialize)]
pub struct MinuteView {
    /// The workflow.
    pub workflow: String,
    /// When the minute began.
    pub minute: Time,
    /// How many ended, in whatever way.
    pub ended: u64,
    /// How many of those failed.
    pub failed: u64,
}

/// What is due of a version of a workflow, and what holds a worker.
#[derive(Clone, Debug, Serialize)]
pub struct QueueView {
    /// The workflow.
    pub workflow: String,
    /// The version.
    pub version: u32,
    /// Runs that are due and have no worker.
    pub queued: u64,
    /// Since when the oldest of them is due.
    pub oldest_due_at: Option<Time>,
    /// Runs that hold a worker.
    pub running: u64,
    /// Workers that run this version.
    pub workers: u64,
    /// Most runs at a time.
    pub max_running: Option<u32>,
    /// Most runs of a key at a time.
    pub max_running_per_key: Option<u32>,
}

/// What is due of a key.
#[derive(Clone, Debug, Serialize)]
pub struct KeyView {
    /// The workflow.
    pub workflow: String,
    /// The key; empty for runs without one.
    pub key: String,
    /// Runs that are due and have no worker.
    pub queued: u64,
    /// Since when the oldest of them is due.
    pub oldest_due_at: Time,
}

/// A worker.
#[derive(Clone, Debug, Serialize)]
pub struct WorkerView {
    /// Its id, as [`RunView::worker`] names it.
    pub id: String,
    /// The name and version of its program.
    pub program: String,
    /// How many runs it drives at a time.
    pub concurrency: u32,
    /// The workflows and versions it runs, as JSON: `[{"workflow", "version"}]`.
    pub kinds: serde_json::Value,
    /// Runs it has.
    pub running: u64,
    /// How long it may be silent before its runs are taken over, in seconds.
    pub lease_seconds: f64,
    /// When it started.
    pub started_at: Time,
    /// Its latest sign of life; one comes every five seconds.
    pub seen_at: Time,
}

/// A schedule.
#[derive(Clone, Debug, Serialize)]
pub struct ScheduleView {
    /// Its name.
    pub name: String,
    /// The workflow it starts.
    pub workflow: String,
    /// Its cron expression.
    pub cron: String,
    /// The IANA time zone it is read in.
    pub zone: String,
    /// `skip`, `once`, or `all`.
    pub misfire: String,
    /// Most runs for passed ticks at once.
    pub misfire_max: u32,
    /// The next tick.
    pub next_at: Option<Time>,
    /// The last tick that started a run.
    pub last_at: Option<Time>,
    /// Ticks that started no run.
    pub missed: u64,
    /// Since when it is paused.
    pub paused_at: Option<Time>,
    /// Ticks that somebody asked for and no worker has served yet.
    pub asked: u64,
    /// Why it could not be fired the last time.
    pub error: Option<String>,
}
