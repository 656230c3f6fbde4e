//! Scans: handing one in, what it reads as, and the list.

use askama::Template;
use db::scans::{self, Filter, Scan, Suppressed};
use evidence::ids::{ScanId, StateSourceId};
use evidence::scan::ScanStatus;
use evidence::time::Time;
use poem::http::StatusCode;
use poem::{Request, Response, Route, get};

use super::frame::{Frame, Notice, Place};
use super::people::People;
use super::text::{self, Badge};
use super::visit::Visit;
use super::{answer, form, page};
use crate::api::idempotency::IdempotencyKey;
use crate::api::scan::{Receipt, hand_in};
use crate::api::upload::Upload;
use crate::auth::{HandInScan, OrgScope, ReadOrg};
use crate::errors::{Denied, Result};

const PATH: &str = "/orgs/:slug/scans";
const SHOWN: u32 = 50;

pub(super) fn route(routes: Route) -> Route {
    routes
        .at(PATH, get(page!(list)).post(page!(upload)))
        .at(format!("{PATH}/:id"), get(page!(show)))
}

/// The list, and the form that takes a scan in.
#[derive(Template)]
#[template(path = "scan/list.html")]
struct List {
    frame: Frame,
    now: Time,
    scans: Vec<Scan>,
    sources: Vec<db::state_sources::StateSource>,
    status: Option<ScanStatus>,
    source: Option<StateSourceId>,
    /// The address of the scans that come after these.
    next: Option<String>,
    /// Why the visitor cannot hand a scan in; `None`: they can.
    barred: Option<String>,
    limit: String,
}

/// One scan.
#[derive(Template)]
#[template(path = "scan/show.html")]
struct Show {
    frame: Frame,
    now: Time,
    scan: Scan,
    suppressed: Vec<Suppressed>,
    people: People,
}

async fn list(request: Request) -> Result<Response> {
    let visit = Visit::of(&request).await?;
    let scope = visit.org::<ReadOrg>(&request).await?;
    render(&visit, &scope, &request, None, StatusCode::OK).await
}

async fn render(
    visit: &Visit,
    scope: &OrgScope<ReadOrg>,
    request: &Request,
    notice: Option<Notice>,
    code: StatusCode,
) -> Result<Response> {
    let query = form::query(request);
    let word = |name: &str| query.get(name).cloned().unwrap_or_default();
    let status: Option<ScanStatus> = word("status").parse().ok();
    let source = word("source").parse().ok().map(StateSourceId);
    let after = crate::api::page::read_cursor(&word("after")).ok();
    let filter = Filter { state_source: source, status, after, limit: SHOWN, ..Filter::default() };
    let mut tx = scope.begin().await?;
    let scans = scans::list(&mut tx, scope.org.id, &filter).await?;
    let sources = db::state_sources::list(&mut tx, scope.org.id).await?;
    tx.commit().await?;
    let last = scans.last().filter(|_| scans.len() == SHOWN as usize);
    let next = last.map(|last| {
        let (after, source) =
            (crate::api::page::cursor(last.observed_at, last.id), source.map(|id| id.to_string()));
        let status = status.map(ScanStatus::as_str);
        form::address(
            "",
            &[("status", status), ("source", source.as_deref()), ("after", Some(&after))],
        )
    });
    let page = List {
        frame: Frame::new(visit, Some(&scope.org.slug), Place::Scans, "Scans").saying(notice),
        now: scope.context.now,
        barred: scope.may::<HandInScan>().err().map(|error| error.message()),
        limit: text::size(scope.context.state.options.scan_bytes_max as u64),
        scans,
        sources,
        status,
        source,
        next,
    };
    answer::html(code, &page)
}

async fn upload(request: Request) -> Result<Response> {
    let posted = form::posted(request).await?;
    let name = posted.field("state_source").trim().to_owned();
    let form::Posted { request, file, .. } = posted;
    let visit = Visit::of(&request).await?;
    let done = async {
        let scope = visit.org::<HandInScan>(&request).await?;
        let upload = Upload::of_form(file, scope.context.state.options.scan_bytes_max);
        hand_in(&scope, (&name, None), IdempotencyKey::absent(), upload).await
    }
    .await;
    let scope = visit.org::<ReadOrg>(&request).await?;
    match done {
        Ok(receipt) => answer::redirect(&said(&scope.org.slug, &receipt)),
        Err(error) => {
            let status = poem::error::ResponseError::status(&error);
            render(&visit, &scope, &request, Some(Notice::refused(&error)), status).await
        }
    }
}

/// To the scan, with what it did in numbers.
fn said(slug: &str, receipt: &Receipt) -> String {
    let numbers = [
        ("opened", receipt.findings.opened),
        ("reopened", receipt.findings.reopened),
        ("updated", receipt.findings.updated),
        ("resolved", receipt.findings.resolved),
        ("known", u64::from(receipt.duplicate)),
    ];
    let numbers = numbers.map(|(name, number)| (name, number.to_string()));
    let pairs: Vec<_> =
        numbers.iter().map(|(name, number)| (*name, Some(number.as_str()))).collect();
    form::address(&format!("/orgs/{slug}/scans/{}", receipt.scan.id), &pairs)
}

async fn show(request: Request) -> Result<Response> {
    let visit = Visit::of(&request).await?;
    let scope = visit.org::<ReadOrg>(&request).await?;
    let id = request.raw_path_param("id").and_then(|id| id.parse().ok()).map(ScanId);
    let id = id.ok_or(Denied::NotFound("scan"))?;
    let mut tx = scope.begin().await?;
    let scan = scans::find(&mut tx, scope.org.id, id).await?.ok_or(Denied::NotFound("scan"))?;
    let suppressed = scans::suppressed(&mut tx, scope.org.id, id).await?;
    let people = People::of(&mut tx, scope.org.id).await?;
    tx.commit().await?;
    let frame = Frame::new(&visit, Some(&scope.org.slug), Place::Scans, "Scan");
    let frame = frame.saying(read_as(&request));
    answer::html(StatusCode::OK, &Show { frame, now: scope.context.now, scan, suppressed, people })
}

/// What a scan that was just handed in did; the numbers come from the address, and only numbers.
fn read_as(request: &Request) -> Option<Notice> {
    let query = form::query(request);
    let number = |name: &str| query.get(name).and_then(|number| number.parse::<u64>().ok());
    if number("known")? > 0 {
        return Some(Notice::done(
            "This very file was handed in before for this source; nothing was added.",
        ));
    }
    let counted = |name, word| number(name).map(|number| format!("{} {word}", text::count(number)));
    let parts = [
        counted("opened", "opened"),
        counted("reopened", "reopened"),
        counted("updated", "updated"),
        counted("resolved", "resolved"),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    Some(Notice::done(format!("The scan is taken in. Findings: {}.", parts.join(", "))))
}

impl List {
    fn is_status(&self, status: &ScanStatus) -> bool {
        self.status == Some(*status)
    }

    fn is_source(&self, source: &StateSourceId) -> bool {
        self.source == Some(*source)
    }
}

impl Show {
    fn actor(&self) -> String {
        let (kind, id) =
            self.scan.triggered_by.split_once(':').unwrap_or(("", &self.scan.triggered_by));
        self.people.name(kind, id)
    }

    fn ci(&self) -> Vec<(String, String)> {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        self.scan
            .ci
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.replace('_', " "), text(value)))
            .collect()
    }
}

/// A scan's status as a badge.
fn badge(status: &ScanStatus) -> Badge {
    match status {
        ScanStatus::Done => Badge { tone: "good", word: "complete" },
        ScanStatus::Partial => Badge { tone: "warn", word: "partial" },
        ScanStatus::Failed => Badge { tone: "bad", word: "failed" },
    }
}
