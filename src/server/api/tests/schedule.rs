//! What platform administrators do to schedules.

use engine::{RunFilter, RunState};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::errand::Office;

const NONE: Value = Value::Null;

/// An office whose worker has declared its schedule.
async fn open(owner: PgPool) -> Office {
    let office = Office::open(owner).await;
    office.work(async || !schedule(&office).await.is_null()).await;
    office
}

async fn schedule(office: &Office) -> Value {
    office.get("workflows/schedules").await.json()["schedules"][0].clone()
}

async fn act(office: &Office, action: &str, body: &Value) -> Value {
    let answer = office.post(&format!("schedules/errand.yearly/{action}"), body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Runs of the schedule that have come to their end.
async fn ended(office: &Office) -> usize {
    let filter = RunFilter { states: vec![RunState::Succeeded], ..RunFilter::default() };
    office.server.state.engine.list(&filter, None, 100).await.unwrap().len()
}

#[sqlx::test(migrations = false)]
async fn a_schedule_is_paused_and_resumed_once_each_on_record(owner: PgPool) {
    let office = open(owner).await;
    for (action, done) in [("resume", false), ("pause", true), ("pause", false), ("resume", true)] {
        assert_eq!(act(&office, action, &NONE).await["done"], done, "{action}");
        if (action, done) == ("pause", true) {
            assert!(schedule(&office).await["paused_at"].is_string());
        }
    }
    assert_eq!(schedule(&office).await["paused_at"], json!(null));
    let detail = json!({"schedule": "errand.yearly"});
    let expected = ["workflow_schedule.paused", "workflow_schedule.resumed"];
    assert_eq!(office.platform().await, expected.map(|action| (action.to_owned(), detail.clone())));
    office.assert_logs_are_whole().await;
}

#[sqlx::test(migrations = false)]
async fn a_schedule_runs_when_it_is_told_to_and_for_ticks_that_were_missed(owner: PgPool) {
    let office = open(owner).await;
    let now = act(&office, "run", &NONE).await;
    assert_eq!((&now["done"], now["ticks"].as_array().unwrap().len()), (&json!(true), 1));
    assert_eq!(schedule(&office).await["asked"], 1);
    let years = json!({"from": "2020-06-01T00:00:00Z", "to": "2023-01-01T00:00:00Z"});
    let ticks: Vec<_> =
        (2021..=2023).map(|year| format!("{year}-01-01T00:00:00.000000Z")).collect();
    assert_eq!(act(&office, "backfill", &years).await["ticks"], json!(ticks));
    office.work(async || ended(&office).await == 4).await;
    let none = json!({"from": "2020-06-01T00:00:00Z", "to": "2020-07-01T00:00:00Z"});
    let none = act(&office, "backfill", &none).await;
    assert_eq!((&none["done"], &none["ticks"]), (&json!(false), &json!([])));
    let actions: Vec<_> = office.platform().await.into_iter().map(|(action, _)| action).collect();
    assert_eq!(actions, ["workflow_schedule.run", "workflow_schedule.backfilled"]);
    assert!(office.acme().await.is_empty());
}

#[sqlx::test(migrations = false)]
async fn unknown_schedules_and_wrong_spans_are_refused(owner: PgPool) {
    let office = open(owner).await;
    for action in ["run", "pause", "resume"] {
        let refused = office.post(&format!("schedules/no%20such%00one/{action}"), &NONE).await;
        assert_eq!(refused.refusal(), (404, "not_found".to_owned()), "{action}");
    }
    let backwards = json!({"from": "2023-01-01T00:00:00Z", "to": "2023-01-01T00:00:00Z"});
    let far = json!({"from": "0001-01-01T00:00:00Z", "to": "2023-01-01T00:00:00Z"});
    let unread = json!({"from": "yesterday", "to": "2023-01-01T00:00:00Z"});
    for (body, code) in
        [(backwards, "invalid_value"), (far, "invalid_value"), (unread, "invalid_body")]
    {
        let refused = office.post("schedules/errand.yearly/backfill", &body).await;
        assert_eq!(refused.refusal(), (422, code.to_owned()), "{body}");
    }
    assert!(office.platform().await.is_empty());
}
