//! Rows as the database has them, and the views made of them.

use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{AttemptView, Error, FailureRecord, Progress, RunView, StepView, Time, WaitingFor};

#[derive(FromRow)]
pub(super) struct RunRow {
    pub(super) id: Uuid,
    pub(super) workflow: String,
    pub(super) version: i32,
    pub(super) state: String,
    pub(super) input: Json<serde_json::Value>,
    pub(super) progress_step: Option<String>,
    pub(super) progress_done: Option<i64>,
    pub(super) progress_total: Option<i64>,
    pub(super) epoch: i64,
    pub(super) error: Option<Json<FailureRecord>>,
    pub(super) output: Option<Json<serde_json::Value>>,
    pub(super) cancel_requested_at: Option<Time>,
    pub(super) pause_requested_at: Option<Time>,
    pub(super) waiting_for: Option<String>,
    pub(super) awaited_name: Option<String>,
    pub(super) awaited_seq: Option<i32>,
    pub(super) parent_id: Option<Uuid>,
    pub(super) generation: i32,
    pub(super) priority: i32,
    pub(super) owner: Option<String>,
    pub(super) lease_until: Option<Time>,
    pub(super) key: String,
    pub(super) trace: Option<String>,
    pub(super) wake_at: Option<Time>,
    pub(super) created_at: Time,
    pub(super) started_at: Option<Time>,
    pub(super) ended_at: Option<Time>,
}

impl TryFrom<RunRow> for RunView {
    type Error = Error;

    fn try_from(row: RunRow) -> Result<Self, Error> {
        let waiting_for = match row.waiting_for.as_deref() {
            Some("signal") => Some(WaitingFor::Signal(row.awaited_name.unwrap_or_default())),
            Some("children") => {
                Some(WaitingFor::Children(row.awaited_seq.unwrap_or_default().unsigned_abs()))
            }
            Some("turn") => Some(WaitingFor::Turn),
            Some(_) => Some(WaitingFor::Time),
            None => None,
        };
        Ok(Self {
            id: row.id,
            workflow: row.workflow,
            version: row.version.unsigned_abs(),
            state: row.state.parse()?,
            progress: row.progress_step.map(|step| Progress {
                step,
                done: row.progress_done.unwrap_or(0),
                total: row.progress_total.unwrap_or(0),
            }),
            attempts: u32::try_from(row.epoch).unwrap_or(u32::MAX),
            error: row.error.map(|error| error.0),
            output: row.output.map(|output| output.0),
            input: row.input.0,
            cancel_requested: row.cancel_requested_at.is_some(),
            pause_requested: row.pause_requested_at.is_some(),
            waiting_for,
            parent_id: row.parent_id,
            generation: row.generation.unsigned_abs(),
            priority: row.priority,
            worker: row.owner,
            lease_until: row.lease_until,
            key: Some(row.key).filter(|key| !key.is_empty()),
            trace: row.trace,
            wake_at: row.wake_at,
            created_at: row.created_at,
            started_at: row.started_at,
            ended_at: row.ended_at,
        })
    }
}

pub(super) struct StepRow {
    pub(super) name: String,
    pub(super) occurrence: i32,
    pub(super) seq: i32,
    pub(super) kind: String,
    pub(super) state: String,
    pub(super) attempts: i32,
    pub(super) output: Option<Json<serde_json::Value>>,
    pub(super) error: Option<Json<FailureRecord>>,
    pub(super) wake_at: Option<Time>,
    pub(super) started_at: Time,
    pub(super) ended_at: Option<Time>,
    pub(super) generation: Option<i32>,
}

impl From<StepRow> for StepView {
    fn from(row: StepRow) -> Self {
        Self {
            name: row.name,
            occurrence: row.occurrence.unsigned_abs(),
            seq: row.seq.unsigned_abs(),
            kind: row.kind,
            state: row.state,
            attempts: row.attempts.unsigned_abs(),
            output: row.output.map(|output| output.0),
            error: row.error.map(|error| error.0),
            wake_at: row.wake_at,
            started_at: row.started_at,
            ended_at: row.ended_at,
            taken_back_in: row.generation.map(i32::unsigned_abs),
        }
    }
}

pub(super) struct AttemptRow {
    pub(super) name: String,
    pub(super) occurrence: i32,
    pub(super) attempt: i32,
    pub(super) generation: i32,
    pub(super) epoch: i64,
    pub(super) error: Option<Json<FailureRecord>>,
    pub(super) started_at: Time,
    pub(super) ended_at: Time,
}

impl From<AttemptRow> for AttemptView {
    fn from(row: AttemptRow) -> Self {
        Self {
            step: row.name,
            occurrence: row.occurrence.unsigned_abs(),
            attempt: row.attempt.unsigned_abs(),
            generation: row.generation.unsigned_abs(),
            epoch: row.epoch,
            error: row.error.map(|error| error.0),
            started_at: row.started_at,
            ended_at: row.ended_at,
        }
    }
}
