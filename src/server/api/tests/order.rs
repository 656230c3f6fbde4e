//! The order of the checks, and the shape of every refusal.

use evidence::org::{Plan, Role, Scope};
use poem::http::Method;
use serde_json::json;
use sqlx::PgPool;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::harness::{Server, send};

const NONSENSE: &str = "{\"period_start\":";

#[sqlx::test(migrations = false)]
async fn whatever_the_body_the_caller_is_looked_at_first(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let (owner, viewer) = (server.member(Role::Owner).await, server.member(Role::Viewer).await);
    let key = server.api_key(&[Scope::Read, Scope::Write]).await;
    let nobody = "/api/v2/orgs/0198c2f0-5c1a-7c3e-9a55-0d4f3a1b2c3d/audit-exports";
    let post = |path: &str| server.request(Method::POST, path).body(NONSENSE);
    let here = format!("/api/v2/orgs/{}/audit-exports", server.org);
    let cases = [
        (post(&here), 401, "unauthorized"),
        (post(&here).bearer_auth("nonsense"), 401, "unauthorized"),
        (post(&here).header("x-api-key", "dw2_nonsense"), 401, "unauthorized"),
        (post(&here).bearer_auth(&owner).header("x-api-key", &key), 401, "unauthorized"),
        (post(&here).bearer_auth("a".repeat(20_000)), 401, "unauthorized"),
        (post(&here).bearer_auth("a".repeat(300_000)), 401, "unauthorized"),
        (post(&here).header("x-api-key", "a".repeat(40_000)), 401, "unauthorized"),
        (post("/api/v2/orgs/nonsense/audit-exports"), 401, "unauthorized"),
        (post("/api/v2/orgs/nonsense/audit-exports").bearer_auth(&owner), 404, "org_not_found"),
        (post(nobody).bearer_auth(&owner), 404, "org_not_found"),
        (post(nobody).bearer_auth(&key), 404, "org_not_found"),
        (post(&here).bearer_auth(server.token("stranger")), 404, "org_not_found"),
        (post(&here).bearer_auth(&viewer), 403, "role_required"),
        (post(&here).bearer_auth(&key), 403, "oidc_required"),
        (post(&here).header("x-api-key", &key), 403, "oidc_required"),
        (post(&here).bearer_auth(&owner), 415, "unsupported_media_type"),
        (
            post(&here).bearer_auth(&owner).header("content-type", "application/json"),
            400,
            "invalid_json",
        ),
    ];
    for (n, (request, status, code)) in cases.into_iter().enumerate() {
        assert_eq!(send(request).await.refusal(), (status, code.to_owned()), "case {n}");
    }
}

/// More than the HTTP library takes in at all: nobody here sees such a token.
#[sqlx::test(migrations = false)]
async fn a_token_of_a_megabyte_is_refused_before_it_is_read_whole(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let address = server.address().strip_prefix("http://").unwrap();
    let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
    let sending = tokio::spawn(async move {
        let head = "GET /api/v2/me HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ";
        // It is cut off in the middle.
        let _ = writer.write_all(format!("{head}{}\r\n\r\n", "a".repeat(1 << 20)).as_bytes()).await;
        writer
    });
    let mut answer = [0; 12];
    reader.read_exact(&mut answer).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 431");
    drop(sending.await);
}

#[sqlx::test(migrations = false)]
async fn the_plan_is_looked_at_before_the_body(pool: PgPool) {
    let server = Server::start(pool, Plan::Free).await;
    let owner = server.member(Role::Owner).await;
    let answer = send(server.of_org(Method::POST, "audit-exports", &owner).body(NONSENSE)).await;
    assert_eq!(answer.refusal(), (402, "plan_feature_required".to_owned()));
    assert_eq!(answer.json()["plan"], "free");
}

#[sqlx::test(migrations = false)]
async fn every_operation_that_asks_for_credentials_refuses_without_them(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let mut asked = 0;
    for (path, methods) in crate::contract::document()["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let path = path.replace("{org_id}", &server.org.to_string());
            let path = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
            let path = path.collect::<Vec<_>>().join("/");
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let answer = send(server.request(method, &path).body("{")).await;
            if operation.get("security").is_some() {
                asked += 1;
                assert_eq!(answer.refusal(), (401, "unauthorized".to_owned()), "{path}");
                assert_eq!(answer.header("www-authenticate"), "Bearer");
            } else {
                assert_eq!(answer.status, 200, "{path}");
            }
        }
    }
    assert_eq!(asked, 58);
}

#[sqlx::test(migrations = false)]
async fn api_keys_do_what_their_scopes_say_in_their_own_organisation(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    server.member(Role::Owner).await;
    let (read, write) =
        (server.api_key(&[Scope::Read]).await, server.api_key(&[Scope::Write]).await);
    for path in ["audit-exports", "scans", "findings", "audit-log", "audit-log/verify"] {
        assert_eq!(server.get(path, &read).await.status, 200, "{path}");
        let refused = server.get(path, &write).await;
        assert_eq!(refused.refusal(), (403, "scope_required".to_owned()), "{path}");
        assert_eq!(refused.json()["required"], "read");
    }
    let hand_in =
        |key: &str| server.of_org(Method::POST, "scans?state_source=prod", key).body("{}");
    assert_eq!(send(hand_in(&read)).await.refusal(), (403, "scope_required".to_owned()));
    assert_eq!(send(hand_in(&write)).await.refusal(), (422, "unknown_format".to_owned()));
    let me =
        send(server.request(Method::GET, "/api/v2/me").header("x-api-key", &read)).await.json();
    assert_eq!((&me["user"], &me["api_key"]["scopes"]), (&json!(null), &json!(["read"])));
    assert_eq!(me["orgs"][0]["slug"], "acme");
}

#[sqlx::test(migrations = false)]
async fn what_the_framework_answers_has_our_shape_and_our_headers(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let owner = server.member(Role::Owner).await;
    let get = |path: &str| server.request(Method::GET, path);
    let cases = [
        (get("/nowhere"), 404, "route_not_found"),
        (server.request(Method::PUT, "/healthz"), 405, "method_not_allowed"),
        (get("/healthz").header("x-filler", "a".repeat(40_000)), 431, "headers_too_large"),
        (server.of_org(Method::GET, "scans?limit=x", &owner), 400, "invalid_parameter"),
        (server.of_org(Method::GET, "scans?limit=0", &owner), 400, "invalid_parameter"),
        (server.of_org(Method::GET, "scans?cursor=x", &owner), 400, "invalid_parameter"),
        (server.of_org(Method::GET, "findings/x", &owner), 404, "not_found"),
        (server.of_org(Method::GET, "audit-log?action=x", &owner), 400, "invalid_parameter"),
        (server.of_org(Method::POST, "scans", &owner).body("{}"), 400, "invalid_parameter"),
        (
            server.of_org(Method::POST, "scans?state_source=a", &owner).body("a".repeat(100_001)),
            413,
            "body_too_large",
        ),
        (get("/api/v2/admin/audit-log").bearer_auth(&owner), 403, "platform_admin_required"),
    ];
    for (n, (request, status, code)) in cases.into_iter().enumerate() {
        let answer = send(request.header("x-request-id", format!("case-{n}"))).await;
        assert_eq!(answer.refusal(), (status, code.to_owned()), "case {n}");
        assert_eq!(answer.header("x-request-id"), format!("case-{n}"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let answer = send(get("/healthz").header("x-request-id", "a b")).await;
    assert!(
        answer.header("x-request-id").parse::<uuid::Uuid>().is_ok(),
        "a bad request id is replaced"
    );
}

#[sqlx::test(migrations = false)]
async fn readiness_names_every_dependency(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let ready = send(server.request(Method::GET, "/readyz")).await;
    assert_eq!(ready.status, 200, "{ready:?}");
    let all = json!({"postgres": "ok", "redis": "ok", "storage": "ok", "issuer": "ok"});
    assert_eq!(ready.json(), json!({"status": "ok", "dependencies": all}));
}
