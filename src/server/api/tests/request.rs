//! Requesting packs: the period, the limit, the Idempotency-Key.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use engine::{Clock, VirtualClock};
use evidence::org::{Plan, Role};
use evidence::time::stamp;
use futures_util::future::join_all;
use poem::Endpoint as _;
use poem::http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::harness::{Answer, Server, send, waits_for_a_lock};

fn january() -> Value {
    json!({"period_start": "2026-01-01T00:00:00Z", "period_end": "2026-02-01T00:00:00Z"})
}

async fn post(server: &Server, token: &str, key: Option<&str>, body: &Value) -> Answer {
    let mut request = server.of_org(Method::POST, "audit-exports", token).json(body);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    send(request).await
}

#[sqlx::test(migrations = false)]
async fn a_request_makes_a_row_a_run_and_an_audit_entry(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let owner = server.member(Role::Owner).await;
    let answer = post(&server, &owner, None, &january()).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let row = answer.json();
    assert_eq!(
        (&row["status"], &row["progress"], &row["sha256"]),
        (&json!("pending"), &json!(null), &json!(null))
    );
    assert_eq!(row["requested_by"]["email"], "owner@example.com");
    let path = format!("/api/v2/orgs/{}/audit-exports/{}", server.org, row["id"].as_str().unwrap());
    assert_eq!(answer.header("location"), path);
    let again = send(server.request(Method::GET, &path).bearer_auth(&owner)).await.json();
    assert_eq!(again, row);
    let run = row["workflow_run_id"].as_str().unwrap().parse().unwrap();
    let run = engine::Client::new(server.pool.clone()).find(run).await.unwrap().unwrap();
    assert_eq!(
        (run.workflow.as_str(), run.trace.as_deref()),
        ("compliance_pack.build", Some(answer.header("x-driftpack-request-id")))
    );
    assert_eq!(server.actions().await.last().unwrap(), "audit_export.requested");
}

#[sqlx::test(migrations = false)]
async fn of_twelve_requests_at_once_exactly_five_are_accepted(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let owner = server.member(Role::Owner).await;
    let body = january();
    let answers = join_all((0..12).map(|_| post(&server, &owner, None, &body))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 202).count(), 5);
    for refused in answers.iter().filter(|answer| answer.status != 202) {
        assert_eq!(refused.refusal(), (429, "rate_limited".to_owned()));
        assert_eq!(refused.header("retry-after"), refused.json()["retry_after"].to_string());
    }
    let requested =
        server.actions().await.iter().filter(|action| *action == "audit_export.requested").count();
    assert_eq!(requested, 5);
}

#[sqlx::test(migrations = false)]
async fn a_repeated_request_gets_the_same_answer_and_takes_no_place(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let owner = server.member(Role::Owner).await;
    let body = january();
    let repeats = join_all((0..8).map(|_| post(&server, &owner, Some("k-1"), &body))).await;
    for repeat in &repeats {
        assert_eq!((repeat.status, repeat.json()), (202, repeats[0].json()));
        assert_eq!(repeat.header("location"), repeats[0].header("location"));
    }
    let mut other = body.clone();
    other["period_start"] = json!("2026-01-02T00:00:00Z");
    let refused = post(&server, &owner, Some("k-1"), &other).await;
    assert_eq!(refused.refusal(), (422, "idempotency_key_reused".to_owned()));
    for _ in 0..4 {
        assert_eq!(post(&server, &owner, None, &body).await.status, 202);
    }
    assert_eq!(post(&server, &owner, None, &body).await.status, 429);
    assert_eq!(
        post(&server, &owner, Some("k-1"), &body).await.status,
        202,
        "also when the window is full"
    );
    for key in ["", "a b", &"a".repeat(256)] {
        assert_eq!(post(&server, &owner, Some(key), &body).await.refusal().1, "invalid_parameter");
    }
}

#[sqlx::test(migrations = false)]
async fn an_answer_is_repeated_also_when_the_period_has_left_the_plans_window(pool: PgPool) {
    let clock = VirtualClock::starting_at(Clock::System.now());
    let server = Server::start_at(pool, Plan::Team, clock.clone().into()).await;
    let owner = server.member(Role::Owner).await;
    let start = clock.now() - TimeDelta::days(30) + TimeDelta::minutes(1);
    let body = json!({"period_start": stamp(start), "period_end": stamp(clock.now())});
    let first = post(&server, &owner, Some("k-1"), &body).await;
    assert_eq!(first.status, 202, "{first:?}");
    clock.advance(Duration::from_mins(2));
    let again = post(&server, &owner, Some("k-1"), &body).await;
    assert_eq!((again.status, again.json()), (202, first.json()));
    let other = post(&server, &owner, Some("k-2"), &body).await;
    assert_eq!(other.refusal(), (422, "period_outside_plan_window".to_owned()));
}

/// From here on a request's commit waits until the returned transaction ends.
async fn hold_commits(owner: &PgPool) -> sqlx::Transaction<'static, sqlx::Postgres> {
    sqlx::raw_sql(
        "create function hold_commit() returns trigger language plpgsql as
           $$ begin perform pg_advisory_xact_lock(7); return null; end $$;
         create constraint trigger hold_commit after insert on audit_exports
           deferrable initially deferred for each row execute function hold_commit()",
    )
    .execute(owner)
    .await
    .unwrap();
    let mut held = owner.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock(7)").execute(&mut *held).await.unwrap();
    held
}

#[sqlx::test(migrations = false)]
async fn a_caller_who_hangs_up_during_the_commit_has_taken_a_place(pool: PgPool) {
    let server = Server::start(pool.clone(), Plan::Enterprise).await;
    let owner = server.member(Role::Owner).await;
    let held = hold_commits(&pool).await;
    let app = crate::serve::app(Arc::clone(&server.state));
    let request = poem::Request::builder()
        .method(Method::POST)
        .uri_str(format!("/api/v2/orgs/{}/audit-exports", server.org))
        .header("authorization", format!("Bearer {owner}"))
        .content_type("application/json")
        .body(january().to_string());
    tokio::select! {
        answer = app.get_response(request) => panic!("{:?}", answer.status()),
        () = waits_for_a_lock(&pool, "COMMIT") => {}
    }
    held.rollback().await.unwrap();
    let began = tokio::time::Instant::now();
    while server.get("audit-exports", &owner).await.json()["total"] != 1 {
        assert!(began.elapsed() < Duration::from_secs(20), "the request was not carried out");
    }
    let answers =
        join_all((0..8).map(async |_| post(&server, &owner, None, &january()).await.status));
    assert_eq!(answers.await.into_iter().filter(|status| *status == 202).count(), 4);
}

#[sqlx::test(migrations = false)]
async fn a_commit_that_fails_gives_the_place_back(pool: PgPool) {
    let server = Server::start(pool.clone(), Plan::Enterprise).await;
    let owner = server.member(Role::Owner).await;
    sqlx::raw_sql(
        "create function fail_commit() returns trigger language plpgsql as
           $$ begin raise 'not now' using errcode = 'serialization_failure'; end $$;
         create constraint trigger fail_commit after insert on audit_exports
           deferrable initially deferred for each row execute function fail_commit()",
    )
    .execute(&pool)
    .await
    .unwrap();
    for _ in 0..6 {
        let refused = post(&server, &owner, None, &january()).await;
        assert_eq!(refused.refusal(), (503, "database_unavailable".to_owned()));
    }
    sqlx::query("drop trigger fail_commit on audit_exports").execute(&pool).await.unwrap();
    for _ in 0..5 {
        assert_eq!(post(&server, &owner, None, &january()).await.status, 202);
    }
}

#[sqlx::test(migrations = false)]
async fn a_request_that_fails_gives_its_place_back(pool: PgPool) {
    let server = Server::start(pool.clone(), Plan::Enterprise).await;
    let owner = server.member(Role::Owner).await;
    let body = january();
    sqlx::query("revoke insert on admin_audit_log from driftpack_app")
        .execute(&pool)
        .await
        .unwrap();
    for _ in 0..8 {
        assert_eq!(
            post(&server, &owner, None, &body).await.refusal(),
            (500, "internal".to_owned())
        );
    }
    sqlx::query("grant insert on admin_audit_log to driftpack_app").execute(&pool).await.unwrap();
    for _ in 0..5 {
        assert_eq!(post(&server, &owner, None, &body).await.status, 202);
    }
    assert_eq!(server.get("audit-exports", &owner).await.json()["total"], 5);
}

#[sqlx::test(migrations = false)]
async fn a_period_that_no_pack_can_be_correct_for_is_refused(pool: PgPool) {
    let server = Server::start(pool, Plan::Team).await;
    let owner = server.member(Role::Owner).await;
    let (start, end) = ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
    for (start, end, code) in [
        (start, start, "invalid_period"),
        (end, start, "invalid_period"),
        (start, "2999-01-01T00:00:00Z", "invalid_period"),
        ("0001-01-01T00:00:00Z", end, "invalid_period"),
        (start, end, "period_outside_plan_window"),
        ("1976-01-01T00:00:00Z", end, "period_outside_plan_window"),
    ] {
        let answer =
            post(&server, &owner, None, &json!({"period_start": start, "period_end": end})).await;
        assert_eq!(answer.refusal(), (422, code.to_owned()), "{start} {end}");
    }
    for body in [
        json!({"period_start": start}),
        json!({"period_start": start, "period_end": 7}),
        json!({"period_start": start, "period_end": "yesterday"}),
        json!({"period_start": start, "period_end": end, "surprise": true}),
        json!([]),
        json!(null),
    ] {
        assert_eq!(
            post(&server, &owner, None, &body).await.refusal(),
            (422, "invalid_body".to_owned()),
            "{body}"
        );
    }
    assert_eq!(server.get("audit-exports", &owner).await.json()["total"], 0);
}
