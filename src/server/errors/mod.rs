//! Why requests are not served, and how that is answered; the table itself is [`table`].
//!
//! Invariants
//! - A body is `{"error": <machine code>, "message": <for a person>, …context}`; codes never change.
//! - Every 429 and 503 has `Retry-After`, in whole seconds, rounded up.
//! - A body of the 500 class never carries a cause; the cause is logged with the request id.
//!
//! Not here: which operation may answer with which status ([`documented`]), and how poem's own
//! refusals are read ([`foreign`]).

mod convert;
mod documented;
mod foreign;
mod table;

use evidence::org::{Role, Scope};
use evidence::time::Time;
use poem::error::ResponseError;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Response};
use serde_json::{Map, Value};

pub(crate) use documented::{Refused, Statuses, statuses};
pub(crate) use foreign::translate;

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a request is not served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("denied")]
    Denied(Denied),
    #[error("bad input")]
    Input(Input),
    #[error("the state does not allow it")]
    State(State),
    #[error("one request too many")]
    RateLimited { of: Limited, limit: u32, window_seconds: u64, retry_after_seconds: u64 },
    #[error("{0:?} cannot answer")]
    Down(Part, #[source] Cause),
    #[error("internal error")]
    Internal(#[source] Cause),
    /// The row says that the object exists, the storage says that it does not.
    #[error("the object of a finished pack is missing")]
    ArtifactMissing,
}

/// What there was too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limited {
    /// Requests for packs of an organisation.
    Packs,
    /// Writes of a person or an API key.
    Writes,
}

/// Who asks, and for what, is the reason.
#[derive(Debug)]
pub(crate) enum Denied {
    /// The reason helps the honest; it says nothing that a forger does not know.
    Unauthorized(&'static str),
    /// No such organisation, or the caller is no member: the two look alike.
    OrgNotFound,
    NotFound(&'static str),
    OidcRequired,
    RoleRequired(&'static [Role]),
    ScopeRequired(Scope),
    PlatformAdminRequired,
    /// A session's cookie came with a change that its own pages did not make.
    Forged(&'static str),
    /// A sign-in that was begun with a browser did not end well.
    SignIn(&'static str),
    /// Browsers cannot sign in here.
    NoSignIn(&'static str),
    PlanFeatureRequired {
        feature: &'static str,
        plan: &'static str,
    },
}

/// What was sent is the reason.
#[derive(Debug)]
pub(crate) enum Input {
    /// Text that is no JSON.
    InvalidJson(String),
    /// JSON that is not what the operation takes.
    InvalidBody(String),
    InvalidParameter(String),
    /// A field that the domain refuses.
    InvalidField {
        field: &'static str,
        message: String,
    },
    InvalidPeriod(String),
    PeriodOutsidePlanWindow {
        window_days: u32,
        earliest_period_start: Time,
    },
    IdempotencyKeyReused,
    /// The answer to this key held a secret that is shown once.
    AnswerShownOnce,
    /// A scan file that cannot be read; the code is `evidence::input`'s.
    Scan {
        code: &'static str,
        message: String,
    },
    ObservedAt {
        code: &'static str,
        message: &'static str,
    },
    BodyTooLarge {
        limit_bytes: u64,
    },
    BodyInterrupted,
    BodyTooSlow,
    HeadersTooLarge {
        limit_bytes: usize,
    },
    UnsupportedMediaType(String),
    UnsupportedContentEncoding,
    InvalidContentEncoding,
    InvalidReason(String),
    RangeNotSatisfiable {
        size_bytes: u64,
    },
}

/// Where the thing asked for stands is the reason.
#[derive(Debug)]
pub(crate) enum State {
    NotReady {
        status: &'static str,
    },
    Gone {
        status: &'static str,
    },
    InvalidTransition(String),
    Taken(String),
    /// Without the member an organisation would have no owner.
    LastOwner(String),
    /// A workflow run with which this cannot be done.
    Run {
        state: &'static str,
        message: String,
    },
    RouteNotFound,
    MethodNotAllowed,
}

/// A part of the system that can be away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Database,
    RateLimiter,
    /// Its keys are not fetched again before that time is over.
    Issuer {
        retry_after_seconds: u64,
    },
    Storage,
}

impl Error {
    pub(crate) fn internal(cause: impl Into<Cause>) -> Self {
        Self::Internal(cause.into())
    }

    /// The HTTP status.
    pub(crate) fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.row().status).expect("the table holds valid statuses")
    }

    /// For a person.
    pub(crate) fn message(&self) -> String {
        self.row().message
    }

    fn log(&self, status: u16) {
        let cause = std::error::Error::source(self).map(describe);
        let cause = cause.as_deref().unwrap_or_default();
        match self {
            Self::Internal(_) | Self::ArtifactMissing => {
                tracing::error!(status, error = %self, cause, "request failed");
            }
            Self::Down(..) => tracing::warn!(status, error = %self, cause, "a dependency is away"),
            _ => {}
        }
    }
}

/// An error and its sources, outermost first.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

impl ResponseError for Error {
    fn status(&self) -> StatusCode {
        self.status_code()
    }

    fn as_response(&self) -> Response {
        let row = self.row();
        self.log(row.status);
        let mut body = Map::new();
        body.insert("error".into(), row.code.into());
        body.insert("message".into(), row.message.into());
        if let Value::Object(context) = row.context {
            body.extend(context);
        }
        let mut response = Value::Object(body).to_string().into_response();
        response.set_status(self.status_code());
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        if let Some(seconds) = row.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        match self {
            Self::Denied(Denied::Unauthorized(_)) => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::Input(Input::RangeNotSatisfiable { size_bytes }) => {
                if let Ok(value) = HeaderValue::try_from(format!("bytes */{size_bytes}")) {
                    headers.insert(header::CONTENT_RANGE, value);
                }
            }
            _ => {}
        }
        response
    }
}

#[cfg(test)]
pub(crate) mod tests;
