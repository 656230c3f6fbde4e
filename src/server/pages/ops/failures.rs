//! Failed runs by their error, and sending many of them back: first it is said how many and which, then it is done.

use std::sync::Arc;

use askama::Template;
use engine::{FailureGroup, RunView};
use evidence::time::Time;
use poem::error::ResponseError as _;
use poem::http::StatusCode;
use poem::{Request, Response};
use serde::Deserialize;
use uuid::Uuid;

use super::figures::{self, FAILED_MAX, Failures};
use super::owner::Owners;
use super::runs::state_now;
use super::{filter, request_key, word};
use crate::api::workflow::form::{self as workflow, Failed, Matching, REDRIVEN_MAX};
use crate::auth::PlatformAdmin;
use crate::errors::{Denied, Error, Input, Result};
use crate::pages::frame::{Frame, Notice, Place};
use crate::pages::visit::Visit;
use crate::pages::{answer, form, text};

#[derive(Template)]
#[template(path = "ops/failures.html")]
struct Page {
    frame: Frame,
    now: Time,
    failures: Option<Arc<Failures>>,
    trial: Option<Trial>,
}

/// What sending runs back would come to.
struct Trial {
    asked: Asked,
    matching: Matching,
    oldest: Vec<RunView>,
    owners: Owners,
    request_key: String,
}

/// Which failed runs.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    workflow: String,
    /// An organisation's short name or id, or any other key.
    #[serde(default)]
    of: String,
    #[serde(default)]
    error: String,
    /// Those that failed as this one did.
    #[serde(default)]
    like: String,
    #[serde(default)]
    request_key: String,
}

pub(super) async fn show(request: Request) -> Result<Response> {
    let notice = said(&request);
    render(&request, None, notice, StatusCode::OK).await
}

/// The words are ours, and the numbers numbers: an address can be written by anybody.
fn said(request: &Request) -> Option<Notice> {
    let query = form::query(request);
    let sent: u64 = query.get("sent")?.parse().ok()?;
    let more = if query.contains_key("more") { " More fit: count again to go on." } else { "" };
    let text = match sent {
        0 => "No run was sent back: none fits any more.".to_owned(),
        _ => format!("{} sent back.{more}", text::counted(sent, "run is", "runs are")),
    };
    Some(Notice::done(text))
}

async fn render(
    request: &Request,
    trial: Option<Trial>,
    notice: Option<Notice>,
    status: StatusCode,
) -> Result<Response> {
    let visit = Visit::of(request).await?;
    let admin = visit.operator(request).await?;
    let now = state_now(&admin);
    let failures = figures::failures(&admin.context.state, now).await?;
    let frame = Frame::new(&visit, None, Place::Runs, "Failures by error").saying(notice);
    answer::html(status, &Page { frame, now, failures, trial })
}

/// The dry run.
pub(super) async fn check(request: Request) -> Result<Response> {
    let (request, asked) = form::read::<Asked>(request).await?;
    let admin = Visit::of(&request).await?.operator(&request).await?;
    match Trial::of(&admin, asked).await {
        Ok(trial) => render(&request, Some(trial), None, StatusCode::OK).await,
        Err(error) => refused(&request, error).await,
    }
}

pub(super) async fn redrive(request: Request) -> Result<Response> {
    let (request, mut asked) = form::read::<Asked>(request).await?;
    let admin = Visit::of(&request).await?.operator(&request).await?;
    let key = std::mem::take(&mut asked.request_key);
    let sent = async {
        let failed = asked.resolved(&admin).await?;
        workflow::send_back(&admin, key, &failed).await
    }
    .await;
    admin.context.state.ops.runs_changed();
    match sent {
        Ok((sent, more)) => {
            let sent = sent.to_string();
            let more = more.then_some("1");
            answer::redirect(&form::address(
                "/ops/failures",
                &[("sent", Some(&sent)), ("more", more)],
            ))
        }
        Err(error) => refused(&request, error).await,
    }
}

/// The page again, with what was refused at its top.
async fn refused(request: &Request, error: Error) -> Result<Response> {
    if matches!(error, Error::Denied(Denied::PlatformAdminRequired | Denied::Unauthorized(_))) {
        return Err(error);
    }
    render(request, None, Some(Notice::refused(&error)), error.status()).await
}

impl Asked {
    /// As the operation takes it. What gives no condition at all is refused: it would be every failed run there is.
    async fn resolved(&self, admin: &PlatformAdmin) -> Result<Failed> {
        let state = &admin.context.state;
        let given = |name, text: &String| {
            let text = filter::plain(name, text)?;
            Ok::<_, Error>(Some(text).filter(|text| !text.is_empty()))
        };
        let of = filter::plain("of", &self.of)?;
        let failed = Failed {
            workflow: given("workflow", &self.workflow)?,
            key: filter::key(state, &of).await?,
            error: given("error", &self.error)?,
        };
        if failed.workflow.is_none() && failed.key.is_none() && failed.error.is_none() {
            let message = "name a workflow, an organisation, or a text of the error".to_owned();
            return Err(Input::InvalidField { field: "workflow", message }.into());
        }
        Ok(failed)
    }

    /// With the error of the run that it names.
    async fn like(mut self, admin: &PlatformAdmin) -> Result<Self> {
        if self.like.is_empty() {
            return Ok(self);
        }
        let id: Uuid = self.like.parse().map_err(|_| Denied::NotFound("workflow run"))?;
        let engine = &admin.context.state.engine;
        let run = engine.find(id).await?.ok_or(Denied::NotFound("workflow run"))?;
        let error = engine.error_text(id).await?.ok_or_else(|| {
            let message = "the run that was named is not failed any more: look at the list again";
            Error::from(Input::InvalidParameter(message.to_owned()))
        })?;
        self.workflow = run.workflow;
        self.error = error;
        Ok(self)
    }
}

impl Trial {
    async fn of(admin: &PlatformAdmin, asked: Asked) -> Result<Self> {
        let state = &admin.context.state;
        let asked = asked.like(admin).await?;
        let failed = asked.resolved(admin).await?;
        let matching = workflow::matching(admin, &failed).await?;
        let mut oldest = Vec::new();
        for id in &matching.oldest {
            oldest.extend(state.engine.find(*id).await?);
        }
        let owners = Owners::of(state, oldest.iter().filter_map(|run| run.key.as_deref())).await?;
        Ok(Self { asked, matching, oldest, owners, request_key: request_key() })
    }

    /// How many a redrive sends back at once.
    fn at_once(&self) -> u64 {
        self.matching.count.min(REDRIVEN_MAX.into())
    }

    /// The error in few words, where it is a stored one.
    fn error(&self) -> String {
        let stored: Option<serde_json::Value> = serde_json::from_str(&self.asked.error).ok();
        let message = stored.as_ref().and_then(|error| error.get("message")?.as_str());
        word::cut(message.unwrap_or(&self.asked.error), 300)
    }
}

impl Page {
    fn total(failures: &Failures) -> u64 {
        failures.groups.iter().map(|group| group.runs).sum()
    }

    /// Only the newest were read.
    fn is_cut(failures: &Failures) -> bool {
        Self::total(failures) >= FAILED_MAX as u64 || failures.groups.len() >= 100
    }

    fn listed(group: &FailureGroup) -> String {
        let text = word::cut(&group.error.message, 200);
        let text = text.trim_end_matches('…');
        // Compared with JSON, where a quotation mark has a backslash before it.
        let text = serde_json::Value::from(text).to_string();
        let text = text.trim_matches('"');
        form::address("/ops/runs", &[("workflow", Some(&group.workflow)), ("error", Some(text))])
    }
}
