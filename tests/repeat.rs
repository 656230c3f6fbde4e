//! The same request twice: one thing is done, and one answer is given.

use bucket::{Fault, Line, Rule};
use reqwest::Method;
use serde_json::{Value, json};
use tests::app::{App, Person};
use tests::http::{Answer, Client, send};
use tests::plan::plan;

async fn post(app: &App, path: &str, token: &str, key: &str, body: &Value) -> Answer {
    let request = app.http.request(Method::POST, path, token);
    send(request.header("idempotency-key", key).json(body)).await
}

#[tokio::test]
async fn an_answer_that_was_lost_on_the_way_is_given_after_the_process_died_too() {
    let mut app = App::start().await;
    let (owner, path) = (app.token(Person::Owner), app.path("audit-exports"));
    let body =
        json!({"period_start": "2026-01-01T00:00:00Z", "period_end": "2026-02-01T00:00:00Z"});
    let line = Line::to(&app.base);
    line.disturb([Rule::always(Fault::LoseAnswer)]);
    let far = Client::new(&format!("{}/api/v2", line.url()));
    let request = far.request(Method::POST, &path, &owner).header("idempotency-key", "k-1");
    assert!(request.json(&body).send().await.is_err(), "the answer must get lost");
    app.kill();
    app.spawn().await;
    let first = post(&app, &path, &owner, "k-1", &body).await.expect(202);
    let again = post(&app, &path, &owner, "k-1", &body).await.expect(202);
    assert_eq!(first, again);
    let list = app.http.get(&path, &owner).await.expect(200);
    assert_eq!((&list["total"], &list["audit_exports"][0]["id"]), (&json!(1), &first["id"]));
}

#[tokio::test]
async fn a_scan_that_is_handed_in_again_with_its_key_has_its_first_answer() {
    let app = App::start().await;
    let (owner, path) = (app.token(Person::Owner), app.path("scans?state_source=prod"));
    let file = plan("2026-01-05T00:00:00Z", &[]);
    let first = post(&app, &path, &owner, "scan-1", &file).await;
    let again = post(&app, &path, &owner, "scan-1", &file).await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.json(), again.json());
    let without = app.http.post(&path, &owner, &file).await;
    assert_eq!((without.status, &without.json()["duplicate"]), (200, &json!(true)));
    let other = plan("2026-01-06T00:00:00Z", &[]);
    let reused = post(&app, &path, &owner, "scan-1", &other).await;
    assert_eq!((reused.status, reused.error().as_str()), (422, "idempotency_key_reused"));
    let elsewhere = app.path("scans?state_source=staging");
    let reused = post(&app, &elsewhere, &owner, "scan-1", &file).await;
    assert_eq!((reused.status, reused.error().as_str()), (422, "idempotency_key_reused"));
}

/// What an owner makes, by path and body, and the member of the answer that holds what was made.
fn settings() -> [(&'static str, Value, &'static str); 3] {
    [
        ("invitations", json!({"email": "ada@example.com", "role": "member"}), "invitations"),
        ("state-sources", json!({"name": "edge", "kind": "s3"}), "state_sources"),
        (
            "custom-rules",
            json!({"name": "buckets", "resource_pattern": "aws_s3_bucket.*", "risk_level": "high", "reason": "they are public"}),
            "custom_rules",
        ),
    ]
}

#[tokio::test]
async fn what_is_made_twice_with_one_key_is_made_once_and_answered_twice() {
    let app = App::start().await;
    let owner = app.token(Person::Owner);
    for (name, body, member) in settings() {
        let path = app.path(name);
        let first = post(&app, &path, &owner, name, &body).await.expect(201);
        let again = post(&app, &path, &owner, name, &body).await.expect(201);
        assert_eq!(first, again, "{name}");
        let list = app.http.get(&path, &owner).await.expect(200);
        let made = list[member].as_array().unwrap().iter().filter(|row| row["id"] == first["id"]);
        assert_eq!(made.count(), 1, "{list}");
        let mut other = body.clone();
        let changed = if name == "invitations" { "email" } else { "name" };
        other[changed] = json!("else@example.com");
        let reused = post(&app, &path, &owner, name, &other).await;
        assert_eq!((reused.status, reused.error().as_str()), (422, "idempotency_key_reused"));
        let fresh = post(&app, &path, &owner, &format!("{name}-2"), &other).await;
        assert_eq!(fresh.status, 201, "{fresh:?}");
    }
}

#[tokio::test]
async fn an_api_key_that_is_asked_for_twice_is_made_once_and_never_shown_again() {
    let app = App::start().await;
    let (owner, path) = (app.token(Person::Owner), app.path("api-keys"));
    let body = json!({"name": "pipeline", "scopes": ["write"]});
    let first = post(&app, &path, &owner, "k-1", &body).await.expect(201);
    let again = post(&app, &path, &owner, "k-1", &body).await;
    assert_eq!((again.status, again.error().as_str()), (422, "answer_shown_once"));
    let list = app.http.get(&path, &owner).await.expect(200);
    assert_eq!((&list["total"], &list["api_keys"][0]["id"]), (&json!(1), &first["api_key"]["id"]));
    let key = first["key"].as_str().unwrap();
    let kept = tests::sql::number(
        &app.database,
        &format!("select count(*) from idempotency_keys k where k::text like '%{key}%'"),
    );
    assert_eq!(kept, 0, "the secret lies nowhere");
}
