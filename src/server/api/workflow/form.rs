//! The operations as forms of pages ask for them: the same checks, the same work, the same audit entries.
//!
//! Invariant: the key of a form makes it one request, however often it is sent.

use engine::RetryFrom;
use evidence::time::Time;
use serde_json::Value;
use uuid::Uuid;

use super::act::{self, act};
use super::operate::WorkflowSignalRequest;
use super::redrive::{LIMIT_MAX, WorkflowRedrive, WorkflowRedriven, redrive};
use super::schedule::{self, WorkflowBackfill};
use crate::api::idempotency::IdempotencyKey;
use crate::auth::PlatformAdmin;
use crate::errors::Result;

/// What came of it.
#[derive(Debug)]
pub(crate) struct Said {
    /// Nothing was to be done, unless it is true.
    pub(crate) done: bool,
    /// For people.
    pub(crate) message: String,
}

/// What is to be done to a run.
#[derive(Debug)]
pub(crate) enum OfRun {
    Retry(RetryFrom),
    Cancel,
    Pause,
    Resume,
    Signal { name: String, payload: Value, sender_key: Option<String> },
}

/// What is to be done to a schedule.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OfSchedule {
    Run,
    Pause,
    Resume,
    Backfill((Time, Time)),
}

/// Which failed runs are to be sent back: those that fit everything that is given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failed {
    pub(crate) workflow: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) error: Option<String>,
}

/// What a redrive would come to.
#[derive(Debug)]
pub(crate) struct Matching {
    /// Counted up to 10,000.
    pub(crate) count: u64,
    /// The oldest ten.
    pub(crate) oldest: Vec<Uuid>,
}

/// Most runs that one redrive sends back.
pub(crate) const REDRIVEN_MAX: u32 = LIMIT_MAX;

/// Does it, on record.
pub(crate) async fn of_run(
    admin: &PlatformAdmin,
    key: String,
    run_id: Uuid,
    what: OfRun,
) -> Result<Said> {
    let what = match what {
        OfRun::Retry(from) => act::Act::Retry { from, version: None },
        OfRun::Cancel => act::Act::Cancel,
        OfRun::Pause => act::Act::Pause,
        OfRun::Resume => act::Act::Resume,
        OfRun::Signal { name, payload, sender_key } => {
            WorkflowSignalRequest { name, payload, sender_key }.checked()?
        }
    };
    let key = IdempotencyKey::of_form(key, &format!("/ops/runs/{run_id}"))?;
    let asked = key.asked(admin, &format!("{what:?}"));
    let acted = act(admin, &asked, run_id, &what).await?;
    Ok(Said { done: acted.done, message: acted.message })
}

/// Does it, on record; the ticks that were asked for are counted in the message.
pub(crate) async fn of_schedule(
    admin: &PlatformAdmin,
    key: String,
    name: &str,
    what: OfSchedule,
) -> Result<Said> {
    let what = match what {
        OfSchedule::Run => schedule::Act::Run,
        OfSchedule::Pause => schedule::Act::Pause,
        OfSchedule::Resume => schedule::Act::Resume,
        OfSchedule::Backfill(span) => schedule::Act::Backfill(checked(span)?),
    };
    let key = IdempotencyKey::of_form(key, &format!("/ops/schedules/{name}"))?;
    let asked = key.asked(admin, &format!("{what:?}"));
    let acted = schedule::act(admin, &asked, name.to_owned(), what).await?;
    Ok(Said { done: acted.done, message: acted.message })
}

/// A time whose ticks may be asked for.
pub(crate) fn checked(span: (Time, Time)) -> Result<(Time, Time)> {
    WorkflowBackfill::new(span).checked()
}

/// The dry run of [`send_back`].
pub(crate) async fn matching(admin: &PlatformAdmin, failed: &Failed) -> Result<Matching> {
    let came = redriven(admin, IdempotencyKey::absent(), failed, true).await?;
    Ok(Matching {
        count: came.matched.unwrap_or_default(),
        oldest: came.sample.unwrap_or_default(),
    })
}

/// Sends the oldest of them back, at most [`REDRIVEN_MAX`], on record: how many, and whether more are left.
pub(crate) async fn send_back(
    admin: &PlatformAdmin,
    key: String,
    failed: &Failed,
) -> Result<(usize, bool)> {
    let key = IdempotencyKey::of_form(key, "/ops/failures")?;
    let came = redriven(admin, key, failed, false).await?;
    Ok((came.redriven.unwrap_or_default().len(), came.more.unwrap_or_default()))
}

async fn redriven(
    admin: &PlatformAdmin,
    key: IdempotencyKey,
    failed: &Failed,
    dry_run: bool,
) -> Result<WorkflowRedriven> {
    let Failed { workflow, key: run_key, error } = failed.clone();
    let asked = key.asked(admin, &format!("{failed:?}"));
    let request = WorkflowRedrive {
        workflow,
        key: run_key,
        created_from: None,
        created_before: None,
        error,
        limit: Some(LIMIT_MAX),
        dry_run,
    };
    redrive(admin, &asked, request).await
}
