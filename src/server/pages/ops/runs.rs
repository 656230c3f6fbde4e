//! The list of runs: newest first, by what the address says.

use std::sync::Arc;

use askama::Template;
use askama::filters::Safe;
use engine::{RunState, RunView};
use evidence::time::Time;
use poem::http::StatusCode;
use poem::{Request, Response};
use uuid::Uuid;

use super::figures::{self, Counted};
use super::filter::Filter;
use super::owner::Owners;
use super::word;
use crate::auth::PlatformAdmin;
use crate::errors::{Error, Result};
use crate::pages::frame::{Frame, Place};
use crate::pages::live::{self, Part};
use crate::pages::visit::Visit;
use crate::pages::{answer, chart, text};

/// Runs of a page.
const SHOWN: usize = 50;

#[derive(Template)]
#[template(path = "ops/runs.html")]
struct Page {
    frame: Frame,
    filter: Filter,
    rows: Rows,
}

/// The part that moves.
#[derive(Template)]
#[template(path = "ops/run_rows.html")]
struct Rows {
    now: Time,
    filter: Filter,
    counted: Option<Arc<Counted>>,
    runs: Vec<RunView>,
    owners: Owners,
    /// The last one shown, if there are more.
    next_after: Option<Uuid>,
}

pub(super) async fn show(request: Request) -> Result<Response> {
    let visit = Visit::of(&request).await?;
    let admin = visit.operator(&request).await?;
    let rows = Rows::of(&request, &admin).await?;
    let frame = Frame::new(&visit, None, Place::Runs, "Runs");
    answer::html(StatusCode::OK, &Page { frame, filter: rows.filter.clone(), rows })
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
    let rows = Rows::of(request, &admin).await?;
    Ok(Part { html: rows.render().map_err(Error::internal)?, is_final: false })
}

impl Page {
    /// Where the moving part is asked for; older parts of the list stand still.
    fn live(&self) -> Option<String> {
        let is_newest = self.filter.after.is_none();
        is_newest.then(|| self.filter.address("/ops/live/runs", None))
    }

    fn is_state(&self, state: RunState) -> bool {
        self.filter.state == Some(state)
    }
}

impl Rows {
    async fn of(request: &Request, admin: &PlatformAdmin) -> Result<Self> {
        let (state, now) = (&admin.context.state, state_now(admin));
        let filter = Filter::read(request, state).await?;
        // One more than is shown tells whether there are more.
        let wanted = filter.of_engine();
        let mut runs = state.engine.list(&wanted, filter.after, SHOWN + 1).await?;
        let has_more = runs.len() > SHOWN;
        runs.truncate(SHOWN);
        let next_after = runs.last().filter(|_| has_more).map(|run| run.id);
        let owners = Owners::of(state, runs.iter().filter_map(|run| run.key.as_deref())).await?;
        let counted = figures::counts(state, now).await?;
        Ok(Self { now, filter, counted, runs, owners, next_after })
    }

    fn bar(counted: &Counted) -> Safe<String> {
        let parts: Vec<_> = counted
            .by_state()
            .into_iter()
            .map(|(state, runs)| (word::colour(state), runs))
            .collect();
        chart::stacked("Runs by state", &parts)
    }

    fn next(&self) -> Option<String> {
        self.next_after.map(|after| self.filter.address("/ops/runs", Some(after)))
    }

    /// How long it has run, or ran; absent before it has begun.
    fn took(&self, run: &RunView) -> Option<String> {
        let began = run.started_at?;
        Some(text::took((run.ended_at.unwrap_or(self.now) - began).num_milliseconds()))
    }
}

/// A look at a page that is being watched comes later than the request for it.
pub(super) fn state_now(admin: &PlatformAdmin) -> Time {
    admin.context.state.clock.now()
}
