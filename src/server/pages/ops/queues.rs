//! What is due, how fast it goes, and who does it.

use std::sync::Arc;

use askama::Template;
use askama::filters::Safe;
use chrono::{DurationRound as _, TimeDelta};
use engine::{QueueView, Recent, RunFilter, RunState, RunView, WorkerView};
use evidence::time::Time;
use poem::http::StatusCode;
use poem::{Request, Response};
use serde::Deserialize;

use super::figures::{self, Load, MINUTES};
use super::owner::Owners;
use super::runs::state_now;
use super::word;
use crate::auth::PlatformAdmin;
use crate::errors::{Error, Result};
use crate::pages::frame::{Frame, Place};
use crate::pages::live::{self, Part};
use crate::pages::visit::Visit;
use crate::pages::{answer, chart, form, text};

/// Runs that workers hold, of which the newest are named.
const HELD_MAX: usize = 200;
/// Of each worker.
const NAMED: usize = 6;
/// A worker that is silent for longer is told so; one that works gives a sign every five seconds.
const SILENT: TimeDelta = TimeDelta::seconds(30);

#[derive(Template)]
#[template(path = "ops/queues.html")]
struct Page {
    frame: Frame,
    rows: Rows,
}

/// The part that moves.
#[derive(Template)]
#[template(path = "ops/queue_rows.html")]
struct Rows {
    now: Time,
    load: Option<Arc<Load>>,
    recent: Option<Arc<Recent>>,
    held: Vec<RunView>,
    owners: Owners,
}

/// A workflow and version that a worker runs.
#[derive(Deserialize)]
struct Kind {
    workflow: String,
    version: u32,
}

/// Ends per minute, the newest last, and what is said about them.
struct Pace {
    line: Safe<String>,
    ended: u64,
    failed: u64,
}

pub(super) async fn show(request: Request) -> Result<Response> {
    let visit = Visit::of(&request).await?;
    let admin = visit.operator(&request).await?;
    let rows = Rows::of(&admin).await?;
    let frame = Frame::new(&visit, None, Place::Queues, "Queues and workers");
    answer::html(StatusCode::OK, &Page { frame, rows })
}

pub(super) async fn part(request: Request) -> Result<Response> {
    live::answer(request, |request| {
        Box::pin(async move {
            let part = look(&request).await;
            (request, part)
        })
    })
    .await
}

async fn look(request: &Request) -> Result<Part> {
    let admin = Visit::of(request).await?.operator(request).await?;
    let rows = Rows::of(&admin).await?;
    Ok(Part { html: rows.render().map_err(Error::internal)?, is_final: false })
}

impl Rows {
    async fn of(admin: &PlatformAdmin) -> Result<Self> {
        let (state, now) = (&admin.context.state, state_now(admin));
        let load = figures::load(state).await?;
        let recent = figures::recent(state, now).await?;
        let running = RunFilter { states: vec![RunState::Running], ..RunFilter::default() };
        let held = state.engine.list(&running, None, HELD_MAX).await?;
        let keys = load.iter().flat_map(|load| &load.keys).map(|key| key.key.as_str());
        let owners = Owners::of(state, keys).await?;
        Ok(Self { now, load, recent, held, owners })
    }

    /// What a worker holds, as far as it is named.
    fn held_by(&self, worker: &WorkerView) -> Vec<&RunView> {
        let is_its = |run: &&RunView| run.worker.as_ref() == Some(&worker.id);
        self.held.iter().filter(is_its).take(NAMED).collect()
    }

    fn is_silent(&self, worker: &WorkerView) -> bool {
        self.now - worker.seen_at > SILENT
    }

    /// Nobody runs what is due.
    fn is_stuck(queue: &QueueView) -> bool {
        queue.workers == 0 && queue.queued > 0
    }

    fn kinds(worker: &WorkerView) -> Vec<String> {
        let kinds: Vec<Kind> = serde_json::from_value(worker.kinds.clone()).unwrap_or_default();
        kinds.into_iter().map(|kind| format!("{} v{}", kind.workflow, kind.version)).collect()
    }

    fn runs_of(queue: &QueueView, state: &str) -> String {
        form::address("/ops/runs", &[("state", Some(state)), ("workflow", Some(&queue.workflow))])
    }

    fn pace(&self, recent: &Recent, workflow: &str) -> Pace {
        let minute = TimeDelta::minutes(1);
        let this = self.now.duration_trunc(minute).unwrap_or(self.now);
        let mut ended = vec![0; MINUTES];
        let mut failed = 0;
        for one in recent.minutes.iter().filter(|one| one.workflow == workflow) {
            let ago = usize::try_from((this - one.minute).num_minutes()).unwrap_or(0);
            if let Some(at) = MINUTES.checked_sub(1 + ago) {
                ended[at] += one.ended;
                failed += one.failed;
            }
        }
        let total = ended.iter().sum();
        let title = format!("Runs that ended, by minute of the last hour: {total}");
        Pace { line: chart::sparkline(&title, &ended), ended: total, failed }
    }

    /// Since when the sparklines are whole, if there were too many runs to read.
    fn whole_since(&self, recent: &Recent) -> Option<Time> {
        let hour = self.now - TimeDelta::minutes(i64::try_from(MINUTES).unwrap_or(60) - 1);
        Some(recent.since).filter(|since| *since > hour)
    }
}
