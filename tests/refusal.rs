//! What the API refuses, with which words, in which order.

use reqwest::Method;
use serde_json::json;
use tests::app::{App, Person};
use tests::http::send;

fn period() -> serde_json::Value {
    json!({"period_start": "2026-01-01T00:00:00Z", "period_end": "2026-02-01T00:00:00Z"})
}

#[tokio::test]
async fn a_pack_is_for_owners_and_admins_who_signed_in() {
    let app = App::start().await;
    let path = app.path("audit-exports");
    let refused = app.http.post(&path, "", &period()).await;
    assert_eq!(refused.status, 401);
    let key = app.http.post(&path, &app.api_key("read,write"), &period()).await;
    assert_eq!((key.status, key.error().as_str()), (403, "oidc_required"));
    for person in [Person::Member, Person::Viewer] {
        let answer = app.http.post(&path, &app.token(person), &period()).await;
        assert_eq!((answer.status, answer.error().as_str()), (403, "role_required"));
        assert_eq!(answer.json()["required"], json!(["owner", "admin"]));
    }
    app.http.post(&path, &app.token(Person::Admin), &period()).await.expect(202);
}

#[tokio::test]
async fn a_stranger_cannot_tell_an_org_of_others_from_none() {
    let app = App::start().await;
    app.create_org("rival", "enterprise");
    let stranger = app.token_of("rival", Person::Owner);
    let nobody = "00000000-0000-7000-8000-000000000000";
    for rest in ["audit-exports", "scans", "findings", "audit-log", "audit-log/verify"] {
        let theirs = app.http.get(&app.path(rest), &stranger).await;
        let none = app.http.get(&format!("/orgs/{nobody}/{rest}"), &stranger).await;
        assert_eq!((theirs.status, none.status), (404, 404), "{rest}");
        assert_eq!(theirs.body, none.body, "{rest}");
    }
}

#[tokio::test]
async fn a_free_plan_is_told_which_feature_it_lacks_before_its_input_is_read() {
    let app = App::start().await;
    let org = app.create_org("small", "free");
    let answer = app
        .http
        .post(
            &format!("/orgs/{org}/audit-exports"),
            &app.token_of("small", Person::Owner),
            &json!({"nonsense": 1}),
        )
        .await;
    assert_eq!((answer.status, answer.error().as_str()), (402, "plan_feature_required"));
    assert_eq!(answer.json()["required_feature"], "audit_compliance");
    assert_eq!(answer.json()["plan"], "free");
}

#[tokio::test]
async fn a_team_plan_reaches_back_thirty_days() {
    let app = App::start().await;
    let org = app.create_org("crew", "team");
    let answer = app
        .http
        .post(
            &format!("/orgs/{org}/audit-exports"),
            &app.token_of("crew", Person::Owner),
            &period(),
        )
        .await;
    assert_eq!((answer.status, answer.error().as_str()), (422, "period_outside_plan_window"));
    assert_eq!(answer.json()["window_days"], 30);
    assert!(answer.json()["earliest_period_start"].is_string());
}

#[tokio::test]
async fn an_impossible_period_is_named() {
    let app = App::start().await;
    for (start, end) in [
        ("2026-02-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-02-01T00:00:00Z", "2026-02-01T00:00:00Z"),
        ("2026-01-01T00:00:00Z", "2999-01-01T00:00:00Z"),
    ] {
        let body = json!({"period_start": start, "period_end": end});
        let answer =
            app.http.post(&app.path("audit-exports"), &app.token(Person::Owner), &body).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (422, "invalid_period"),
            "{start} … {end}"
        );
    }
    for body in [
        json!({"period_start": "2026-01-01T00:00:00Z"}),
        json!({"period_start": 1, "period_end": 2}),
        json!([]),
    ] {
        let answer =
            app.http.post(&app.path("audit-exports"), &app.token(Person::Owner), &body).await;
        assert_eq!((answer.status, answer.error().as_str()), (422, "invalid_body"), "{body}");
    }
    let mut unknown = period();
    unknown["surprise"] = json!(true);
    let answer =
        app.http.post(&app.path("audit-exports"), &app.token(Person::Owner), &unknown).await;
    assert_eq!((answer.status, answer.error().as_str()), (422, "invalid_body"));
}

#[tokio::test]
async fn a_pack_that_is_not_there_is_named_by_what_became_of_it() {
    let app = App::start().await;
    let owner = app.token(Person::Owner);
    let id = app.request_pack("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z").await;
    app.finished_pack(&id).await;
    let row = app.path(&format!("audit-exports/{id}"));
    app.http.delete(&row, &owner).await.expect(204);
    let gone = app.http.get(&format!("{row}/download"), &owner).await;
    assert_eq!((gone.status, gone.error().as_str()), (410, "gone"));
    assert_eq!(gone.json()["status"], "deleted");
    assert_eq!(app.http.get(&row, &owner).await.expect(200)["status"], "deleted");
    let unknown = app.path("audit-exports/00000000-0000-7000-8000-000000000000");
    let unknown = app.http.get(&unknown, &owner).await;
    assert_eq!((unknown.status, unknown.error().as_str()), (404, "not_found"));
    let no_id = app.http.get(&app.path("audit-exports/not-an-id"), &owner).await;
    assert_eq!((no_id.status, no_id.error().as_str()), (404, "not_found"));
}

#[tokio::test]
async fn a_download_serves_ranges_and_names_its_digest() {
    let app = App::start().await;
    let owner = app.token(Person::Owner);
    let id = app.request_pack("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z").await;
    let row = app.finished_pack(&id).await;
    let path = app.path(&format!("audit-exports/{id}/download"));
    let whole = app.http.get(&path, &owner).await;
    assert_eq!(whole.header("content-type"), "application/zip");
    assert_eq!(whole.header("etag"), format!("\"{}\"", row["sha256"].as_str().unwrap()));
    assert_eq!(whole.header("cache-control"), "no-store");
    assert!(
        whole
            .header("content-disposition")
            .contains("compliance-pack-acme-2026-01-01_2026-02-01.zip")
    );
    let part =
        send(app.http.request(Method::GET, &path, &owner).header("range", "bytes=10-19")).await;
    assert_eq!(part.status, 206);
    assert_eq!(part.body, whole.body[10..20]);
    let beyond =
        send(app.http.request(Method::GET, &path, &owner).header("range", "bytes=99999999-")).await;
    assert_eq!((beyond.status, beyond.error().as_str()), (416, "range_not_satisfiable"));
    for person in [Person::Member, Person::Viewer] {
        assert_eq!(app.http.get(&path, &app.token(person)).await.status, 403);
    }
}

#[tokio::test]
async fn the_same_idempotency_key_gives_the_same_pack() {
    let app = App::start().await;
    let owner = app.token(Person::Owner);
    let post = |body: serde_json::Value| {
        let request = app.http.request(Method::POST, &app.path("audit-exports"), &owner);
        send(request.header("idempotency-key", "quarterly-2026-1").json(&body))
    };
    let first = post(period()).await.expect(202);
    let again = post(period()).await.expect(202);
    assert_eq!(first["id"], again["id"]);
    let other =
        json!({"period_start": "2026-01-02T00:00:00Z", "period_end": "2026-02-01T00:00:00Z"});
    let reused = post(other).await;
    assert_eq!((reused.status, reused.error().as_str()), (422, "idempotency_key_reused"));
    let list = app.http.get(&app.path("audit-exports"), &owner).await.expect(200);
    assert_eq!(list["total"], 1);
}
