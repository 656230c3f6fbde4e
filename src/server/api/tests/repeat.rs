//! `Idempotency-Key` on what platform administrators do, and on answers that hold a secret.

use evidence::org::{Plan, Role};
use futures_util::future::join_all;
use poem::http::Method;
use poem_openapi::Object;
use poem_openapi::types::ToJSON as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::errand::{Errand, Office};
use super::harness::{Answer, send};
use crate::api::idempotency;
use crate::errors::{Error, Input};

async fn post(office: &Office, path: &str, key: &str, body: &Value) -> Answer {
    let request = office.server.request(Method::POST, &format!("/api/v2/admin/{path}"));
    let request = request.bearer_auth(&office.admin).header("idempotency-key", key);
    send(if body.is_null() { request } else { request.json(body) }).await
}

#[sqlx::test(migrations = false)]
async fn an_operator_who_asks_again_with_the_same_key_has_the_same_answer(owner: PgPool) {
    let office = Office::open(owner).await;
    let run_id = office.start(Errand::default(), &office.server.org.to_string()).await;
    let act = |action: &str| format!("workflows/runs/{run_id}/{action}");
    let idle = post(&office, &act("resume"), "k-0", &Value::Null).await;
    assert_eq!(idle.json()["done"], false);
    let paused = post(&office, &act("pause"), "k-1", &Value::Null).await;
    assert_eq!(paused.json()["done"], true, "{paused:?}");
    for (key, action, first) in [("k-1", "pause", &paused), ("k-0", "resume", &idle)] {
        let again = post(&office, &act(action), key, &Value::Null).await;
        assert_eq!((again.status, again.json()), (200, first.json()));
    }
    let other = post(&office, &act("cancel"), "k-1", &Value::Null).await;
    assert_eq!(other.refusal(), (422, "idempotency_key_reused".to_owned()));
    let actions: Vec<_> = office.platform().await.into_iter().map(|(action, _)| action).collect();
    assert_eq!(actions, ["workflow_run.paused"]);
    office.assert_logs_are_whole().await;
}

#[sqlx::test(migrations = false)]
async fn a_schedule_that_is_told_to_run_twice_under_one_key_runs_once(owner: PgPool) {
    let office = Office::open(owner).await;
    let path = "workflows/schedules/errand.yearly/run";
    let is_known = async || {
        let known = office.get("workflows/schedules").await.json();
        !known["schedules"][0].is_null()
    };
    office.work(is_known).await;
    let answers = join_all((0..6).map(|_| post(&office, path, "k-1", &Value::Null))).await;
    for answer in &answers {
        assert_eq!((answer.status, answer.json()), (200, answers[0].json()));
    }
    assert_eq!(office.platform().await.len(), 1);
    let other = post(&office, path, "k-2", &Value::Null).await;
    assert_ne!(other.json()["ticks"], answers[0].json()["ticks"]);
}

#[sqlx::test(migrations = false)]
async fn an_organisation_is_made_once_under_one_key_and_keys_of_others_do_not_matter(
    owner: PgPool,
) {
    let office = Office::open(owner).await;
    let draft = json!({"slug": "rival", "name": "Rival", "plan": "free"});
    let answers = join_all((0..4).map(|_| post(&office, "orgs", "k-1", &draft))).await;
    for answer in &answers {
        assert_eq!((answer.status, answer.json()), (201, answers[0].json()));
    }
    let taken = post(&office, "orgs", "k-2", &draft).await;
    assert_eq!(taken.refusal(), (409, "taken".to_owned()));
    // An organisation's own keys are others than the platform's.
    let member = office.server.member(Role::Owner).await;
    let period =
        json!({"period_start": "2026-01-01T00:00:00Z", "period_end": "2026-02-01T00:00:00Z"});
    let pack = office.server.of_org(Method::POST, "audit-exports", &member);
    let pack = send(pack.header("idempotency-key", "k-1").json(&period)).await;
    assert_ne!(pack.json()["error"], "idempotency_key_reused");
}

/// An answer that may be read once.
#[derive(Debug, PartialEq, Object)]
struct Minted {
    secret: String,
}

impl idempotency::Answer for Minted {
    const IS_SHOWN_ONCE: bool = true;

    fn status(&self) -> u16 {
        201
    }
}

#[sqlx::test(migrations = false)]
async fn an_answer_with_a_secret_is_remembered_and_never_kept(owner: PgPool) {
    let server = super::harness::Server::start(owner.clone(), Plan::Team).await;
    let asked = |body: &str| idempotency::Asked::of_org(server.org, "k-1", body);
    let mut tx = db::OrgTx::begin(&server.pool, server.org).await.unwrap();
    assert_eq!(asked("a").answered::<Minted>(&mut tx).await.unwrap(), None);
    let minted = Minted { secret: "hunter2".to_owned() };
    asked("a").keep(&mut tx, &minted).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = db::OrgTx::begin(&server.pool, server.org).await.unwrap();
    let again = asked("a").answered::<Minted>(&mut tx).await.unwrap_err();
    assert!(matches!(again, Error::Input(Input::AnswerShownOnce)), "{again:?}");
    let other = asked("b").answered::<Minted>(&mut tx).await.unwrap_err();
    assert!(matches!(other, Error::Input(Input::IdempotencyKeyReused)), "{other:?}");
    let kept: String = sqlx::query_scalar("select idempotency_keys::text from idempotency_keys")
        .fetch_one(&owner)
        .await
        .unwrap();
    assert!(!kept.contains("hunter2") && minted.to_json_string().contains("hunter2"), "{kept}");
}
