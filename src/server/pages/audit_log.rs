//! The audit log: who did what, and whether the chain is whole, verified on the spot.

use askama::Template;
use db::chain::{self, Entry, Filter};
use evidence::action::Action;
use evidence::chain::ChainId;
use evidence::time::Time;
use poem::http::StatusCode;
use poem::{Request, Response, Route, get, post};

use super::frame::{Frame, Place};
use super::people::People;
use super::text;
use super::visit::Visit;
use super::{answer, form, page};
use crate::api::audit_log::{Verification, verify_of_page};
use crate::auth::{OrgScope, ReadAuditLog};
use crate::errors::Result;

const PATH: &str = "/orgs/:slug/audit-log";
const SHOWN: u32 = 50;

pub(super) fn route(routes: Route) -> Route {
    routes.at(PATH, get(page!(show))).at(format!("{PATH}/verify"), post(page!(verify)))
}

/// The whole page.
#[derive(Template)]
#[template(path = "audit_log.html")]
struct Page {
    frame: Frame,
    now: Time,
    action: Option<String>,
    /// Newest first.
    entries: Vec<Entry>,
    older: Option<String>,
    newer: Option<String>,
    head: i64,
    people: People,
    verdict: Option<Verification>,
}

async fn show(request: Request) -> Result<Response> {
    let visit = Visit::of(&request).await?;
    let scope = visit.org::<ReadAuditLog>(&request).await?;
    render(&visit, &scope, &request, None).await
}

async fn verify(request: Request) -> Result<Response> {
    let visit = Visit::of(&request).await?;
    let scope = visit.org::<ReadAuditLog>(&request).await?;
    let verdict = verify_of_page(&scope).await?;
    render(&visit, &scope, &request, Some(verdict)).await
}

/// Without a filter the entries up to `before`, newest first; with one, those after `after` that fit, in order.
async fn render(
    visit: &Visit,
    scope: &OrgScope<ReadAuditLog>,
    request: &Request,
    verdict: Option<Verification>,
) -> Result<Response> {
    let query = form::query(request);
    let action = query.get("action").filter(|action| action.parse::<Action>().is_ok()).cloned();
    let number = |name: &str| query.get(name).and_then(|number| number.parse::<i64>().ok());
    let chain = ChainId::Org(scope.org.id);
    let mut tx = scope.begin().await?;
    let head = chain::head(&mut tx, chain).await?.map_or(0, |head| head.seq);
    let step = i64::from(SHOWN);
    let before = number("before").unwrap_or(head + 1).clamp(1, head + 1);
    let after_seq = match &action {
        Some(_) => number("after").unwrap_or(0).max(0),
        None => (before - 1 - step).max(0),
    };
    let limit = if action.is_some() {
        SHOWN
    } else {
        u32::try_from(before - 1 - after_seq).unwrap_or(SHOWN)
    };
    let filter = Filter { after_seq, limit, action: action.clone(), ..Filter::default() };
    let mut entries =
        if limit == 0 { Vec::new() } else { chain::list(&mut tx, chain, &filter).await? };
    let people = People::of(&mut tx, scope.org.id).await?;
    tx.commit().await?;
    let (older, newer) = if let Some(action) = &action {
        let last = entries.last().filter(|_| entries.len() == SHOWN as usize);
        let to =
            |last: String| form::address("", &[("action", Some(action)), ("after", Some(&last))]);
        (None, last.map(|entry| to(entry.seq.to_string())))
    } else {
        entries.reverse();
        let to = |before: i64| form::address("", &[("before", Some(&before.to_string()))]);
        let older = (after_seq > 0).then(|| to(after_seq + 1));
        (older, (before <= head).then(|| to((before + step).min(head + 1))))
    };
    let frame = Frame::new(visit, Some(&scope.org.slug), Place::AuditLog, "Audit log");
    let now = scope.context.now;
    let page = Page { frame, now, action, entries, older, newer, head, people, verdict };
    answer::html(StatusCode::OK, &page)
}

impl Page {
    fn is_whole(verdict: &Verification) -> bool {
        verdict.status == crate::api::word::VerificationStatus::Ok
    }

    fn hash(entry: &Entry) -> String {
        hex::encode(&entry.hash)
    }

    fn is_action(&self, action: &Action) -> bool {
        self.action.as_deref() == Some(action.as_str())
    }
}
