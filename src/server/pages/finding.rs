//! Findings: the list with its filters in the address, one finding with its history, and people's decisions.

use askama::Template;
use db::findings::{self, Event, Filter, Finding};
use evidence::finding::{Decision, EventKind, Resolution, Status};
use evidence::ids::StateSourceId;
use evidence::risk::RiskLevel;
use evidence::scan::DriftType;
use evidence::time::Time;
use poem::http::StatusCode;
use poem::{Request, Response, Route, get};
use serde::Deserialize;

use super::frame::{Frame, Notice, Place};
use super::people::People;
use super::text::{self, Badge};
use super::visit::Visit;
use super::{answer, form, page};
use crate::auth::{DecideFinding, OrgScope, ReadOrg};
use crate::errors::{Denied, Error, Input, Result};

const PATH: &str = "/orgs/:slug/findings";
const SHOWN: u32 = 50;

pub(super) fn route(routes: Route) -> Route {
    routes
        .at(PATH, get(page!(list)))
        .at(format!("{PATH}/:number"), get(page!(show)).post(page!(decide)))
}

/// The list.
#[derive(Template)]
#[template(path = "finding/list.html")]
struct List {
    frame: Frame,
    now: Time,
    filter: Asked,
    findings: Vec<Finding>,
    sources: Vec<db::state_sources::StateSource>,
}

/// One finding.
#[derive(Template)]
#[template(path = "finding/show.html")]
struct Show {
    frame: Frame,
    now: Time,
    finding: Finding,
    events: Vec<Event>,
    people: People,
    /// Why the visitor cannot decide; `None`: they can.
    barred: Option<String>,
}

/// The filters, as the address has them.
struct Asked {
    status: Option<Status>,
    risk_level: Option<RiskLevel>,
    drift_type: Option<DriftType>,
    source: Option<StateSourceId>,
    after: i64,
}

impl Asked {
    /// Words that are none count as left out.
    fn of(request: &Request) -> Self {
        let query = form::query(request);
        let word = |name: &str| query.get(name).cloned().unwrap_or_default();
        Self {
            status: word("status").parse().ok(),
            risk_level: word("risk_level").parse().ok(),
            drift_type: word("drift_type").parse().ok(),
            source: word("source").parse().ok().map(StateSourceId),
            after: word("after").parse().unwrap_or(0).max(0),
        }
    }

    fn filter(&self) -> Filter {
        Filter {
            status: self.status,
            risk_level: self.risk_level,
            drift_type: self.drift_type,
            state_source: self.source,
            after_number: self.after,
            limit: SHOWN,
        }
    }

    /// The address of the findings after this number, with the same filters.
    fn address(&self, after: Option<i64>) -> String {
        let (source, after) = (self.source.map(|id| id.to_string()), after.map(|n| n.to_string()));
        form::address(
            "",
            &[
                ("status", self.status.map(Status::as_str)),
                ("risk_level", self.risk_level.map(RiskLevel::as_str)),
                ("drift_type", self.drift_type.map(DriftType::as_str)),
                ("source", source.as_deref()),
                ("after", after.as_deref()),
            ],
        )
    }

    fn is_any(&self) -> bool {
        self.status.is_some()
            || self.risk_level.is_some()
            || self.drift_type.is_some()
            || self.source.is_some()
    }
}

async fn list(request: Request) -> Result<Response> {
    let visit = Visit::of(&request).await?;
    let scope = visit.org::<ReadOrg>(&request).await?;
    let filter = Asked::of(&request);
    let mut tx = scope.begin().await?;
    let findings = findings::list(&mut tx, scope.org.id, &filter.filter()).await?;
    let sources = db::state_sources::list(&mut tx, scope.org.id).await?;
    tx.commit().await?;
    let frame = Frame::new(&visit, Some(&scope.org.slug), Place::Findings, "Findings");
    answer::html(StatusCode::OK, &List { frame, now: scope.context.now, filter, findings, sources })
}

impl List {
    fn next(&self) -> Option<String> {
        let last = self.findings.last().filter(|_| self.findings.len() == SHOWN as usize)?;
        Some(self.filter.address(Some(last.number)))
    }

    fn is_status(&self, status: &Status) -> bool {
        self.filter.status == Some(*status)
    }

    fn is_level(&self, level: &RiskLevel) -> bool {
        self.filter.risk_level == Some(*level)
    }

    fn is_kind(&self, kind: &DriftType) -> bool {
        self.filter.drift_type == Some(*kind)
    }

    fn is_source(&self, source: &StateSourceId) -> bool {
        self.filter.source == Some(*source)
    }
}

async fn show(request: Request) -> Result<Response> {
    let visit = Visit::of(&request).await?;
    let scope = visit.org::<ReadOrg>(&request).await?;
    let notice = form::query(&request).contains_key("done").then(|| {
        Notice::done("Your decision is on record: in the finding's history, in the audit log, and in every later pack.")
    });
    render(&visit, &scope, &request, notice, StatusCode::OK).await
}

async fn render(
    visit: &Visit,
    scope: &OrgScope<ReadOrg>,
    request: &Request,
    notice: Option<Notice>,
    status: StatusCode,
) -> Result<Response> {
    let org = scope.org.id;
    let mut tx = scope.begin().await?;
    let finding = findings::find_by_number(&mut tx, org, number(request)?).await?;
    let finding = finding.ok_or(Denied::NotFound("finding"))?;
    let mut events = findings::events(&mut tx, org, finding.number).await?;
    events.reverse();
    let people = People::of(&mut tx, org).await?;
    tx.commit().await?;
    let title = format!("Finding {}", finding.number);
    let show = Show {
        frame: Frame::new(visit, Some(&scope.org.slug), Place::Findings, &title).saying(notice),
        now: scope.context.now,
        barred: scope.may::<DecideFinding>().err().map(|error| error.message()),
        finding,
        events,
        people,
    };
    answer::html(status, &show)
}

fn number(request: &Request) -> Result<i64> {
    let number = request.raw_path_param("number").and_then(|number| number.parse().ok());
    Ok(number.ok_or(Denied::NotFound("finding"))?)
}

#[derive(Deserialize)]
struct Decided {
    resolution: String,
    reason: String,
}

async fn decide(request: Request) -> Result<Response> {
    let (request, decided) = form::read::<Decided>(request).await?;
    let visit = Visit::of(&request).await?;
    let done = async {
        let scope = visit.org::<DecideFinding>(&request).await?;
        let decision: Decision = decided.resolution.parse().map_err(|_| {
            let message = "choose what is to become of the finding".to_owned();
            Error::from(Input::InvalidField { field: "resolution", message })
        })?;
        let mut tx = scope.begin().await?;
        let finding = findings::find_by_number(&mut tx, scope.org.id, number(&request)?).await?;
        let finding = finding.ok_or(Denied::NotFound("finding"))?;
        findings::decide(&mut tx, finding.id, decision, &decided.reason, &scope.cause()).await?;
        tx.commit_sharing_flush().await?;
        Ok(finding.number)
    }
    .await;
    let scope = visit.org::<ReadOrg>(&request).await?;
    match done {
        Ok(number) => {
            answer::redirect(&format!("/orgs/{}/findings/{number}?done=1", scope.org.slug))
        }
        Err(error) => {
            let status = poem::error::ResponseError::status(&error);
            render(&visit, &scope, &request, Some(Notice::refused(&error)), status).await
        }
    }
}

impl Show {
    /// What can be decided now.
    fn decisions(&self) -> &'static [(Decision, &'static str, &'static str)] {
        match self.finding.status {
            Status::Open => &[
                (
                    Decision::Accept,
                    "Accept the risk",
                    "It stays as it is, knowingly. Packs list it among the exceptions.",
                ),
                (
                    Decision::FalsePositive,
                    "Call it a false positive",
                    "It never was drift. Packs list it among the exceptions.",
                ),
            ],
            Status::Accepted | Status::FalsePositive => &[(
                Decision::Reopen,
                "Reopen it",
                "It is open again from now on, and its time to resolve goes on.",
            )],
            Status::Resolved => &[],
        }
    }

    fn event(event: &Event) -> (&'static str, &'static str) {
        match event.kind {
            EventKind::Detected => ("warn", "Detected"),
            EventKind::Updated => ("", "Seen with other attributes"),
            EventKind::Regraded => ("", "Graded anew"),
            EventKind::Moved => ("", "Moved"),
            EventKind::Resolved => ("good", "Resolved"),
            EventKind::Reopened => ("warn", "Reopened"),
            EventKind::Accepted => ("busy", "Risk accepted"),
            EventKind::FalsePositive => ("busy", "Called a false positive"),
        }
    }

    fn resolution(&self) -> &'static str {
        match self.finding.resolution {
            None => "",
            Some(Resolution::NoLongerObserved) => "a complete scan does not show it any more",
            Some(Resolution::Reverted) => "the infrastructure was put back",
            Some(Resolution::Codified) => "the code was changed to match",
            Some(Resolution::AcceptedRisk) => "the risk was accepted",
            Some(Resolution::FalsePositive) => "it was called a false positive",
        }
    }
}

/// A finding's status as a badge.
fn badge(status: &Status) -> Badge {
    match status {
        Status::Open => Badge { tone: "warn", word: "open" },
        Status::Resolved => Badge { tone: "good", word: "resolved" },
        Status::Accepted => Badge { tone: "", word: "accepted" },
        Status::FalsePositive => Badge { tone: "", word: "false positive" },
    }
}

/// What kind of drift it is, in words.
fn drift(kind: &DriftType) -> &'static str {
    match kind {
        DriftType::Missing => "deleted outside of code",
        DriftType::Extra => "not in code",
        DriftType::Changed => "changed",
    }
}
