//! What there is to do and who does it: counts, queues, workers, schedules.

use engine::{Count, KeyView, QueueView, ScheduleView, WorkerView};
use evidence::time::Time;
use poem_openapi::Object;
use serde::Deserialize;

use crate::api::time::Timestamp;
use crate::api::word::WorkflowRunState;
use crate::errors::{Error, Result};

/// How many runs there are.
#[derive(Debug, Object)]
pub(crate) struct WorkflowCounts {
    /// Of the runs that have ended, those that were created from here on are counted.
    since: Timestamp,
    /// By workflow and state.
    counts: Vec<WorkflowCount>,
}

/// How many runs of a workflow are in a state.
#[derive(Debug, Object)]
pub(crate) struct WorkflowCount {
    workflow: String,
    state: WorkflowRunState,
    runs: u64,
}

/// What is due.
#[derive(Debug, Object)]
pub(crate) struct WorkflowQueues {
    queues: Vec<WorkflowQueue>,
    /// The keys with the most runs due, those first.
    keys: Vec<WorkflowKey>,
}

/// What is due of a version of a workflow.
#[derive(Debug, Object)]
pub(crate) struct WorkflowQueue {
    workflow: String,
    version: u32,
    /// Runs that are due and have no worker.
    queued: u64,
    /// Since when the oldest of them is due.
    #[oai(nullable)]
    oldest_due_at: Option<Timestamp>,
    /// The same as an age.
    #[oai(nullable)]
    oldest_age_seconds: Option<u64>,
    /// Runs that have a worker.
    running: u64,
    /// Workers that run this version.
    workers: u64,
    /// Most runs at a time; absent: any number.
    #[oai(nullable)]
    max_running: Option<u32>,
    /// Most runs of a key at a time; absent: any number.
    #[oai(nullable)]
    max_running_per_key: Option<u32>,
}

/// What is due of a key.
#[derive(Debug, Object)]
pub(crate) struct WorkflowKey {
    workflow: String,
    /// Empty for runs without one.
    key: String,
    /// Runs that are due and have no worker.
    queued: u64,
    /// Since when the oldest of them is due.
    oldest_due_at: Timestamp,
    /// The same as an age.
    oldest_age_seconds: u64,
}

/// The workers.
#[derive(Debug, Object)]
pub(crate) struct WorkflowWorkers {
    workers: Vec<WorkflowWorker>,
}

/// A worker.
#[derive(Debug, Object)]
pub(crate) struct WorkflowWorker {
    /// As runs name it.
    id: String,
    /// Name and version of its program.
    program: String,
    /// How many runs it drives at a time.
    concurrency: u32,
    /// Runs it has.
    running: u64,
    /// The workflows and versions it runs.
    kinds: Vec<WorkflowKind>,
    /// How long it may be silent before its runs are taken over.
    lease_seconds: f64,
    started_at: Timestamp,
    /// Its latest sign of life; one comes every five seconds.
    seen_at: Timestamp,
}

/// A version of a workflow.
#[derive(Debug, Object, Deserialize)]
pub(crate) struct WorkflowKind {
    workflow: String,
    version: u32,
}

/// The schedules.
#[derive(Debug, Object)]
pub(crate) struct WorkflowSchedules {
    /// By name.
    schedules: Vec<WorkflowSchedule>,
}

/// A schedule: it starts runs of a workflow.
#[derive(Debug, Object)]
pub(crate) struct WorkflowSchedule {
    name: String,
    workflow: String,
    cron: String,
    /// The IANA time zone that the cron expression is read in.
    zone: String,
    /// What becomes of ticks that passed while no worker was there: `skip`, `once` or `all`.
    misfire: String,
    /// Most runs for passed ticks at once.
    misfire_max: u32,
    /// The next tick.
    #[oai(nullable)]
    next_at: Option<Timestamp>,
    /// The last tick that started a run.
    #[oai(nullable)]
    last_at: Option<Timestamp>,
    /// Ticks that started no run.
    missed: u64,
    /// Since when it is paused.
    #[oai(nullable)]
    paused_at: Option<Timestamp>,
    /// Ticks that somebody asked for and no worker has served yet.
    asked: u64,
    /// Why it could not be fired the last time.
    #[oai(nullable)]
    error: Option<String>,
}

impl WorkflowCounts {
    pub(super) fn new(since: Time, counts: Vec<Count>) -> Self {
        let counts = counts.into_iter().map(|count| WorkflowCount {
            workflow: count.workflow,
            state: count.state.into(),
            runs: count.runs,
        });
        Self { since: since.into(), counts: counts.collect() }
    }
}

impl WorkflowQueues {
    pub(super) fn new(queues: Vec<QueueView>, keys: Vec<KeyView>, now: Time) -> Self {
        let queues = queues.into_iter().map(|queue| WorkflowQueue {
            workflow: queue.workflow,
            version: queue.version,
            queued: queue.queued,
            oldest_due_at: queue.oldest_due_at.map(Into::into),
            oldest_age_seconds: queue.oldest_due_at.map(|at| age_seconds(at, now)),
            running: queue.running,
            workers: queue.workers,
            max_running: queue.max_running,
            max_running_per_key: queue.max_running_per_key,
        });
        let keys = keys.into_iter().map(|key| WorkflowKey {
            workflow: key.workflow,
            key: key.key,
            queued: key.queued,
            oldest_due_at: key.oldest_due_at.into(),
            oldest_age_seconds: age_seconds(key.oldest_due_at, now),
        });
        Self { queues: queues.collect(), keys: keys.collect() }
    }
}

/// Never less than nothing: the database has a clock of its own.
fn age_seconds(since: Time, now: Time) -> u64 {
    u64::try_from((now - since).num_seconds()).unwrap_or(0)
}

impl WorkflowWorkers {
    pub(super) fn new(workers: Vec<WorkerView>) -> Result<Self> {
        let workers: Result<_> = workers.into_iter().map(WorkflowWorker::new).collect();
        Ok(Self { workers: workers? })
    }
}

impl WorkflowWorker {
    fn new(worker: WorkerView) -> Result<Self> {
        Ok(Self {
            id: worker.id,
            program: worker.program,
            concurrency: worker.concurrency,
            running: worker.running,
            kinds: serde_json::from_value(worker.kinds).map_err(Error::internal)?,
            lease_seconds: worker.lease_seconds,
            started_at: worker.started_at.into(),
            seen_at: worker.seen_at.into(),
        })
    }
}

impl WorkflowSchedules {
    pub(super) fn new(schedules: Vec<ScheduleView>) -> Self {
        let schedules = schedules.into_iter().map(|schedule| WorkflowSchedule {
            name: schedule.name,
            workflow: schedule.workflow,
            cron: schedule.cron,
            zone: schedule.zone,
            misfire: schedule.misfire,
            misfire_max: schedule.misfire_max,
            next_at: schedule.next_at.map(Into::into),
            last_at: schedule.last_at.map(Into::into),
            missed: schedule.missed,
            paused_at: schedule.paused_at.map(Into::into),
            asked: schedule.asked,
            error: schedule.error,
        });
        Self { schedules: schedules.collect() }
    }
}
