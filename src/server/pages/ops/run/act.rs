//! What the forms of a run's page do.

use engine::RetryFrom;
use poem::error::ResponseError as _;
use poem::http::StatusCode;
use poem::{Request, Response};
use serde::Deserialize;
use serde_json::Value;

use super::{render, run_id};
use crate::api::workflow::form::{self as workflow, OfRun, Said};
use crate::errors::{Denied, Error, Input, Result};
use crate::pages::frame::Notice;
use crate::pages::visit::Visit;
use crate::pages::{answer, form};

/// The fields of all of them.
#[derive(Deserialize)]
struct Asked {
    request_key: String,
    /// `failed`, `start`, or the place of a step.
    #[serde(default)]
    from: String,
    #[serde(default)]
    name: String,
    /// JSON.
    #[serde(default)]
    payload: String,
    #[serde(default)]
    sender_key: String,
}

pub(in crate::pages::ops) async fn act(request: Request) -> Result<Response> {
    let (request, asked) = form::read::<Asked>(request).await?;
    let admin = Visit::of(&request).await?.operator(&request).await?;
    let run_id = run_id(&request)?;
    let action = request.raw_path_param("action").unwrap_or_default().to_owned();
    let key = asked.request_key.clone();
    let done = match asked.what(&action) {
        Ok(what) => workflow::of_run(&admin, key, run_id, what).await,
        Err(error) => Err(error),
    };
    admin.context.state.ops.runs_changed();
    match done {
        Ok(Said { done: true, .. }) => {
            answer::redirect(&format!("/ops/runs/{run_id}?done={action}"))
        }
        Ok(Said { message, .. }) => {
            let notice = Notice { tone: "warn", text: message };
            render(&request, Some(notice), StatusCode::OK).await
        }
        Err(error @ Error::Denied(_)) => Err(error),
        Err(error) => render(&request, Some(Notice::refused(&error)), error.status()).await,
    }
}

/// What a page says after something was done. The words are ours: an address can be written by anybody.
pub(super) fn said(done: &str) -> Option<Notice> {
    let text = match done {
        "retry" => "The run is sent back. A worker takes it up as soon as one is free.",
        "cancel" => "The run is being cancelled: it ends before its next step.",
        "pause" => "The run is paused, or stops before its next step.",
        "resume" => "The run goes on where it was.",
        "signal" => "The signal is with the run.",
        _ => return None,
    };
    Some(Notice::done(text))
}

impl Asked {
    fn what(self, action: &str) -> Result<OfRun> {
        Ok(match action {
            "retry" => OfRun::Retry(from(&self.from)?),
            "cancel" => OfRun::Cancel,
            "pause" => OfRun::Pause,
            "resume" => OfRun::Resume,
            "signal" => OfRun::Signal {
                payload: payload(&self.payload)?,
                name: self.name,
                sender_key: Some(self.sender_key).filter(|key| !key.is_empty()),
            },
            _ => return Err(Denied::NotFound("action").into()),
        })
    }
}

fn from(text: &str) -> Result<RetryFrom> {
    match text {
        "failed" => Ok(RetryFrom::Failed),
        "start" => Ok(RetryFrom::Start),
        seq => seq.parse().map(RetryFrom::Step).map_err(|_| {
            let message = "from must be failed, start, or the place of a step".to_owned();
            Input::InvalidField { field: "from", message }.into()
        }),
    }
}

/// Nothing is no payload.
fn payload(text: &str) -> Result<Value> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(text).map_err(|error| {
        let message =
            format!("the payload must be JSON, such as \"yes\" or {{\"by\": 1}}: {error}");
        Input::InvalidField { field: "payload", message }.into()
    })
}
