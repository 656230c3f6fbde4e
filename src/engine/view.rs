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
    /// Whether somebody asked to cancel it.
    pub cancel_requested: bool,
    /// The key it was started with, such as a tenant.
    pub key: Option<String>,
    /// The trace text it was started with, such as a request id.
    pub trace: Option<String>,
    /// When it is (or was last) due.
    pub wake_at: Time,
    /// When it was started by the caller.
    pub created_at: Time,
    /// When a worker first took it up.
    pub started_at: Option<Time>,
    /// When it ended.
    pub ended_at: Option<Time>,
}

/// A step that has a result, or is being tried again.
#[derive(Clone, Debug, Serialize)]
pub struct StepView {
    /// Its name.
    pub name: String,
    /// 0 for the first use of the name in the run, 1 for the second …
    pub occurrence: u32,
    /// Its place in the order in which steps first left a mark, from 1.
    pub seq: u32,
    /// `step` or `step_tx`.
    pub kind: String,
    /// `done`, `failed`, or `retrying`.
    pub state: String,
    /// Attempts so far, the successful one included.
    pub attempts: u32,
    /// Its result, as JSON.
    pub output: Option<serde_json::Value>,
    /// Its latest failure.
    pub error: Option<FailureRecord>,
    /// When the latest attempt began.
    pub started_at: Time,
    /// When the latest attempt ended.
    pub ended_at: Time,
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
    /// The epoch it ran under.
    pub epoch: i64,
    /// Why it failed; `None` for the successful one.
    pub error: Option<FailureRecord>,
    /// When it began.
    pub started_at: Time,
    /// When it ended.
    pub ended_at: Time,
}
