//! Overview: how well the organisation watched and fixed drift over the last months, and the first steps of a new one.

use std::borrow::Borrow;
use std::sync::Arc;

use askama::Template;
use askama::filters::Safe;
use chrono::{Datelike as _, Months, NaiveTime};
use db::chain_checks;
use evidence::chain::{ChainId, Status as ChainStatus};
use evidence::pack::{Gap, TopRisk};
use evidence::time::{Period, Time};
use poem::http::StatusCode;
use poem::{Request, Response, Route, get};

use super::chart::{self, Column};
use super::frame::{Frame, Place};
use super::glance::{self, Glance};
use super::live::{self, Part};
use super::text::{self, Badge};
use super::visit::Visit;
use super::{answer, page};
use crate::auth::{OrgScope, ReadOrg};
use crate::errors::{Error, Result};

const PATH: &str = "/orgs/:slug";
/// Months that are shown, the running one included.
const MONTHS: u32 = 12;
/// The pack lists more.
const GAPS_SHOWN: usize = 5;
const RISKS_SHOWN: usize = 5;

pub(super) fn route(routes: Route) -> Route {
    routes.at(PATH, get(page!(show))).at(format!("{PATH}/figures"), get(page!(figures)))
}

/// The whole page.
#[derive(Template)]
#[template(path = "overview/page.html")]
struct Page {
    frame: Frame,
    start: Start,
    figures: Shown,
    chain: Chain,
}

/// What a new organisation has done of its first steps.
struct Start {
    has_scan: bool,
    has_pack: bool,
}

/// What is known of the audit chain.
struct Chain {
    badge: Badge,
    message: String,
    checked_at: Option<Time>,
    now: Time,
}

/// The part that takes counting.
#[derive(Template)]
#[template(path = "overview/figures.html")]
struct Shown {
    base: String,
    now: Time,
    /// `None`: still being counted.
    glance: Option<Arc<Glance>>,
}

async fn show(request: Request) -> Result<Response> {
    let visit = Visit::of(&request).await?;
    let scope = visit.org::<ReadOrg>(&request).await?;
    let page = Page {
        frame: Frame::new(&visit, Some(&scope.org.slug), Place::Overview, "Overview"),
        start: start(&scope).await?,
        figures: shown(&scope).await?,
        chain: chain(&scope).await?,
    };
    answer::html(StatusCode::OK, &page)
}

async fn figures(request: Request) -> Result<Response> {
    live::answer(request, |request| {
        Box::pin(async move {
            let part = part(&request).await;
            (request, part)
        })
    })
    .await
}

async fn part(request: &Request) -> Result<Part> {
    let visit = Visit::of(request).await?;
    let shown = shown(&visit.org::<ReadOrg>(request).await?).await?;
    let is_final = shown.glance.is_some();
    Ok(Part { html: shown.render().map_err(Error::internal)?, is_final })
}

async fn shown(scope: &OrgScope<ReadOrg>) -> Result<Shown> {
    let now = scope.context.now;
    let glance = glance::of(scope, months(now)?).await?;
    Ok(Shown { base: format!("/orgs/{}", scope.org.slug), now, glance })
}

/// The last months up to the end of today: the same all day, so that what is counted can be kept.
fn months(now: Time) -> Result<Period> {
    let today = now.date_naive();
    let month = today.with_day(1).unwrap_or(today);
    let start = month.checked_sub_months(Months::new(MONTHS - 1)).unwrap_or(month);
    let end = today.succ_opt().unwrap_or(today);
    let midnight = |day: chrono::NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    Period::new(midnight(start), midnight(end)).map_err(Error::internal)
}

async fn start(scope: &OrgScope<ReadOrg>) -> Result<Start> {
    let mut tx = scope.begin().await?;
    let filter = db::scans::Filter { limit: 1, ..db::scans::Filter::default() };
    let has_scan = !db::scans::list(&mut tx, scope.org.id, &filter).await?.is_empty();
    let has_pack = db::exports::list(&mut tx, scope.org.id, None, 1, 0).await?.total > 0;
    tx.commit().await?;
    Ok(Start { has_scan, has_pack })
}

async fn chain(scope: &OrgScope<ReadOrg>) -> Result<Chain> {
    let mut tx = scope.begin().await?;
    let found = chain_checks::find(&mut tx, ChainId::Org(scope.org.id)).await?;
    tx.commit().await?;
    let now = scope.context.now;
    let Some(state) = found else {
        let badge = Badge { tone: "", word: "not checked yet" };
        let message = "Every chain is verified each night.".to_owned();
        return Ok(Chain { badge, message, checked_at: None, now });
    };
    let badge = match state.status {
        _ if state.alarm => Badge { tone: "bad", word: "broken" },
        Some(ChainStatus::Ok) => Badge { tone: "good", word: "whole" },
        Some(_) => Badge { tone: "warn", word: "look at it" },
        None => Badge { tone: "", word: "not checked yet" },
    };
    Ok(Chain {
        badge,
        message: state.message.unwrap_or_default(),
        checked_at: state.checked_at,
        now,
    })
}

impl Start {
    fn is_over(&self) -> bool {
        self.has_scan && self.has_pack
    }
}

impl Shown {
    fn coverage_chart(glance: &Glance) -> Safe<String> {
        let columns: Vec<_> = glance
            .coverage
            .iter()
            .map(|month| {
                let (part, whole) = (month.scope.numerator, month.scope.denominator);
                let told = if whole == 0 {
                    format!("{}: no state source was in scope", month.month)
                } else {
                    format!("{}: {part} of {whole} state sources had a complete scan", month.month)
                };
                Column { label: label(&month.month), value: month.scope.percent(), told }
            })
            .collect();
        chart::columns(
            "State sources with a complete scan, per month, in percent",
            &columns,
            100.0,
            " %",
        )
    }

    fn drift_chart(glance: &Glance) -> Safe<String> {
        let columns: Vec<_> = glance
            .coverage
            .iter()
            .map(|month| {
                let (part, whole) = (month.drift.numerator, month.drift.denominator);
                let told = if whole == 0 {
                    format!("{}: nothing was compared", month.month)
                } else {
                    format!("{}: {part} of {whole} resources had drifted", month.month)
                };
                let value = (whole > 0).then(|| chart::float(part));
                Column { label: label(&month.month), value, told }
            })
            .collect();
        let top = columns.iter().filter_map(|column| column.value).fold(0.0, f64::max);
        chart::columns(
            "Drifted resources at the last complete scan of each month",
            &columns,
            chart::round_up(top),
            "",
        )
    }

    fn open_bar(glance: &Glance) -> Safe<String> {
        let parts: Vec<_> = glance
            .sla
            .iter()
            .map(|row| (row.risk_level.as_str(), row.roll_forward.open_at_end))
            .collect();
        chart::stacked("Open findings by risk level", &parts)
    }

    fn worst(glance: &Glance) -> Vec<TopRisk> {
        glance.top_risks.iter().take(RISKS_SHOWN).cloned().collect()
    }

    fn longest(glance: &Glance) -> Vec<Gap> {
        glance.gaps.iter().take(GAPS_SHOWN).cloned().collect()
    }

    fn length(hours: f64) -> String {
        Self::hours(Some(hours))
    }

    fn hours(hours: impl Borrow<Option<f64>>) -> String {
        match *hours.borrow() {
            None => "–".to_owned(),
            Some(hours) if hours >= 48.0 => format!("{:.1} days", hours / 24.0),
            Some(hours) => format!("{hours:.1} h"),
        }
    }
}

/// `2026-01` as `Jan`.
fn label(month: &str) -> String {
    const NAMES: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let number = month.rsplit('-').next().and_then(|number| number.parse::<usize>().ok());
    number
        .and_then(|number| NAMES.get(number.wrapping_sub(1)))
        .map_or_else(|| month.to_owned(), |name| (*name).to_owned())
}
