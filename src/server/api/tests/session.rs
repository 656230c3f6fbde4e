//! Sessions as credentials: for how long, and what they may do.

use engine::{Clock, VirtualClock};
use evidence::org::{Plan, Role};
use poem::http::Method;
use reqwest::RequestBuilder;
use serde_json::json;
use sqlx::PgPool;
use std::time::Duration;

use super::harness::{Server, send};
use super::visitor::Visitor;

const JO: &str = "jo@acme.example";

/// A browser of a person with this role in `acme`.
async fn signed_in(server: &Server, role: Role) -> Visitor {
    let mut visitor = Visitor::new();
    visitor.sign_in(server.address(), JO).await;
    server.set_role(JO, role).await;
    visitor
}

fn request(server: &Server, visitor: &Visitor, method: Method, path: &str) -> RequestBuilder {
    let path = format!("{}/api/v2/orgs/{}/{path}", server.address(), server.org);
    visitor.request(method, &path)
}

async fn status(server: &Server, visitor: &Visitor, path: &str) -> u16 {
    send(request(server, visitor, Method::GET, path)).await.status
}

/// What a script of our own page sends.
fn from_our_page(request: RequestBuilder, server: &Server, token: &str) -> RequestBuilder {
    request
        .header("origin", server.address())
        .header("sec-fetch-site", "same-origin")
        .header("x-csrf-token", token)
}

#[sqlx::test(migrations = false)]
async fn a_session_is_a_person_for_every_operation(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let mut visitor = signed_in(&server, Role::Owner).await;
    for path in ["audit-exports", "scans", "findings", "audit-log"] {
        assert_eq!(status(&server, &visitor, path).await, 200, "{path}");
    }
    let token = visitor.csrf_token(server.address()).await;
    let period =
        json!({"period_start": "2026-01-01T00:00:00Z", "period_end": "2026-02-01T00:00:00Z"});
    let pack = request(&server, &visitor, Method::POST, "audit-exports").json(&period);
    let pack = send(from_our_page(pack, &server, &token)).await;
    assert_eq!(pack.status, 202, "{pack:?}");
    let by = &pack.json()["requested_by"]["email"];
    assert_eq!(by, JO);
}

#[sqlx::test(migrations = false)]
async fn a_lowered_role_and_a_removal_take_effect_with_the_next_request(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    server.member(Role::Owner).await;
    let visitor = signed_in(&server, Role::Admin).await;
    assert_eq!(status(&server, &visitor, "audit-log").await, 200);
    server.set_role(JO, Role::Viewer).await;
    assert_eq!(status(&server, &visitor, "audit-log").await, 403);
    assert_eq!(status(&server, &visitor, "scans").await, 200);
    server.remove(JO).await;
    assert_eq!(status(&server, &visitor, "scans").await, 404);
}

#[sqlx::test(migrations = false)]
async fn a_session_ends_without_use_and_however_much_it_is_used(pool: PgPool) {
    let clock = VirtualClock::starting_at(Clock::System.now());
    let server = Server::start_at(pool, Plan::Enterprise, clock.clone().into()).await;
    let minutes = Duration::from_mins;
    let (idle, used) =
        (signed_in(&server, Role::Owner).await, signed_in(&server, Role::Owner).await);
    clock.advance(minutes(59));
    assert_eq!(status(&server, &used, "scans").await, 200);
    clock.advance(minutes(2));
    assert_eq!(status(&server, &idle, "scans").await, 401, "an hour without use");
    // From minute 59 on once in 40 minutes: never idle, and over after twelve hours.
    for at in (0..).map(|n| 61 + n * 40).take_while(|at| *at < 12 * 60) {
        assert_eq!(status(&server, &used, "scans").await, 200, "minute {at}");
        clock.advance(minutes(40));
    }
    assert_eq!(status(&server, &used, "scans").await, 401, "twelve hours");
    let stale = send(request(&server, &used, Method::GET, "scans")).await;
    assert!(stale.json()["message"].as_str().unwrap().contains("sign in at /login"), "{stale:?}");
}

#[sqlx::test(migrations = false)]
async fn a_credential_in_a_header_counts_before_the_cookie(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let visitor = signed_in(&server, Role::Owner).await;
    let viewer = server.member(Role::Viewer).await;
    let of_viewer = request(&server, &visitor, Method::GET, "audit-log").bearer_auth(&viewer);
    assert_eq!(send(of_viewer).await.refusal(), (403, "role_required".to_owned()));
    let bad = request(&server, &visitor, Method::GET, "audit-log").bearer_auth("nonsense");
    assert_eq!(send(bad).await.refusal(), (401, "unauthorized".to_owned()));
}
