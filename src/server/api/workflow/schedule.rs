//! Operations on schedules.
//!
//! Invariant: one transaction, with the audit entry of the platform; schedules are nobody else's. What turns out to have nothing
//! to do is rolled back.

use std::collections::BTreeMap;

use db::operations::Operation;
use engine::{Connection, Operator};
use evidence::action::Action;
use evidence::time::{Time, stamp};
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::types::ToJSON as _;
use poem_openapi::{Object, OpenApi};
use serde_json::Map;
use sqlx::Acquire as _;

use super::act::turn;
use super::operate::field;
use crate::api::Tag;
use crate::api::body::JsonBody;
use crate::api::idempotency::{Answer, Asked, IdempotencyKey};
use crate::api::time::{Timestamp, is_in_range};
use crate::auth::PlatformAdmin;
use crate::errors::{Denied, Error, Refused, Result, statuses};

/// The ticks of a time.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(crate) struct WorkflowBackfill {
    /// Ticks after this moment.
    from: Timestamp,
    /// Ticks up to and with this moment; none in the future.
    to: Timestamp,
}

/// What was done to a schedule.
#[derive(Debug, Object)]
pub(crate) struct WorkflowScheduleActed {
    /// Whether anything was done. What finds nothing to do changes and records nothing.
    pub(super) done: bool,
    /// For people.
    pub(super) message: String,
    schedule: String,
    /// The ticks that were asked for; a worker starts their runs.
    pub(super) ticks: Vec<Timestamp>,
}

statuses! {
    ActErrors = [400, 401, 403, 404, 422, 429, 500, 503];
    BackfillErrors = [400, 401, 403, 404, 408, 413, 415, 422, 429, 500, 503];
}

pub(crate) struct Api;

#[OpenApi(prefix_path = "/api/v2/admin/workflows", tag = "Tag::Workflows")]
impl Api {
    /// Run a schedule now
    ///
    /// Asks for one run at once, beside the schedule's ticks, paused or not; a worker starts it. Each call asks for one more. Platform administrators; recorded in the platform's audit log.
    #[oai(path = "/schedules/:name/run", method = "post", operation_id = "runWorkflowSchedule")]
    async fn run(
        &self,
        admin: PlatformAdmin,
        /// The schedule.
        name: Path<String>,
        /// 1 to 255 printable ASCII characters. The same key with the same request within 24 hours gives the same answer and does nothing again.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
    ) -> Result<Json<WorkflowScheduleActed>, Refused<ActErrors>> {
        Ok(Json(act(&admin, &key.asked(&admin, ""), name.0, Act::Run).await?))
    }

    /// Pause a schedule
    ///
    /// It starts no runs until it is resumed; ticks that pass are counted as missed. Platform administrators; recorded in the platform's audit log.
    #[oai(path = "/schedules/:name/pause", method = "post", operation_id = "pauseWorkflowSchedule")]
    async fn pause(
        &self,
        admin: PlatformAdmin,
        /// The schedule.
        name: Path<String>,
        /// 1 to 255 printable ASCII characters. The same key with the same request within 24 hours gives the same answer and does nothing again.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
    ) -> Result<Json<WorkflowScheduleActed>, Refused<ActErrors>> {
        Ok(Json(act(&admin, &key.asked(&admin, ""), name.0, Act::Pause).await?))
    }

    /// Resume a schedule
    ///
    /// It fires again from its next tick on. Platform administrators; recorded in the platform's audit log.
    #[oai(
        path = "/schedules/:name/resume",
        method = "post",
        operation_id = "resumeWorkflowSchedule"
    )]
    async fn resume(
        &self,
        admin: PlatformAdmin,
        /// The schedule.
        name: Path<String>,
        /// 1 to 255 printable ASCII characters. The same key with the same request within 24 hours gives the same answer and does nothing again.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
    ) -> Result<Json<WorkflowScheduleActed>, Refused<ActErrors>> {
        Ok(Json(act(&admin, &key.asked(&admin, ""), name.0, Act::Resume).await?))
    }

    /// Backfill a schedule
    ///
    /// Asks for the runs of the ticks of a time, at most 1,000. A tick that has started a run already starts no second one, as long as that run is kept. Platform administrators; recorded in the platform's audit log.
    #[oai(
        path = "/schedules/:name/backfill",
        method = "post",
        operation_id = "backfillWorkflowSchedule"
    )]
    async fn backfill(
        &self,
        admin: PlatformAdmin,
        /// The schedule.
        name: Path<String>,
        /// 1 to 255 printable ASCII characters. The same key with the same request within 24 hours gives the same answer and does nothing again.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: JsonBody<WorkflowBackfill>,
    ) -> Result<Json<WorkflowScheduleActed>, Refused<BackfillErrors>> {
        let asked = key.asked(&admin, &body.0.to_json_string());
        let span = body.0.checked()?;
        Ok(Json(act(&admin, &asked, name.0, Act::Backfill(span)).await?))
    }
}

/// What is to be done to a schedule.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    Run,
    Pause,
    Resume,
    Backfill((Time, Time)),
}

/// What came of it.
struct Came {
    done: bool,
    ticks: Vec<Time>,
}

impl Answer for WorkflowScheduleActed {
    fn status(&self) -> u16 {
        200
    }
}

pub(super) async fn act(
    admin: &PlatformAdmin,
    asked: &Asked,
    name: String,
    act: Act,
) -> Result<WorkflowScheduleActed> {
    let state = &admin.context.state;
    // Before it is written down: the audit log names schedules that exist.
    let known = state.engine.schedules().await?.into_iter().any(|known| known.name == name);
    if !known {
        return Err(Denied::NotFound("schedule").into());
    }
    let _turn = turn(state).await?;
    let mut tx = state.pool.begin().await?;
    if let Some(answer) = asked.answered(&mut tx).await? {
        return Ok(answer);
    }
    let mut on_record = tx.begin().await?;
    db::operations::record(&mut on_record, act.operation(&name), &admin.cause()).await?;
    let came = act.perform(&state.engine.operator(admin.id()), &mut on_record, &name).await?;
    if came.done {
        on_record.commit().await?;
    } else {
        on_record.rollback().await?;
    }
    let answer = WorkflowScheduleActed {
        done: came.done,
        message: act.told(came.done).to_owned(),
        schedule: name,
        ticks: came.ticks.into_iter().map(Into::into).collect(),
    };
    asked.keep(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

impl Act {
    async fn perform(
        self,
        operator: &Operator<'_>,
        conn: &mut Connection,
        name: &str,
    ) -> Result<Came> {
        let (done, ticks) = match self {
            Self::Run => (true, vec![operator.run_schedule_now(conn, name).await?]),
            Self::Pause => (operator.pause_schedule(conn, name).await?, vec![]),
            Self::Resume => (operator.resume_schedule(conn, name).await?, vec![]),
            Self::Backfill(span) => {
                let ticks = operator.backfill_schedule(conn, name, span).await;
                let ticks = ticks.map_err(|error| match error {
                    engine::Error::Schedule { reason, .. } => field("from", &reason),
                    error => Error::from(error),
                })?;
                (!ticks.is_empty(), ticks)
            }
        };
        Ok(Came { done, ticks })
    }

    fn operation(self, name: &str) -> Operation {
        let mut detail = Map::from_iter([("schedule".to_owned(), name.into())]);
        let action = match self {
            Self::Run => Action::WorkflowScheduleRun,
            Self::Pause => Action::WorkflowSchedulePaused,
            Self::Resume => Action::WorkflowScheduleResumed,
            Self::Backfill((from, to)) => {
                detail.insert("from".to_owned(), stamp(from).into());
                detail.insert("to".to_owned(), stamp(to).into());
                Action::WorkflowScheduleBackfilled
            }
        };
        Operation { action, detail, orgs: BTreeMap::new() }
    }

    const fn told(self, done: bool) -> &'static str {
        match (self, done) {
            (Self::Run, _) => "A worker starts the run.",
            (Self::Pause, true) => "The schedule is paused.",
            (Self::Pause, false) => "The schedule is paused already.",
            (Self::Resume, true) => "The schedule fires again from its next tick on.",
            (Self::Resume, false) => "The schedule is not paused.",
            (Self::Backfill(_), true) => "A worker starts the runs of these ticks.",
            (Self::Backfill(_), false) => "The schedule has no tick in that time.",
        }
    }
}

impl WorkflowBackfill {
    pub(super) fn new((from, to): (Time, Time)) -> Self {
        Self { from: from.into(), to: to.into() }
    }

    pub(super) fn checked(&self) -> Result<(Time, Time)> {
        let (from, to) = (self.from.0, self.to.0);
        for (of, at) in [("from", from), ("to", to)] {
            if !is_in_range(at) {
                return Err(field(of, &format!("{of} must lie between the years 1970 and 9999")));
            }
        }
        if from >= to {
            return Err(field("to", "to must be later than from"));
        }
        Ok((from, to))
    }
}
