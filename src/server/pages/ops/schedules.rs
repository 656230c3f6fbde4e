//! Schedules: when they fire next, what came of it the last time, and firing them by hand.

use std::collections::HashMap;

use askama::Template;
use chrono::{NaiveDateTime, TimeDelta};
use engine::{Client, RunView, ScheduleView};
use evidence::time::Time;
use poem::error::ResponseError as _;
use poem::http::StatusCode;
use poem::{Request, Response};
use serde::Deserialize;

use super::runs::state_now;
use super::{request_key, word};
use crate::api::workflow::form::{self as workflow, OfSchedule, Said};
use crate::auth::PlatformAdmin;
use crate::errors::{Denied, Error, Input, Result};
use crate::pages::frame::{Frame, Notice, Place};
use crate::pages::visit::Visit;
use crate::pages::{answer, form, text};

/// Ticks ahead that are told.
const NEXT: usize = 3;
/// As far ahead as they are looked for.
const AHEAD: TimeDelta = TimeDelta::days(366 * 5);
/// Most ticks of a backfill.
const TICKS_MAX: usize = 1000;
/// Ticks of a backfill that are told before it is asked for.
const TOLD: usize = 12;

#[derive(Template)]
#[template(path = "ops/schedules.html")]
struct Page {
    frame: Frame,
    now: Time,
    schedules: Vec<Shown>,
    backfill: Option<Backfill>,
    /// Why there is no backfill to be seen although one was asked for.
    fault: Option<String>,
}

/// A schedule.
struct Shown {
    schedule: ScheduleView,
    next: Vec<Time>,
    last: Option<RunView>,
    request_key: String,
}

/// What a backfill would do.
struct Backfill {
    name: String,
    from: String,
    to: String,
    ticks: Vec<Time>,
    request_key: String,
}

pub(super) async fn show(request: Request) -> Result<Response> {
    let done = form::query(&request).remove("done");
    render(&request, done.and_then(|done| said(&done)), StatusCode::OK).await
}

/// What a page says after something was done. The words are ours: an address can be written by anybody.
fn said(done: &str) -> Option<Notice> {
    let text = match done {
        "run" => "A worker starts the run.",
        "pause" => "The schedule is paused. Ticks that pass are counted as missed.",
        "resume" => "The schedule fires again from its next tick on.",
        "backfill" => "A worker starts the runs of these ticks.",
        _ => return None,
    };
    Some(Notice::done(text))
}

async fn render(request: &Request, notice: Option<Notice>, status: StatusCode) -> Result<Response> {
    let visit = Visit::of(request).await?;
    let admin = visit.operator(request).await?;
    let (state, now) = (&admin.context.state, state_now(&admin));
    let mut schedules = Vec::new();
    for schedule in state.engine.schedules().await? {
        schedules.push(Shown::of(&state.engine, schedule, now).await?);
    }
    let (backfill, fault) = match Backfill::of(&form::query(request), &schedules, now) {
        Ok(backfill) => (backfill, None),
        Err(error) => (None, Some(error.message())),
    };
    let frame = Frame::new(&visit, None, Place::Schedules, "Schedules").saying(notice);
    answer::html(status, &Page { frame, now, schedules, backfill, fault })
}

#[derive(Deserialize)]
struct Asked {
    request_key: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
}

pub(super) async fn act(request: Request) -> Result<Response> {
    let (request, asked) = form::read::<Asked>(request).await?;
    let admin = Visit::of(&request).await?.operator(&request).await?;
    let name: String = request
        .path_params()
        .map_err(|_| Denied::NotFound("schedule"))
        .map(|(name, _): (String, String)| name)?;
    let action = request.raw_path_param("action").unwrap_or_default().to_owned();
    match asked.carry_out(&admin, &name, &action).await {
        Ok(Said { done: true, .. }) => answer::redirect(&format!("/ops/schedules?done={action}")),
        Ok(Said { message, .. }) => {
            let notice = Notice { tone: "warn", text: message };
            render(&request, Some(notice), StatusCode::OK).await
        }
        Err(error @ Error::Denied(_)) => Err(error),
        Err(error) => render(&request, Some(Notice::refused(&error)), error.status()).await,
    }
}

impl Asked {
    async fn carry_out(self, admin: &PlatformAdmin, name: &str, action: &str) -> Result<Said> {
        let what = match action {
            "run" => OfSchedule::Run,
            "pause" => OfSchedule::Pause,
            "resume" => OfSchedule::Resume,
            "backfill" => OfSchedule::Backfill(span(&self.from, &self.to)?),
            _ => return Err(Denied::NotFound("action").into()),
        };
        workflow::of_schedule(admin, self.request_key, name, what).await
    }
}

impl Shown {
    async fn of(engine: &Client, schedule: ScheduleView, now: Time) -> Result<Self> {
        let next = if schedule.paused_at.is_some() {
            vec![]
        } else {
            // One that no worker fires must not keep the page from being shown.
            Client::ticks(&schedule, (now, now + AHEAD), NEXT).unwrap_or_default()
        };
        let last = match schedule.last_at {
            Some(tick) => engine.run_of_tick(&schedule.name, tick).await?,
            None => None,
        };
        Ok(Self { schedule, next, last, request_key: request_key() })
    }

    /// Where its forms go.
    fn address(&self) -> String {
        let name: String =
            url::form_urlencoded::byte_serialize(self.schedule.name.as_bytes()).collect();
        format!("/ops/schedules/{}", name.replace('+', "%20"))
    }

    fn misfire(&self) -> String {
        match self.schedule.misfire.as_str() {
            "skip" => "Missed ticks start nothing.".to_owned(),
            "once" => "Of missed ticks the latest starts one run.".to_owned(),
            _ => format!(
                "Of missed ticks the latest {} start a run each.",
                self.schedule.misfire_max
            ),
        }
    }

    fn id(&self) -> String {
        self.schedule.name.replace(|one: char| !one.is_ascii_alphanumeric(), "-")
    }
}

impl Backfill {
    /// `None`: the address asks for none.
    fn of(query: &HashMap<String, String>, schedules: &[Shown], now: Time) -> Result<Option<Self>> {
        let (Some(name), Some(from), Some(to)) =
            (query.get("schedule"), query.get("from"), query.get("to"))
        else {
            return Ok(None);
        };
        let known = schedules.iter().find(|shown| shown.schedule.name == *name);
        let known = known.ok_or(Denied::NotFound("schedule"))?;
        let (begin, end) = span(from, to)?;
        let ticks = Client::ticks(&known.schedule, (begin, end.min(now)), TICKS_MAX + 1)?;
        if ticks.len() > TICKS_MAX {
            let message =
                format!("there are more than {TICKS_MAX} ticks in that time: take shorter spans");
            return Err(Input::InvalidField { field: "from", message }.into());
        }
        Ok(Some(Self {
            name: name.clone(),
            from: from.clone(),
            to: to.clone(),
            ticks,
            request_key: request_key(),
        }))
    }

    fn counted(&self, one: &str, many: &str) -> String {
        text::counted(self.ticks.len() as u64, one, many)
    }

    fn told(&self) -> &[Time] {
        &self.ticks[..self.ticks.len().min(TOLD)]
    }

    fn address(&self) -> String {
        let name: String = url::form_urlencoded::byte_serialize(self.name.as_bytes()).collect();
        format!("/ops/schedules/{}/backfill", name.replace('+', "%20"))
    }
}

/// The time between two fields of a form, in UTC.
fn span(from: &str, to: &str) -> Result<(Time, Time)> {
    workflow::checked((moment("from", from)?, moment("to", to)?))
}

/// As browsers write it: seconds only where they are not nought.
fn moment(field: &'static str, text: &str) -> Result<Time> {
    let read = |format| NaiveDateTime::parse_from_str(text, format);
    let moment = read("%Y-%m-%dT%H:%M").or_else(|_| read("%Y-%m-%dT%H:%M:%S"));
    moment.map(|moment| moment.and_utc()).map_err(|_| {
        let message = format!("{field} is written as 2026-01-31T12:00, in UTC");
        Input::InvalidField { field, message }.into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_read_as_browsers_write_it_and_checked() {
        let (from, to) = span("2026-01-01T00:00", "2026-02-01T00:00:30").unwrap();
        assert_eq!((to - from).num_seconds(), 31 * 86_400 + 30);
        for (from, to) in
            [("", ""), ("2026-02-01T00:00", "2026-01-01T00:00"), ("x", "2026-01-01T00:00")]
        {
            assert!(span(from, to).is_err(), "{from} {to}");
        }
    }
}
