//! State sources: which states are in scope, and how often they are to be scanned.

use askama::Template;
use db::state_sources::{self, Settings, StateSource};
use evidence::ids::StateSourceId;
use evidence::scan::SourceKind;
use evidence::time::Time;
use poem::http::StatusCode;
use poem::{Request, Response, Route, get, post};
use serde::Deserialize;

use super::frame::{Frame, Notice, Place};
use super::members::id;
use super::pager::Pager;
use super::visit::Visit;
use super::{answer, form, page};
use crate::auth::{ChangeSettings, OrgScope, ReadSettings};
use crate::errors::{Denied, Error, Input, Result};
use crate::pages::text;

const PATH: &str = "/orgs/:slug/settings/state-sources";

pub(super) fn route(routes: Route) -> Route {
    routes
        .at(PATH, get(page!(show)).post(page!(create)))
        .at(format!("{PATH}/:id"), post(page!(change)))
        .at(format!("{PATH}/:id/delete"), post(page!(delete)))
}

#[derive(Template)]
#[template(path = "settings/sources.html")]
struct Page {
    frame: Frame,
    now: Time,
    sources: Vec<StateSource>,
    pager: Pager,
    barred: Option<String>,
}

impl Page {
    fn is_at(path: &str) -> bool {
        path == "state-sources"
    }

    fn hours(source: &StateSource) -> String {
        source.expected_scan_interval_hours.map_or_else(String::new, |hours| hours.to_string())
    }
}

async fn show(request: Request) -> Result<Response> {
    let visit = Visit::of(&request).await?;
    let scope = visit.org::<ReadSettings>(&request).await?;
    let notice = form::query(&request).get("done").and_then(|done| match done.as_str() {
        "created" => {
            Some("The source is in scope from now on: a pack shows when it was not scanned.")
        }
        "changed" => Some("Changed. Packs of earlier periods still show what held then."),
        "deleted" => Some("Out of scope from now on. Its scans and findings stay."),
        _ => None,
    });
    render(&visit, &scope, &request, notice.map(Notice::done), StatusCode::OK).await
}

async fn render(
    visit: &Visit,
    scope: &OrgScope<ReadSettings>,
    request: &Request,
    notice: Option<Notice>,
    status: StatusCode,
) -> Result<Response> {
    let mut tx = scope.begin().await?;
    let mut pager = Pager::of(request, "page");
    let sources = pager.take(state_sources::page(&mut tx, scope.org.id, pager.slice()).await?);
    tx.commit().await?;
    let page = Page {
        frame: Frame::new(visit, Some(&scope.org.slug), Place::Settings, "State sources")
            .saying(notice),
        now: scope.context.now,
        sources,
        pager,
        barred: scope.may::<ChangeSettings>().err().map(|error| error.message()),
    };
    answer::html(status, &page)
}

async fn after(visit: &Visit, request: &Request, done: Result<&'static str>) -> Result<Response> {
    let scope = visit.org::<ReadSettings>(request).await?;
    match done {
        Ok(done) => answer::redirect(&format!(
            "/orgs/{}/settings/state-sources?done={done}",
            scope.org.slug
        )),
        Err(error) => {
            let status = poem::error::ResponseError::status(&error);
            render(visit, &scope, request, Some(Notice::refused(&error)), status).await
        }
    }
}

#[derive(Deserialize)]
struct Asked {
    name: String,
    kind: String,
    location: String,
    hours: String,
    active: Option<String>,
}

impl Asked {
    fn settings(self) -> Result<Settings> {
        let refused = |field, message: &str| {
            Error::from(Input::InvalidField { field, message: message.to_owned() })
        };
        let hours = self.hours.trim();
        let hours =
            if hours.is_empty() {
                None
            } else {
                Some(hours.parse().map_err(|_| {
                    refused("hours", "the hours must be a whole number, or left out")
                })?)
            };
        Ok(Settings {
            name: self.name.trim().to_owned(),
            kind: self.kind.parse::<SourceKind>().map_err(|_| refused("kind", "choose a kind"))?,
            location: self.location.trim().to_owned(),
            expected_scan_interval_hours: hours,
            active: self.active.is_some(),
        })
    }
}

async fn create(request: Request) -> Result<Response> {
    let (request, asked) = form::read::<Asked>(request).await?;
    let visit = Visit::of(&request).await?;
    let done = async {
        let scope = visit.org::<ChangeSettings>(&request).await?;
        let mut tx = scope.begin().await?;
        state_sources::create(&mut tx, scope.org.id, &asked.settings()?, &scope.cause()).await?;
        tx.commit().await?;
        Ok("created")
    }
    .await;
    after(&visit, &request, done).await
}

async fn change(request: Request) -> Result<Response> {
    let (request, asked) = form::read::<Asked>(request).await?;
    let visit = Visit::of(&request).await?;
    let done = async {
        let scope = visit.org::<ChangeSettings>(&request).await?;
        let (source, settings) = (StateSourceId(id(&request, "state source")?), asked.settings()?);
        let mut tx = scope.begin().await?;
        state_sources::change(&mut tx, scope.org.id, source, |_| settings, &scope.cause()).await?;
        tx.commit().await?;
        Ok("changed")
    }
    .await;
    after(&visit, &request, done).await
}

async fn delete(request: Request) -> Result<Response> {
    let visit = Visit::of(&request).await?;
    let done = async {
        let scope = visit.org::<ChangeSettings>(&request).await?;
        let source = StateSourceId(id(&request, "state source")?);
        let mut tx = scope.begin().await?;
        if !state_sources::delete(&mut tx, scope.org.id, source, &scope.cause()).await? {
            return Err(Denied::NotFound("state source").into());
        }
        tx.commit().await?;
        Ok("deleted")
    }
    .await;
    after(&visit, &request, done).await
}
