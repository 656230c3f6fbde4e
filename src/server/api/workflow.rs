//! Workflow runs, queues, workers and schedules, as platform administrators see them. What they do to them is in [`act`]
//! and its neighbours.

mod act;
mod detail;
mod fleet;
pub(crate) mod form;
pub(super) mod operate;
mod redrive;
mod run;
pub(super) mod schedule;

use engine::{Client, RunFilter};
use poem_openapi::OpenApi;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use uuid::Uuid;

use super::path::Id;
use super::time::Timestamp;
use super::word::WorkflowRunState;
use super::{Tag, page};
use crate::auth::PlatformAdmin;
use crate::errors::{Denied, Refused, Result, statuses};
use detail::WorkflowRunDetail;
use fleet::{WorkflowCounts, WorkflowQueues, WorkflowSchedules, WorkflowWorkers};
use run::WorkflowRunList;

/// Ended runs are counted from so many hours ago.
const COUNTED_HOURS: i64 = 24;
/// Keys that are listed with the queues.
const KEYS: usize = 20;
/// Children that come with a run.
const CHILDREN: usize = 50;

statuses! {
    ListErrors = [400, 401, 403, 500, 503];
    GetErrors = [401, 403, 404, 500, 503];
    LookErrors = [401, 403, 500, 503];
}

pub(crate) struct Api;

#[OpenApi(prefix_path = "/api/v2/admin/workflows", tag = "Tag::Workflows")]
impl Api {
    /// List workflow runs
    ///
    /// Newest first, without their inputs and outputs. Platform administrators.
    #[oai(path = "/runs", method = "get", operation_id = "listWorkflowRuns")]
    #[expect(clippy::too_many_arguments, reason = "one argument per documented parameter")]
    async fn list(
        &self,
        admin: PlatformAdmin,
        /// Only runs of this workflow.
        workflow: Query<Option<String>>,
        /// Only runs in this state; may be given several times.
        state: Query<Option<Vec<WorkflowRunState>>>,
        /// Only runs with this key: for packs, the id of the organisation.
        key: Query<Option<String>>,
        /// Only runs created at or after this time.
        created_from: Query<Option<Timestamp>>,
        /// Only runs created before this time.
        created_before: Query<Option<Timestamp>>,
        /// Only failed runs whose error (message, causes, code, step) holds this text, in whatever case.
        error: Query<Option<String>>,
        /// Only children of this run.
        parent_id: Query<Option<Uuid>>,
        /// Only runs after this one, the newest first: the `next_after` of the answer before.
        after: Query<Option<Uuid>>,
        /// 1 to 1000; 50 unless given.
        limit: Query<Option<u32>>,
    ) -> Result<Json<WorkflowRunList>, Refused<ListErrors>> {
        let limit = page::limit(limit.0)? as usize;
        let filter = RunFilter {
            workflow: text("workflow", workflow.0)?,
            states: state.0.unwrap_or_default().into_iter().map(Into::into).collect(),
            key: text("key", key.0)?,
            parent_id: parent_id.0,
            created_from: created_from.0.map(|at| at.0),
            created_before: created_before.0.map(|at| at.0),
            error_contains: text("error", error.0)?,
        };
        let runs = admin.context.state.engine.list(&filter, after.0, limit).await?;
        Ok(Json(WorkflowRunList::new(runs, limit)))
    }

    /// Get a workflow run
    ///
    /// With its input, output, steps, attempts, signals, what operators did to it, and its newest children. Platform administrators.
    #[oai(path = "/runs/:run_id", method = "get", operation_id = "getWorkflowRun")]
    async fn get(
        &self,
        admin: PlatformAdmin,
        /// The run.
        run_id: Id<0>,
    ) -> Result<Json<WorkflowRunDetail>, Refused<GetErrors>> {
        let engine = &admin.context.state.engine;
        let run = find(engine, run_id.0).await?;
        let of_run = RunFilter { parent_id: Some(run.id), ..RunFilter::default() };
        Ok(Json(WorkflowRunDetail::new(
            detail::History {
                steps: engine.steps(run.id).await?,
                past_steps: engine.past_steps(run.id).await?,
                attempts: engine.attempts(run.id).await?,
                signals: engine.signals(run.id).await?,
                actions: engine.actions(run.id).await?,
                children: WorkflowRunList::new(
                    engine.list(&of_run, None, CHILDREN).await?,
                    CHILDREN,
                ),
            },
            run,
        )))
    }

    /// Count workflow runs
    ///
    /// By workflow and state: every run that has not ended, and those of the last 24 hours that have. Platform administrators.
    #[oai(path = "/counts", method = "get", operation_id = "countWorkflowRuns")]
    async fn counts(
        &self,
        admin: PlatformAdmin,
    ) -> Result<Json<WorkflowCounts>, Refused<LookErrors>> {
        let since = admin.context.now - chrono::TimeDelta::hours(COUNTED_HOURS);
        let counts = admin.context.state.engine.counts(since).await?;
        Ok(Json(WorkflowCounts::new(since, counts)))
    }

    /// List workflow queues
    ///
    /// What is due and what is being done, by workflow and version, and the keys that wait for most. Platform administrators.
    #[oai(path = "/queues", method = "get", operation_id = "listWorkflowQueues")]
    async fn queues(
        &self,
        admin: PlatformAdmin,
    ) -> Result<Json<WorkflowQueues>, Refused<LookErrors>> {
        let engine = &admin.context.state.engine;
        let (queues, keys) = (engine.queues().await?, engine.queued_keys(KEYS).await?);
        Ok(Json(WorkflowQueues::new(queues, keys, admin.context.now)))
    }

    /// List workers
    ///
    /// Those that gave a sign of life within the last hour, the latest first. Platform administrators.
    #[oai(path = "/workers", method = "get", operation_id = "listWorkflowWorkers")]
    async fn workers(
        &self,
        admin: PlatformAdmin,
    ) -> Result<Json<WorkflowWorkers>, Refused<LookErrors>> {
        Ok(Json(WorkflowWorkers::new(admin.context.state.engine.workers().await?)?))
    }

    /// List schedules
    ///
    /// By name, with their last, next and missed ticks. Platform administrators.
    #[oai(path = "/schedules", method = "get", operation_id = "listWorkflowSchedules")]
    async fn schedules(
        &self,
        admin: PlatformAdmin,
    ) -> Result<Json<WorkflowSchedules>, Refused<LookErrors>> {
        Ok(Json(WorkflowSchedules::new(admin.context.state.engine.schedules().await?)))
    }
}

/// As [`find`], as the transaction of `conn` sees it.
async fn find_on(
    engine: &Client,
    conn: &mut engine::Connection,
    run_id: Uuid,
) -> Result<engine::RunView> {
    Ok(engine.find_on(conn, run_id).await?.ok_or(Denied::NotFound("workflow run"))?)
}

async fn find(engine: &Client, run_id: Uuid) -> Result<engine::RunView> {
    Ok(engine.find(run_id).await?.ok_or(Denied::NotFound("workflow run"))?)
}

/// A text to compare stored ones with; none of those holds a NUL.
fn text(name: &str, asked: Option<String>) -> Result<Option<String>> {
    match asked {
        Some(text) if text.contains('\0') => {
            Err(page::parameter(format!("`{name}` must not hold a NUL character")))
        }
        asked => Ok(asked),
    }
}
