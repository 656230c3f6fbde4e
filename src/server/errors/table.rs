//! THE table of errors: what each becomes over HTTP. Nowhere else is a status code chosen.
//!
//! Invariant: a code belongs to one status, and never changes.

use evidence::time::stamp;
use serde_json::{Value, json};

use super::{Denied, Error, Input, Limited, Part, State};

/// One line of the table.
pub(super) struct Row {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) context: Value,
    pub(super) retry_after_seconds: Option<u64>,
}

impl Row {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            context: json!({}),
            retry_after_seconds: None,
        }
    }

    fn with(self, context: Value) -> Self {
        Self { context, ..self }
    }

    fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after_seconds: Some(seconds), ..self }
    }
}

impl Error {
    pub(super) fn row(&self) -> Row {
        match self {
            Self::Denied(denied) => denied.row(),
            Self::Input(input) => input.row(),
            Self::State(state) => state.row(),
            Self::RateLimited { of, limit, window_seconds, retry_after_seconds } => Row::new(
                429,
                "rate_limited",
                of.message(*limit, *window_seconds, *retry_after_seconds),
            )
            .with(json!({
                "limit": limit,
                "window_seconds": window_seconds,
                "retry_after": retry_after_seconds,
            }))
            .retry_after(*retry_after_seconds),
            Self::Down(part, _) => part.row(),
            Self::Internal(_) => Row::new(
                500,
                "internal",
                "Something went wrong on our side. It is logged under the request id in X-Request-Id.",
            ),
            Self::ArtifactMissing => Row::new(
                500,
                "artifact_missing",
                "The file of this pack is missing from storage. Request a new pack and tell your operator.",
            ),
        }
    }
}

impl Limited {
    fn message(self, limit: u32, window_seconds: u64, retry_after_seconds: u64) -> String {
        match self {
            Self::Packs => format!(
                "{limit} packs were requested within the last {} hours; the next one can be \
                 requested in {retry_after_seconds} seconds",
                window_seconds / 3600
            ),
            Self::Writes => format!(
                "These credentials may change things {limit} times in {window_seconds} seconds; \
                 nothing was done, go on in {retry_after_seconds} seconds, and more slowly."
            ),
        }
    }
}

impl Denied {
    fn row(&self) -> Row {
        match self {
            Self::Unauthorized(reason) => Row::new(
                401,
                "unauthorized",
                format!("{reason}; send an OIDC access token or an API key as a bearer token"),
            ),
            Self::OrgNotFound => Row::new(
                404,
                "org_not_found",
                "There is no such organisation, or you are not a member of it.",
            ),
            Self::NotFound(what) => {
                Row::new(404, "not_found", format!("There is no such {what} here."))
            }
            Self::OidcRequired => Row::new(
                403,
                "oidc_required",
                "This call needs a person: sign in with the identity provider instead of an API key.",
            ),
            Self::RoleRequired(roles) => {
                let roles: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
                let message = format!("This call needs one of these roles: {}.", roles.join(", "));
                Row::new(403, "role_required", message).with(json!({ "required": roles }))
            }
            Self::ScopeRequired(scope) => {
                Row::new(403, "scope_required", format!("This call needs an API key with the scope {scope}."))
                    .with(json!({ "required": scope.as_str() }))
            }
            Self::PlatformAdminRequired => Row::new(
                403,
                "platform_admin_required",
                "This call needs an administrator of the platform.",
            ),
            Self::Forged(reason) => Row::new(403, "csrf_refused", format!("{reason}.")),
            Self::SignIn(reason) => {
                Row::new(401, "sign_in_failed", format!("{reason}. Begin again at /login."))
            }
            Self::NoSignIn(reason) => Row::new(404, "sign_in_off", format!("{reason}.")),
            Self::PlanFeatureRequired { feature, plan } => Row::new(
                402,
                "plan_feature_required",
                "Your organisation's plan does not include Compliance Packs; upgrade to team or enterprise.",
            )
            .with(json!({ "required_feature": feature, "plan": plan })),
        }
    }
}

impl Input {
    fn row(&self) -> Row {
        match self {
            Self::InvalidJson(message) => Row::new(400, "invalid_json", message),
            Self::InvalidBody(message) => Row::new(422, "invalid_body", message),
            Self::InvalidParameter(message) => Row::new(400, "invalid_parameter", message),
            Self::InvalidField { field, message } => {
                Row::new(422, "invalid_value", message).with(json!({ "field": field }))
            }
            Self::InvalidPeriod(message) => Row::new(422, "invalid_period", message),
            Self::PeriodOutsidePlanWindow { window_days, earliest_period_start } => Row::new(
                422,
                "period_outside_plan_window",
                format!(
                    "Your plan reaches {window_days} days back; start the period later or upgrade."
                ),
            )
            .with(json!({
                "window_days": window_days,
                "earliest_period_start": stamp(*earliest_period_start),
            })),
            Self::IdempotencyKeyReused => Row::new(
                422,
                "idempotency_key_reused",
                "This Idempotency-Key came with another request before; use a fresh key.",
            ),
            Self::AnswerShownOnce => Row::new(
                422,
                "answer_shown_once",
                "This request was carried out before, and its answer held a secret that is shown once. If the answer \
                 got lost, revoke what was made and ask again with a fresh Idempotency-Key.",
            ),
            // What is no JSON at all cannot be read; what is some other JSON can, and is refused.
            Self::Scan { code: code @ ("empty_input" | "not_utf8" | "invalid_json"), message } => {
                Row::new(400, code, message)
            }
            Self::Scan { code, message } => Row::new(422, code, message),
            Self::ObservedAt { code, message } => Row::new(422, code, *message),
            Self::InvalidReason(message) => Row::new(422, "invalid_reason", message),
            other => other.transport_row(),
        }
    }

    /// What is wrong with the message rather than with what it says.
    fn transport_row(&self) -> Row {
        match self {
            Self::BodyTooLarge { limit_bytes } => Row::new(
                413,
                "body_too_large",
                format!("The body may have at most {limit_bytes} bytes."),
            )
            .with(json!({ "limit_bytes": limit_bytes })),
            Self::HeadersTooLarge { limit_bytes } => Row::new(
                431,
                "headers_too_large",
                format!("Path and headers may have at most {limit_bytes} bytes."),
            )
            .with(json!({ "limit_bytes": limit_bytes })),
            Self::UnsupportedMediaType(message) => Row::new(415, "unsupported_media_type", message),
            Self::UnsupportedContentEncoding => Row::new(
                415,
                "unsupported_content_encoding",
                "Send the body plain or with Content-Encoding: gzip.",
            ),
            Self::InvalidContentEncoding => Row::new(
                400,
                "invalid_content_encoding",
                "The body begins as a gzip stream, or is announced as one, and is damaged or cut short.",
            ),
            Self::RangeNotSatisfiable { size_bytes } => {
                Row::new(416, "range_not_satisfiable", format!("The file has {size_bytes} bytes."))
                    .with(json!({ "size_bytes": size_bytes }))
            }
            Self::BodyTooSlow => Row::new(
                408,
                "body_too_slow",
                "The body did not arrive in time; send it again over a faster line.",
            ),
            _ => Row::new(
                400,
                "body_interrupted",
                "The body ended before it was complete; send it again.",
            ),
        }
    }
}

impl State {
    fn row(&self) -> Row {
        match self {
            Self::NotReady { status } => Row::new(
                409,
                "not_ready",
                format!("This pack is {status}; it can be downloaded once it is done."),
            )
            .with(json!({ "status": status })),
            Self::Gone { status } => {
                Row::new(410, "gone", format!("This pack is {status}; request a new one."))
                    .with(json!({ "status": status }))
            }
            Self::InvalidTransition(message) => Row::new(409, "invalid_transition", message),
            Self::Taken(message) => Row::new(409, "taken", message),
            Self::LastOwner(message) => Row::new(409, "last_owner", message),
            Self::Run { state, message } => {
                Row::new(409, "run_state", message).with(json!({ "state": state }))
            }
            Self::RouteNotFound => Row::new(
                404,
                "route_not_found",
                "There is nothing at this address; the operations are listed at /docs.",
            ),
            Self::MethodNotAllowed => Row::new(
                405,
                "method_not_allowed",
                "This address does not take this method; the operations are listed at /docs.",
            ),
        }
    }
}

impl Part {
    fn row(self) -> Row {
        let (code, message) = match self {
            Self::Database => {
                ("database_unavailable", "The database cannot answer at the moment; try again.")
            }
            Self::RateLimiter => (
                "rate_limiter_unavailable",
                "The rate limiter cannot answer at the moment; nothing was requested, try again.",
            ),
            Self::Issuer { .. } => (
                "issuer_unavailable",
                "The identity provider's keys cannot be fetched at the moment; try again.",
            ),
            Self::Storage => {
                ("storage_unavailable", "The storage cannot answer at the moment; try again.")
            }
        };
        let seconds = match self {
            Self::Issuer { retry_after_seconds } => retry_after_seconds.max(1),
            _ => RETRY_DOWN_SECONDS,
        };
        Row::new(503, code, message).retry_after(seconds)
    }
}

/// Long enough that a crowd of callers does not hold down what is coming up again.
const RETRY_DOWN_SECONDS: u64 = 5;
