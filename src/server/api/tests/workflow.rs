//! Workflow runs, queues, workers and schedules, looked at.

use std::collections::HashMap;

use evidence::org::{Plan, Role, Scope};
use poem::http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use super::errand::{Errand, Office};
use super::harness::{Server, send};

fn ids(answer: &Value) -> Vec<Uuid> {
    let runs = answer["runs"].as_array().unwrap();
    runs.iter().map(|run| run["id"].as_str().unwrap().parse().unwrap()).collect()
}

#[sqlx::test(migrations = false)]
async fn only_people_who_administer_the_platform_see_and_steer_workflows(owner: PgPool) {
    let server = Server::start(owner, Plan::Team).await;
    let member = server.member(Role::Owner).await;
    let key = server.api_key(&[Scope::Read, Scope::Write]).await;
    let mut asked = 0;
    for (path, methods) in crate::contract::document()["paths"].as_object().unwrap() {
        if !path.starts_with("/api/v2/admin/workflows") {
            continue;
        }
        let path = path.replace("{run_id}", &Uuid::nil().to_string()).replace("{name}", "x");
        for method in methods.as_object().unwrap().keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            for (token, code) in [(&member, "platform_admin_required"), (&key, "oidc_required")] {
                // The caller is looked at before the body is.
                let request = server.request(method.clone(), &path).bearer_auth(token).body("{");
                assert_eq!(send(request).await.refusal(), (403, code.to_owned()), "{path}");
            }
            asked += 1;
        }
    }
    assert_eq!(asked, 16);
}

#[sqlx::test(migrations = false)]
async fn a_list_of_runs_is_narrowed_by_every_filter_and_paged_without_a_gap(owner: PgPool) {
    let office = Office::open(owner).await;
    let acme = office.server.org.to_string();
    let failed = office.failed(&acme).await;
    let mut queued = Vec::new();
    let mut keys = HashMap::from([(failed, acme.as_str())]);
    for key in [acme.as_str(), "other", "other"] {
        let run_id = office.start(Errand::default(), key).await;
        queued.push(run_id);
        keys.insert(run_id, key);
    }
    // Of one millisecond, ids are in no order.
    queued.sort_unstable();
    let all = [queued[2], queued[1], queued[0], failed];
    let mut others = all.to_vec();
    others.retain(|run_id| keys[run_id] == "other");
    for (query, expected) in [
        ("", &all[..]),
        ("?workflow=test.errand", &all),
        ("?workflow=test.other", &[]),
        ("?state=failed", &[failed]),
        ("?state=queued&state=failed", &all),
        ("?state=paused&state=running", &[]),
        ("?key=other", &others),
        ("?key=", &[]),
        ("?error=no%20SPACE", &[failed]),
        ("?error=100%25", &[]),
        ("?created_from=2020-01-01T00:00:00Z", &all),
        ("?created_before=2020-01-01T00:00:00Z", &[]),
        ("?parent_id=00000000-0000-0000-0000-000000000000", &[]),
    ] {
        let answer = office.get(&format!("workflows/runs{query}")).await;
        assert_eq!((answer.status, ids(&answer.json())), (200, expected.to_vec()), "{query}");
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = office.get(&format!("workflows/runs?limit=3{after}")).await.json();
        seen.extend(ids(&page));
        let Some(next) = page["next_after"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(seen, all);
    let list = office.get("workflows/runs?state=failed").await.json();
    assert_eq!(list["runs"][0]["error"]["code"], "storage");
    assert!(list["runs"][0].get("input").is_none(), "lists leave inputs out");
}

#[sqlx::test(migrations = false)]
async fn what_cannot_be_asked_for_is_refused_by_name(owner: PgPool) {
    let office = Office::open(owner).await;
    for query in [
        "?state=nonsense",
        "?limit=0",
        "?limit=1001",
        "?after=x",
        "?parent_id=x",
        "?created_from=yesterday",
        "?workflow=%00",
        "?error=%00",
    ] {
        let refused = office.get(&format!("workflows/runs{query}")).await;
        assert_eq!(refused.refusal(), (400, "invalid_parameter".to_owned()), "{query}");
    }
    for (run, what) in [("nonsense", "thing"), (&Uuid::nil().to_string(), "workflow run")] {
        let refused = office.get(&format!("workflows/runs/{run}")).await;
        assert_eq!(refused.refusal(), (404, "not_found".to_owned()), "{run}");
        assert_eq!(refused.json()["message"], json!(format!("There is no such {what} here.")));
    }
}

#[sqlx::test(migrations = false)]
async fn a_run_comes_with_its_steps_its_attempts_and_why_they_failed(owner: PgPool) {
    let office = Office::open(owner).await;
    let run_id = office.failed("acme").await;
    let detail = office.get(&format!("workflows/runs/{run_id}")).await.json();
    assert_eq!(detail["input"], json!({"waits": false}));
    assert_eq!(
        (&detail["run"]["state"], &detail["run"]["error"]["step"]),
        (&json!("failed"), &json!("second"))
    );
    let steps: Vec<_> = detail["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| {
            [&step["seq"], &step["name"], &step["state"], &step["output"]].map(Value::clone)
        })
        .collect();
    assert_eq!(
        steps,
        [
            [json!(1), json!("first"), json!("done"), json!(1)],
            [json!(2), json!("second"), json!("failed"), json!(null)]
        ]
    );
    let attempts = detail["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2);
    assert_eq!(attempts[1]["error"]["message"], "No space left on device");
    for empty in ["past_steps", "signals", "actions"] {
        assert_eq!(detail[empty], json!([]), "{empty}");
    }
    assert_eq!(detail["children"], json!({"runs": [], "next_after": null}));
}

#[sqlx::test(migrations = false)]
async fn counts_queues_workers_and_schedules_tell_what_goes_on(owner: PgPool) {
    let office = Office::open(owner).await;
    office.failed("acme").await;
    for _ in 0..2 {
        office.start(Errand::default(), "other").await;
    }
    let counts = office.get("workflows/counts").await.json();
    assert_eq!(
        counts["counts"],
        json!([
            {"workflow": "test.errand", "state": "failed", "runs": 1},
            {"workflow": "test.errand", "state": "queued", "runs": 2}
        ])
    );
    let queues = office.get("workflows/queues").await.json();
    let queue = &queues["queues"][0];
    assert_eq!((&queue["workflow"], &queue["queued"]), (&json!("test.errand"), &json!(2)));
    assert!(queue["oldest_age_seconds"].is_u64() && queue["oldest_due_at"].is_string(), "{queue}");
    let keys = queues["keys"].as_array().unwrap();
    assert_eq!((keys.len(), &keys[0]["key"], &keys[0]["queued"]), (1, &json!("other"), &json!(2)));

    let mut seen = json!(null);
    office
        .work(async || {
            seen = office.get("workflows/workers").await.json();
            seen["workers"].as_array().is_some_and(|workers| !workers.is_empty())
        })
        .await;
    let worker = &seen["workers"][0];
    assert_eq!(worker["program"], "errands 1.0");
    assert_eq!(worker["kinds"], json!([{"workflow": "test.errand", "version": 1}]));
    assert_eq!(worker["lease_seconds"], json!(10.0));

    let schedules = office.get("workflows/schedules").await.json();
    let schedule = &schedules["schedules"][0];
    assert_eq!(
        [&schedule["name"], &schedule["cron"], &schedule["zone"], &schedule["paused_at"]],
        [&json!("errand.yearly"), &json!("0 0 1 1 *"), &json!("UTC"), &json!(null)]
    );
    assert!(schedule["next_at"].is_string(), "{schedule}");
}
