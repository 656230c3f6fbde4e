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
