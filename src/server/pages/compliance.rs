//! Compliance: what a pack would contain, requesting one, watching it being built, taking it away.

mod period;
mod preview;
mod rows;

use askama::Template;
use evidence::ids::ExportId;
use evidence::org::PackWindow;
use poem::http::StatusCode;
use poem::{Request, Response, Route, get, post};
use serde::Deserialize;

use super::frame::{Frame, Notice, Place};
use super::visit::Visit;
use super::{answer, form, live, page, text};
use crate::api::audit_export;
use crate::auth::{DeletePack, OrgScope, ReadOrg, RequestPack};
use crate::errors::{Denied, Error, Result};
use period::Choice;
use preview::Preview;
use rows::Rows;

const PATH: &str = "/orgs/:slug/compliance";

pub(super) fn route(routes: Route) -> Route {
    routes
        .at(PATH, get(page!(show)).post(page!(request)))
        .at(format!("{PATH}/packs"), get(page!(packs)))
        .at(format!("{PATH}/preview"), get(page!(preview_part)))
        .at(format!("{PATH}/:id/delete"), post(page!(delete)))
}

/// The whole page.
#[derive(Template)]
#[template(path = "compliance/page.html")]
struct Page {
    frame: Frame,
    plan: PackWindow,
    choice: Choice,
    preview: Preview,
    rows: Rows,
    /// Why the visitor cannot request a pack; `None`: they can.
    barred: Option<String>,
    /// One request, however often the form is sent.
    request_key: String,
}

impl Page {
    fn has_no_packs(&self) -> bool {
        self.plan == PackWindow::None
    }
}

async fn show(request: Request) -> Result<Response> {
    let visit = Visit::of(&request).await?;
    let scope = visit.org::<ReadOrg>(&request).await?;
    let notice = form::query(&request).get("done").and_then(|done| said(done));
    render(&visit, &scope, &request, notice, StatusCode::OK).await
}

fn said(done: &str) -> Option<Notice> {
    match done {
        "requested" => Some(Notice::done(
            "The pack is requested. It is built in the background; you may leave this page.",
        )),
        "deleted" => Some(Notice::done("The pack is deleted. Its row, and the audit log, say so.")),
        _ => None,
    }
}

async fn render(
    visit: &Visit,
    scope: &OrgScope<ReadOrg>,
    request: &Request,
    notice: Option<Notice>,
    status: StatusCode,
) -> Result<Response> {
    let choice = Choice::of(&form::query(request), scope.org.plan, scope.context.now);
    let page = Page {
        frame: Frame::new(visit, Some(&scope.org.slug), Place::Compliance, "Compliance")
            .saying(notice),
        plan: scope.org.plan.pack_window(),
        preview: Preview::of(scope, &choice).await?,
        rows: Rows::of(scope, visit).await?,
        barred: scope.may::<RequestPack>().err().map(|error| error.message()),
        request_key: hex::encode(rand::random::<[u8; 16]>()),
        choice,
    };
    answer::html(status, &page)
}

/// The list of packs, for a page that is being looked at.
async fn packs(request: Request) -> Result<Response> {
    live::answer(request, |request| {
        Box::pin(async move {
            let part = rows::part(&request).await;
            (request, part)
        })
    })
    .await
}

/// The preview, for a page that came before it was counted.
async fn preview_part(request: Request) -> Result<Response> {
    live::answer(request, |request| {
        Box::pin(async move {
            let part = preview::part(&request).await;
            (request, part)
        })
    })
    .await
}

#[derive(Deserialize)]
struct Asked {
    start: String,
    end: String,
    request_key: String,
}

async fn request(request: Request) -> Result<Response> {
    let (request, asked) = form::read::<Asked>(request).await?;
    let visit = Visit::of(&request).await?;
    let requested = async {
        let scope = visit.org::<RequestPack>(&request).await?;
        let period = period::parse(&asked.start, &asked.end)?;
        audit_export::request_of_page(scope, period, asked.request_key).await
    }
    .await;
    let scope = visit.org::<ReadOrg>(&request).await?;
    match requested {
        Ok(_) => {
            answer::redirect(&format!("/orgs/{}/compliance?done=requested#packs", scope.org.slug))
        }
        Err(error) => refused(&visit, &scope, &request, &error).await,
    }
}

async fn delete(request: Request) -> Result<Response> {
    let visit = Visit::of(&request).await?;
    let scope = visit.org::<DeletePack>(&request).await?;
    let id = request.raw_path_param("id").and_then(|id| id.parse().ok());
    let id = id.ok_or(Denied::NotFound("audit export"))?;
    audit_export::delete(&scope, ExportId(id)).await?;
    answer::redirect(&format!("/orgs/{}/compliance?done=deleted#packs", scope.org.slug))
}

/// The page again, with what was refused at its top.
async fn refused(
    visit: &Visit,
    scope: &OrgScope<ReadOrg>,
    request: &Request,
    error: &Error,
) -> Result<Response> {
    let status = poem::error::ResponseError::status(error);
    render(visit, scope, request, Some(Notice::refused(error)), status).await
}
