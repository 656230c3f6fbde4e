//! A run: its timeline, everything on record of it, and what can be done to it.

mod act;
mod detail;
mod gantt;
mod scale;

use askama::Template;
use poem::http::StatusCode;
use poem::{Request, Response};
use uuid::Uuid;

use crate::errors::{Denied, Error, Result};
use crate::pages::frame::{Frame, Notice, Place};
use crate::pages::live::{self, Part};
use crate::pages::visit::Visit;
use crate::pages::{answer, form};
pub(super) use act::act;
use detail::Detail;

#[derive(Template)]
#[template(path = "ops/run.html")]
struct Page {
    frame: Frame,
    detail: Detail,
}

pub(super) async fn show(request: Request) -> Result<Response> {
    let done = form::query(&request).remove("done");
    let notice = done.and_then(|done| act::said(&done));
    render(&request, notice, StatusCode::OK).await
}

/// The page, with what is to be said at its top.
async fn render(request: &Request, notice: Option<Notice>, status: StatusCode) -> Result<Response> {
    let visit = Visit::of(request).await?;
    let admin = visit.operator(request).await?;
    let detail = Detail::of(&admin, &visit, run_id(request)?).await?;
    let title = format!("{} {}", detail.run.workflow, super::word::short(&detail.run.id));
    let frame = Frame::new(&visit, None, Place::Runs, &title).saying(notice);
    answer::html(status, &Page { frame, detail })
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
    let visit = Visit::of(request).await?;
    let admin = visit.operator(request).await?;
    let detail = Detail::of(&admin, &visit, run_id(request)?).await?;
    Ok(Part { html: detail.render().map_err(Error::internal)?, is_final: detail.is_over() })
}

/// What is no id names no run.
fn run_id(request: &Request) -> Result<Uuid> {
    let id = request.raw_path_param("id").and_then(|id| id.parse().ok());
    id.ok_or_else(|| Denied::NotFound("workflow run").into())
}
