//! Requests that another site has a signed-in browser make.

use evidence::org::{Plan, Role};
use poem::http::Method;
use serde_json::json;
use sqlx::PgPool;

use super::harness::{Server, send};
use super::visitor::Visitor;

#[sqlx::test(migrations = false)]
async fn no_operation_that_changes_something_takes_a_session_without_its_token(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let mut visitor = Visitor::new();
    visitor.sign_in(server.address(), "jo@acme.example").await;
    server.set_role("jo@acme.example", Role::Owner).await;
    let mut asked = 0;
    for (path, methods) in crate::contract::document()["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if method == "get" || operation.get("security").is_none() {
                continue;
            }
            let path = path.replace("{org_id}", &server.org.to_string());
            let path = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
            let path = format!("{}{}", server.address(), path.collect::<Vec<_>>().join("/"));
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let request = visitor.request(method, &path).header("origin", server.address());
            assert_eq!(
                send(request.body("{}")).await.refusal(),
                (403, "csrf_refused".to_owned()),
                "{path}"
            );
            asked += 1;
        }
    }
    assert!(asked >= 15, "{asked}");
}

#[sqlx::test(migrations = false)]
async fn a_change_needs_the_sessions_own_token_and_a_page_of_ours(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let base = server.address().to_owned();
    let (mut visitor, mut other) = (Visitor::new(), Visitor::new());
    visitor.sign_in(&base, "jo@acme.example").await;
    other.sign_in(&base, "mo@acme.example").await;
    server.set_role("jo@acme.example", Role::Owner).await;
    let (token, theirs) = (visitor.csrf_token(&base).await, other.csrf_token(&base).await);
    let path = format!("{base}/api/v2/orgs/{}/audit-exports", server.org);
    let period =
        json!({"period_start": "2026-01-01T00:00:00Z", "period_end": "2026-02-01T00:00:00Z"});
    let post = || visitor.request(Method::POST, &path).json(&period);
    let own = &*base;
    let refused = [
        ("no token", post().header("origin", own)),
        ("an empty token", post().header("origin", own).header("x-csrf-token", "")),
        ("another session's token", post().header("origin", own).header("x-csrf-token", &theirs)),
        ("nothing of where it comes from", post().header("x-csrf-token", &token)),
        (
            "another origin",
            post().header("origin", "https://evil.example").header("x-csrf-token", &token),
        ),
        ("a hidden origin", post().header("origin", "null").header("x-csrf-token", &token)),
        (
            "another site",
            post()
                .header("origin", own)
                .header("sec-fetch-site", "cross-site")
                .header("x-csrf-token", &token),
        ),
        (
            "a subdomain's site",
            post()
                .header("origin", own)
                .header("sec-fetch-site", "same-site")
                .header("x-csrf-token", &token),
        ),
    ];
    for (what, request) in refused {
        assert_eq!(send(request).await.refusal(), (403, "csrf_refused".to_owned()), "{what}");
    }
    let fine = post().header("origin", own).header("x-csrf-token", &token);
    assert_eq!(send(fine).await.status, 202);
}

#[sqlx::test(migrations = false)]
async fn a_form_brings_the_token_once_and_is_small(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let base = server.address().to_owned();
    let mut visitor = Visitor::new();
    visitor.sign_in(&base, "jo@acme.example").await;
    let token = visitor.csrf_token(&base).await;
    let large = "a".repeat(70_000);
    let forms = [
        vec![("x", "y")],
        vec![("csrf_token", &*token), ("csrf_token", &*token)],
        vec![("x", &*large), ("csrf_token", &*token)],
    ];
    for form in forms {
        let refused = visitor.post(&format!("{base}/logout"), &form).await;
        assert_eq!(refused.status, 403, "{refused:?}");
    }
    let form = [("x", "y"), ("csrf_token", &*token)];
    assert_eq!(visitor.post(&format!("{base}/logout"), &form).await.status, 303);
}

#[sqlx::test(migrations = false)]
async fn another_site_signs_nobody_out(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let base = server.address().to_owned();
    let mut visitor = Visitor::new();
    visitor.sign_in(&base, "jo@acme.example").await;
    let refused = visitor.post(&format!("{base}/logout"), &[]).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(refused.header("content-type").starts_with("text/html"));
    // What a browser sends for a form of another site: no cookie (`SameSite=Lax`).
    let without = send(Visitor::new().request(Method::POST, &format!("{base}/logout"))).await;
    assert_eq!((without.status, without.headers.get("set-cookie")), (303, None));
    assert_eq!(visitor.open(&format!("{base}/api/v2/me")).await.status, 200, "still signed in");
}

#[sqlx::test(migrations = false)]
async fn a_link_on_another_site_leaves_nothing_in_the_audit_log(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let mut visitor = Visitor::new();
    visitor.sign_in(server.address(), "jo@acme.example").await;
    server.set_role("jo@acme.example", Role::Owner).await;
    let path = format!("{}/api/v2/orgs/{}/audit-log", server.address(), server.org);
    for (site, status) in
        [("cross-site", 401), ("same-site", 401), ("none", 200), ("same-origin", 200)]
    {
        let request = visitor.request(Method::GET, &path).header("sec-fetch-site", site);
        assert_eq!(send(request).await.status, status, "{site}");
    }
}
