//! What platform administrators do to runs: done once, on record, refused in plain words.

use engine::RunState;
use evidence::org::Plan;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use super::errand::{Errand, Office};
use super::harness::{Answer, cause};

/// Whether something was done, and the state of the run after that.
fn acted(answer: &Answer) -> (bool, String) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let json = answer.json();
    let state = json["run"]["state"].as_str().unwrap().to_owned();
    (json["done"].as_bool().unwrap(), state)
}

const NONE: Value = Value::Null;

#[sqlx::test(migrations = false)]
async fn a_failed_run_goes_on_from_its_second_step_and_both_logs_say_so_once(owner: PgPool) {
    let office = Office::open(owner).await;
    let acme = office.server.org.to_string();
    let run_id = office.failed(&acme).await;
    let from_second = json!({"from": "step", "seq": 2});
    let sent_back = office.act(run_id, "retry", &from_second).await;
    assert_eq!(acted(&sent_back), (true, "queued".to_owned()));
    for again in [&from_second, &json!({"from": "start"}), &json!({"from": "failed"})] {
        let again = office.act(run_id, "retry", again).await;
        assert_eq!(acted(&again), (false, "queued".to_owned()));
    }
    office.work(async || office.find(run_id).await.state == RunState::Succeeded).await;

    let detail = json!({"run_id": run_id, "workflow": "test.errand", "from": 2});
    assert_eq!(office.acme().await, [("workflow_run.retried".to_owned(), detail.clone())]);
    let mut with_key = detail;
    with_key["key"] = acme.into();
    assert_eq!(office.platform().await, [("workflow_run.retried".to_owned(), with_key)]);
    office.assert_logs_are_whole().await;

    let seen = office.get(&format!("workflows/runs/{run_id}")).await.json();
    assert_eq!(seen["run"]["generation"], 1);
    assert_eq!(seen["past_steps"][0]["name"], "second");
    assert_eq!(seen["actions"][0]["action"], "retry");
    let first: Vec<_> =
        seen["attempts"].as_array().unwrap().iter().filter(|one| one["step"] == "first").collect();
    assert_eq!(first.len(), 1, "the first step never ran again");
}

#[sqlx::test(migrations = false)]
async fn the_entry_of_an_action_names_the_person_and_the_request(owner: PgPool) {
    let office = Office::open(owner).await;
    let run_id = office.start(Errand::default(), &office.server.org.to_string()).await;
    let answer = office.act(run_id, "pause", &NONE).await;
    let me = office.server.request(poem::http::Method::GET, "/api/v2/me");
    let me = super::harness::send(me.bearer_auth(&office.admin)).await.json();
    let entries = office.server.entries().await;
    let entry = entries.last().unwrap();
    assert_eq!(entry.action, "workflow_run.paused");
    assert_eq!(
        (entry.actor_type.as_str(), json!(entry.actor_id)),
        ("operator", me["user"]["id"].clone())
    );
    assert_eq!(entry.origin, answer.header("x-driftpack-request-id"));
}

#[sqlx::test(migrations = false)]
async fn pausing_resuming_and_cancelling_do_and_record_one_thing_each(owner: PgPool) {
    let office = Office::open(owner).await;
    let run_id = office.start(Errand::default(), "nobody's").await;
    for (action, done, state) in [
        ("resume", false, "queued"),
        ("pause", true, "paused"),
        ("pause", false, "paused"),
        ("retry", false, "paused"),
        ("resume", true, "queued"),
        ("resume", false, "queued"),
        ("cancel", true, "queued"),
        ("cancel", false, "queued"),
    ] {
        let body = if action == "retry" { json!({"from": "failed"}) } else { NONE };
        let answer = office.act(run_id, action, &body).await;
        assert_eq!(acted(&answer), (done, state.to_owned()), "{action}");
    }
    let refused = office.act(run_id, "pause", &NONE).await;
    assert_eq!(refused.refusal(), (409, "run_state".to_owned()));
    office.work(async || office.find(run_id).await.state == RunState::Cancelled).await;
    assert_eq!(acted(&office.act(run_id, "cancel", &NONE).await), (false, "cancelled".to_owned()));
    let actions: Vec<_> = office.platform().await.into_iter().map(|(action, _)| action).collect();
    assert_eq!(actions, ["workflow_run.paused", "workflow_run.resumed", "workflow_run.cancelled"]);
    assert!(office.acme().await.is_empty(), "the run is no organisation's");
}

#[sqlx::test(migrations = false)]
async fn of_many_who_cancel_a_run_at_once_one_does(owner: PgPool) {
    let office = Office::open(owner).await;
    let run_id = office.start(Errand::default(), &office.server.org.to_string()).await;
    let all = futures_util::future::join_all((0..12).map(|_| office.act(run_id, "cancel", &NONE)));
    let done = all.await.iter().filter(|answer| acted(answer).0).count();
    assert_eq!(done, 1);
    assert_eq!((office.platform().await.len(), office.acme().await.len()), (1, 1));
    assert_eq!(office.server.state.engine.actions(run_id).await.unwrap().len(), 1);
    office.assert_logs_are_whole().await;
}

#[sqlx::test(migrations = false)]
async fn a_state_that_does_not_allow_an_action_is_named_with_a_way_out(owner: PgPool) {
    let office = Office::open(owner).await;
    let failed = office.failed("y").await;
    let succeeded = office.start(Errand::default(), "x").await;
    office.work(async || office.find(succeeded).await.state == RunState::Succeeded).await;
    let signal = json!({"name": "approved", "payload": null});
    for (run_id, action, body, state) in [
        (succeeded, "retry", json!({"from": "failed"}), "succeeded"),
        (succeeded, "cancel", NONE, "succeeded"),
        (succeeded, "pause", NONE, "succeeded"),
        (succeeded, "resume", NONE, "succeeded"),
        (succeeded, "signals", signal.clone(), "succeeded"),
        (failed, "cancel", NONE, "failed"),
        (failed, "resume", NONE, "failed"),
        (failed, "signals", signal, "failed"),
    ] {
        let refused = office.act(run_id, action, &body).await;
        assert_eq!(refused.refusal(), (409, "run_state".to_owned()), "{action}");
        let told = refused.json();
        assert_eq!(told["state"], state, "{action}");
        assert!(told["message"].as_str().unwrap().contains(state), "{told}");
    }
    assert!(office.platform().await.is_empty(), "refusals leave no entry");
}

#[sqlx::test(migrations = false)]
async fn unknown_runs_and_wrong_values_are_refused(owner: PgPool) {
    let office = Office::open(owner).await;
    let failed = office.failed("x").await;
    for run in ["nonsense".to_owned(), Uuid::nil().to_string()] {
        for action in ["cancel", "pause", "resume"] {
            let refused = office.post(&format!("runs/{run}/{action}"), &NONE).await;
            assert_eq!(refused.refusal(), (404, "not_found".to_owned()), "{run} {action}");
        }
    }
    for (action, body, code) in [
        ("retry", json!({}), "invalid_body"),
        ("retry", json!({"from": "middle"}), "invalid_body"),
        ("retry", json!({"from": "failed", "then": 1}), "invalid_body"),
        ("retry", json!({"from": "step"}), "invalid_value"),
        ("retry", json!({"from": "start", "seq": 1}), "invalid_value"),
        ("retry", json!({"from": "step", "seq": 3}), "invalid_value"),
        ("retry", json!({"from": "step", "seq": 4_294_967_295_u32}), "invalid_value"),
        ("retry", json!({"from": "failed", "version": 0}), "invalid_value"),
        ("retry", json!({"from": "failed", "version": 3_000_000_000_u32}), "invalid_value"),
        ("signals", json!({"payload": 1}), "invalid_body"),
        ("signals", json!({"name": "", "payload": 1}), "invalid_value"),
        ("signals", json!({"name": "a\0b", "payload": 1}), "invalid_value"),
        (
            "signals",
            json!({"name": "a", "payload": 1, "sender_key": "k".repeat(201)}),
            "invalid_value",
        ),
    ] {
        let refused = office.act(failed, action, &body).await;
        assert_eq!(refused.refusal(), (422, code.to_owned()), "{action} {body}");
    }
    assert_eq!(office.find(failed).await.state, RunState::Failed);
    assert!(office.platform().await.is_empty());
}

#[sqlx::test(migrations = false)]
async fn a_signal_reaches_a_run_once_and_the_log_holds_its_hash_alone(owner: PgPool) {
    let office = Office::open(owner).await;
    let run_id = office.start(Errand { waits: true }, &office.server.org.to_string()).await;
    let signal =
        json!({"name": "approved", "payload": {"by": "jo@acme.example"}, "sender_key": "t-17"});
    assert!(acted(&office.act(run_id, "signals", &signal).await).0);
    assert!(!acted(&office.act(run_id, "signals", &signal).await).0);
    office.work(async || office.find(run_id).await.state == RunState::Succeeded).await;
    assert_eq!(office.find(run_id).await.output, Some(signal["payload"].clone()));
    assert!(!acted(&office.act(run_id, "signals", &signal).await).0, "it is the same signal");
    for log in [office.platform().await, office.acme().await] {
        let [(action, detail)] = log.as_slice() else { panic!("{log:?}") };
        assert_eq!(action, "workflow_run.signalled");
        assert!(!detail.to_string().contains("jo@acme"), "{detail}");
        assert_eq!(detail["payload_sha256"].as_str().unwrap().len(), 64);
    }
}

#[sqlx::test(migrations = false)]
async fn a_redrive_sends_back_what_fits_and_each_log_names_its_own_runs(owner: PgPool) {
    let office = Office::open(owner).await;
    let mut tx = office.server.pool.begin().await.unwrap();
    let rival = db::orgs::create(&mut tx, "rival", "Rival", Plan::Team, &cause()).await.unwrap().id;
    tx.commit().await.unwrap();
    let acme = office.server.org.to_string();
    let mut failed = Vec::new();
    for key in [acme.as_str(), &rival.to_string(), &acme, "nobody's"] {
        failed.push(office.failed(key).await);
    }
    let fits = json!({"workflow": "test.errand", "error": "no space", "dry_run": true});
    let dry = office.post("redrive", &fits).await.json();
    assert_eq!(dry, json!({"done": false, "matched": 4, "sample": failed}));
    let nothing = office.post("redrive", &json!({"key": "x", "dry_run": false})).await.json();
    assert_eq!(nothing, json!({"done": false, "redriven": [], "more": false}));
    assert!(office.platform().await.is_empty(), "nothing was done yet");

    let body =
        json!({"workflow": "test.errand", "error": "no space", "limit": 3, "dry_run": false});
    let sent_back = office.post("redrive", &body).await.json();
    assert_eq!(sent_back, json!({"done": true, "redriven": failed[..3], "more": true}));
    let log = office.platform().await;
    let [(action, detail)] = log.as_slice() else { panic!("{log:?}") };
    assert_eq!(
        (action.as_str(), &detail["run_ids"]),
        ("workflow_run.redriven", &json!(failed[..3]))
    );
    assert!(detail["error_sha256"].is_string() && !detail.to_string().contains("no space"));
    let log = office.acme().await;
    let its_own = json!({"run_ids": [failed[0], failed[2]]});
    assert_eq!(log, [("workflow_run.redriven".to_owned(), its_own)]);
    office.assert_logs_are_whole().await;

    let rest = office.post("redrive", &json!({"dry_run": false})).await.json();
    assert_eq!(rest, json!({"done": true, "redriven": [failed[3]], "more": false}));
    office
        .work(async || {
            for run_id in &failed {
                if office.find(*run_id).await.state != RunState::Succeeded {
                    return false;
                }
            }
            true
        })
        .await;
}

#[sqlx::test(migrations = false)]
async fn what_no_redrive_can_be_is_refused(owner: PgPool) {
    let office = Office::open(owner).await;
    for (body, code) in [
        (json!({}), "invalid_body"),
        (json!({"dry_run": false, "states": ["failed"]}), "invalid_body"),
        (json!({"dry_run": true, "limit": 0}), "invalid_value"),
        (json!({"dry_run": true, "limit": 1001}), "invalid_value"),
        (json!({"dry_run": true, "key": "a\0"}), "invalid_value"),
        (json!({"dry_run": true, "created_from": "0001-01-01T00:00:00Z"}), "invalid_value"),
    ] {
        let refused = office.post("redrive", &body).await;
        assert_eq!(refused.refusal(), (422, code.to_owned()), "{body}");
    }
}

#[sqlx::test(migrations = false)]
async fn an_action_that_cannot_be_recorded_is_not_done(owner: PgPool) {
    let office = Office::open(owner).await;
    let acme = office.server.org.to_string();
    let failed = office.failed(&acme).await;
    let live = office.start(Errand { waits: true }, &acme).await;
    // Somebody has changed the head of the chain, so that no entry fits.
    for statement in [
        "alter table audit_chain_heads disable trigger user",
        "update audit_chain_heads set seq = 1, hash = sha256('x') where chain <> '00000000-0000-0000-0000-000000000000'",
        "alter table audit_chain_heads enable trigger user",
    ] {
        sqlx::query(statement).execute(&office.owner).await.unwrap();
    }
    let before = office.find(live).await.state;
    let redrive = json!({"dry_run": false});
    let retry = json!({"from": "failed"});
    for answer in [
        office.act(live, "cancel", &NONE).await,
        office.act(failed, "retry", &retry).await,
        office.post("redrive", &redrive).await,
    ] {
        assert_eq!(answer.refusal(), (500, "internal".to_owned()));
    }
    let after = office.find(live).await;
    assert_eq!((after.state, after.cancel_requested), (before, false));
    assert_eq!(office.find(failed).await.state, RunState::Failed);
    assert!(office.platform().await.is_empty());
    assert!(office.server.state.engine.actions(failed).await.unwrap().is_empty());
}
