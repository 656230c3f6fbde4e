//! The table, row by row.

use poem::http::HeaderMap;

use evidence::time::Time;
use serde_json::json;

use super::*;

/// The status, the headers and the body of an error.
pub(crate) async fn answer(error: Error) -> (u16, HeaderMap, Value) {
    let response = error.as_response();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.into_body().into_bytes().await.unwrap();
    (status, headers, serde_json::from_slice(&body).unwrap())
}

fn secret() -> std::io::Error {
    std::io::Error::other("password=hunter2 at 10.0.0.7")
}

/// One error of each kind.
pub(crate) fn every_kind() -> Vec<Error> {
    let scan = |code: &evidence::input::Code| {
        Input::Scan { code: code.as_str(), message: "The way out.".to_owned() }.into()
    };
    let mut kinds = of_the_server();
    kinds.extend(evidence::input::Code::ALL.iter().map(scan));
    kinds
}

fn limited(of: Limited) -> Error {
    Error::RateLimited { of, limit: 5, window_seconds: 86_400, retry_after_seconds: 17 }
}

fn of_the_server() -> Vec<Error> {
    vec![
        Denied::Unauthorized("There are no credentials").into(),
        Denied::OrgNotFound.into(),
        Denied::NotFound("scan").into(),
        Denied::OidcRequired.into(),
        Denied::RoleRequired(&[Role::Owner, Role::Admin]).into(),
        Denied::ScopeRequired(Scope::Write).into(),
        Denied::PlatformAdminRequired.into(),
        Denied::Forged("The request comes from another site").into(),
        Denied::SignIn("The identity provider refused").into(),
        Denied::NoSignIn("Browsers cannot sign in here").into(),
        Denied::PlanFeatureRequired { feature: "audit_compliance", plan: "free" }.into(),
        Input::InvalidJson("The body is no JSON.".into()).into(),
        Input::InvalidBody("unknown field".into()).into(),
        Input::InvalidParameter("`limit`".into()).into(),
        Input::InvalidField { field: "name", message: "name must be short".into() }.into(),
        Input::InvalidPeriod("reversed".into()).into(),
        Input::PeriodOutsidePlanWindow { window_days: 30, earliest_period_start: Time::UNIX_EPOCH }
            .into(),
        Input::IdempotencyKeyReused.into(),
        Input::AnswerShownOnce.into(),
        Input::ObservedAt { code: "observed_at_in_future", message: "in the future" }.into(),
        Input::BodyTooLarge { limit_bytes: 10 }.into(),
        Input::BodyInterrupted.into(),
        Input::BodyTooSlow.into(),
        Input::HeadersTooLarge { limit_bytes: 10 }.into(),
        Input::UnsupportedMediaType("as JSON".into()).into(),
        Input::UnsupportedContentEncoding.into(),
        Input::InvalidContentEncoding.into(),
        Input::InvalidReason("a reason".into()).into(),
        Input::RangeNotSatisfiable { size_bytes: 10 }.into(),
        State::NotReady { status: "running" }.into(),
        State::Gone { status: "expired" }.into(),
        State::InvalidTransition("no".into()).into(),
        State::Taken("exists already".into()).into(),
        State::LastOwner("an organisation needs an owner".into()).into(),
        State::Run { state: "succeeded", message: "It has succeeded.".into() }.into(),
        State::RouteNotFound.into(),
        State::MethodNotAllowed.into(),
        limited(Limited::Packs),
        limited(Limited::Writes),
        Error::Down(Part::Database, secret().into()),
        Error::Down(Part::RateLimiter, secret().into()),
        Error::Down(Part::Issuer { retry_after_seconds: 7 }, secret().into()),
        Error::Down(Part::Storage, secret().into()),
        Error::internal(secret()),
        Error::ArtifactMissing,
    ]
}

#[tokio::test]
async fn every_error_has_a_code_a_message_and_a_status_of_its_class() {
    for error in every_kind() {
        let (status, headers, body) = answer(error).await;
        let code = body["error"].as_str().unwrap();
        assert!(
            code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
            "{code}"
        );
        assert!(body["message"].as_str().unwrap().len() > 1, "{code}");
        assert!((400..=599).contains(&status), "{code}");
        assert_eq!(headers["content-type"], "application/json; charset=utf-8");
    }
}

#[tokio::test]
async fn every_429_and_503_says_when_to_come_back() {
    for error in every_kind() {
        let (status, headers, body) = answer(error).await;
        let seconds =
            headers.get("retry-after").map(|value| value.to_str().unwrap().parse::<u64>().unwrap());
        assert_eq!(seconds.is_some(), matches!(status, 429 | 503), "{body}");
        assert!(seconds.is_none_or(|seconds| seconds > 0));
    }
}

#[tokio::test]
async fn who_waits_for_the_issuer_is_told_how_long() {
    let part = Part::Issuer { retry_after_seconds: 7 };
    let (_, headers, _) = answer(Error::Down(part, secret().into())).await;
    assert_eq!(headers["retry-after"], "7");
}

#[tokio::test]
async fn no_body_says_why_something_failed_on_our_side() {
    for error in every_kind() {
        let (_, _, body) = answer(error).await;
        assert!(
            !body.to_string().contains("hunter2") && !body.to_string().contains("10.0.0.7"),
            "{body}"
        );
    }
}

#[tokio::test]
async fn the_errors_that_users_meet_are_spelled_as_promised() {
    let (status, _, body) =
        answer(Denied::PlanFeatureRequired { feature: "audit_compliance", plan: "free" }.into())
            .await;
    assert_eq!((status, &body["error"]), (402, &json!("plan_feature_required")));
    assert_eq!(
        (&body["required_feature"], &body["plan"]),
        (&json!("audit_compliance"), &json!("free"))
    );

    let (status, _, body) = answer(Denied::RoleRequired(&[Role::Owner, Role::Admin]).into()).await;
    assert_eq!(
        (status, &body["error"], &body["required"]),
        (403, &json!("role_required"), &json!(["owner", "admin"]))
    );

    let earliest = "2026-01-02T03:04:05Z".parse().unwrap();
    let (status, _, body) = answer(
        Input::PeriodOutsidePlanWindow { window_days: 30, earliest_period_start: earliest }.into(),
    )
    .await;
    assert_eq!(
        (status, &body["error"], &body["window_days"]),
        (422, &json!("period_outside_plan_window"), &json!(30))
    );
    assert_eq!(body["earliest_period_start"], "2026-01-02T03:04:05.000000Z");

    let (status, headers, body) = answer(limited(Limited::Packs)).await;
    assert_eq!((status, headers["retry-after"].to_str().unwrap()), (429, "17"));
    assert_eq!(
        (&body["error"], &body["limit"], &body["window_seconds"], &body["retry_after"]),
        (&json!("rate_limited"), &json!(5), &json!(86_400), &json!(17))
    );

    let (status, _, body) = answer(Error::Down(Part::RateLimiter, secret().into())).await;
    assert_eq!((status, &body["error"]), (503, &json!("rate_limiter_unavailable")));
    let (status, _, body) = answer(State::Gone { status: "deleted" }.into()).await;
    assert_eq!((status, &body["error"], &body["status"]), (410, &json!("gone"), &json!("deleted")));
}

#[tokio::test]
async fn what_the_framework_refuses_has_our_shape() {
    use poem::error::{MethodNotAllowedError, NotFoundError};
    use poem_openapi::error::ParseParamError;
    let cases: [(poem::Error, u16, &str); 4] = [
        (NotFoundError.into(), 404, "route_not_found"),
        (MethodNotAllowedError.into(), 405, "method_not_allowed"),
        (
            ParseParamError { name: "limit", reason: "no number".into() }.into(),
            400,
            "invalid_parameter",
        ),
        (poem::Error::from_string("hunter2", StatusCode::INTERNAL_SERVER_ERROR), 500, "internal"),
    ];
    for (error, status, code) in cases {
        let (found, _, body) = answer(translate(error)).await;
        assert_eq!((found, body["error"].as_str().unwrap()), (status, code));
        assert!(!body.to_string().contains("hunter2"));
    }
}

#[tokio::test]
async fn a_code_belongs_to_one_status() {
    let mut statuses = std::collections::BTreeMap::new();
    for error in every_kind() {
        let (status, _, body) = answer(error).await;
        let code = body["error"].as_str().unwrap().to_owned();
        assert_eq!(*statuses.entry(code.clone()).or_insert(status), status, "{code}");
    }
}
