//! An operator finds out why a pack failed, mends that, and sends its run back to the step of their choice.

use std::time::Duration;

use serde_json::{Value, json};
use tests::app::{App, Person};
use tests::{sql, wait};

use crate::crash::PERIOD;

const LIMIT: Duration = Duration::from_mins(2);

/// Somebody edits an entry of the audit log (or puts it back): its columns say something else than its text.
pub(crate) fn edit_the_log(app: &App, actor_id: &str) {
    edit_the_log_of(app, &app.org, actor_id);
}

pub(crate) fn edit_the_log_of(app: &App, org: &str, actor_id: &str) {
    let statement = format!(
        "alter table admin_audit_log disable trigger user;
         update admin_audit_log set actor_id = {actor_id} where chain = '{org}' and seq = 2;
         alter table admin_audit_log enable trigger user"
    );
    sql::query(&app.database, &statement);
}

/// A pack that has failed for good, because the audit log did not verify; by now it does. Its id and its run's.
async fn failed_pack(app: &App) -> (String, String) {
    app.generate("300", PERIOD);
    edit_the_log(app, "actor_id || '!'");
    let id = app.request_pack(PERIOD.0, PERIOD.1).await;
    let row = until(app, &id, "failed").await;
    assert_eq!(row["error"]["code"], "chain_broken", "{row}");
    edit_the_log(app, "left(actor_id, -1)");
    (id, row["workflow_run_id"].as_str().unwrap().to_owned())
}

pub(crate) async fn until(app: &App, id: &str, status: &str) -> Value {
    let (path, token) = (app.path(&format!("audit-exports/{id}")), app.token(Person::Owner));
    wait::until(&format!("a pack that is {status}"), LIMIT, async || {
        let row = app.http.get(&path, &token).await.expect(200);
        (row["status"] == status).then_some(row)
    })
    .await
}

/// The actions of a log, in order, as far as they are about packs and runs.
async fn actions(app: &App, path: &str, token: &str) -> Vec<(String, Value)> {
    let log = app.http.get(&format!("{path}?limit=1000"), token).await.expect(200);
    let entries = log["entries"].as_array().unwrap().iter();
    let told = entries
        .map(|entry| (entry["action"].as_str().unwrap().to_owned(), entry["detail"].clone()));
    told.filter(|(action, _)| {
        action.starts_with("audit_export.") || action.starts_with("workflow_")
    })
    .collect()
}

/// The pack is done, verifies, and both logs say who sent its run back, and from where.
async fn assert_built_after_all(app: &App, (id, run): (&str, &str), operator: &str) {
    let row = until(app, id, "done").await;
    assert_eq!(row["error"], json!(null), "{row}");
    let (code, said) = app.exit(&["verify", app.download(id).await.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}");

    let owner = app.token(Person::Owner);
    let of_acme = actions(app, &app.path("audit-log"), &owner).await;
    let names: Vec<_> = of_acme.iter().map(|(action, _)| action.as_str()).collect();
    assert_eq!(
        names,
        [
            "audit_export.requested",
            "audit_export.failed",
            "workflow_run.retried",
            "audit_export.completed",
            "audit_export.downloaded"
        ]
    );
    let expected = json!({"run_id": run, "workflow": "compliance_pack.build", "from": 2});
    assert_eq!(of_acme[2].1, expected);
    let of_platform = actions(app, "/admin/audit-log", operator).await;
    let [(action, detail)] = of_platform.as_slice() else { panic!("{of_platform:?}") };
    assert_eq!((action.as_str(), &detail["key"]), ("workflow_run.retried", &json!(app.org)));
    for (path, token) in [
        (app.path("audit-log/verify"), owner.as_str()),
        ("/admin/audit-log/verify".to_owned(), operator),
    ] {
        assert_eq!(app.http.get(&path, token).await.expect(200)["status"], "ok");
    }
    let detail = app.http.get(&format!("/admin/workflows/runs/{run}"), operator).await.expect(200);
    let began = |step: &str| {
        let attempts = detail["attempts"].as_array().unwrap().iter();
        attempts.filter(|one| one["step"] == step).count()
    };
    assert_eq!((began("begin"), began("publish")), (1, 1), "{detail}");
    assert_eq!(detail["past_steps"][0]["name"], "collect", "{detail}");
}

#[tokio::test]
async fn a_failed_pack_is_retried_from_its_second_step_over_the_api() {
    let app = App::start().await;
    let token = app.platform_admin();
    let (id, run) = failed_pack(&app).await;
    let path = format!("/admin/workflows/runs?state=failed&key={}", app.org);
    let failed = app.http.get(&path, &token).await.expect(200);
    assert_eq!(failed["runs"][0]["id"], json!(run));
    let path = format!("/admin/workflows/runs/{run}");
    let detail = app.http.get(&path, &token).await.expect(200);
    let steps: Vec<_> = detail["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| {
            (
                step["seq"].as_u64().unwrap(),
                step["name"].as_str().unwrap(),
                step["state"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(steps, [(1, "begin", "done"), (2, "collect", "done"), (3, "attest", "failed")]);
    let from_second = json!({"from": "step", "seq": 2});
    let answer = app.http.post(&format!("{path}/retry"), &token, &from_second).await.expect(200);
    assert_eq!(answer["done"], true, "{answer}");
    assert_built_after_all(&app, (&id, &run), &token).await;
    let again = app.http.post(&format!("{path}/retry"), &token, &from_second).await;
    assert!(again.status == 409 || again.expect(200)["done"] == false, "{:?}", again.json());
}

#[tokio::test]
async fn a_failed_pack_is_retried_from_its_second_step_from_the_terminal() {
    let app = App::start().await;
    let token = app.platform_admin();
    let (id, run) = failed_pack(&app).await;
    let call = |arguments: &[&str]| {
        let target = ["--server", app.base.as_str(), "--token", token.as_str()];
        app.exit(&[arguments, &target].concat())
    };
    let (code, said) = call(&["runs", "list", "--state", "failed", "--key", &app.org]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(&run) && said.contains("chain_broken"), "{said}");
    let (code, said) = call(&["runs", "show", &run]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("driftpack runs retry") && said.contains("attest"), "{said}");
    let (code, said) = call(&["runs", "watch", &run]);
    assert_eq!(code, 1, "a run that has failed: {said}");

    let (code, said) = call(&["runs", "retry", &run, "--from", "no-such-step"]);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("it has: begin, collect, attest"), "{said}");
    let (code, said) = call(&["runs", "retry", &run, "--from", "collect"]);
    assert_eq!(code, 0, "{said}");
    let (code, said) = call(&["runs", "watch", &run]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("succeeded"), "{said}");
    assert_built_after_all(&app, (&id, &run), &token).await;
    let (code, said) = call(&["runs", "retry", &run]);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("The run is succeeded"), "{said}");
}

#[tokio::test]
async fn operators_look_at_everything_from_the_terminal_and_others_do_not() {
    let app = App::start().await;
    let token = app.platform_admin();
    let exit = |arguments: &[&str], token: &str| {
        app.exit(&[arguments, &["--server", &app.base, "--token", token]].concat())
    };
    wait::until("a worker's first sign of life", LIMIT, async || {
        exit(&["workers"], &token).1.contains("driftpack ").then_some(())
    })
    .await;
    let commands: [(&[&str], &str); 4] = [
        (&["workers"], "compliance_pack.build v1"),
        (&["queues"], "retention.expire"),
        (&["schedules", "list"], "retention.daily"),
        (&["runs", "list"], "No run fits"),
    ];
    for (command, told) in commands {
        let (code, said) = exit(command, &token);
        assert!(code == 0 && said.contains(told), "{command:?}: {said}");
        let (code, said) = exit(&[command, &["--json"]].concat(), &token);
        assert_eq!(code, 0, "{said}");
        serde_json::from_str::<Value>(&said).expect("--json prints JSON");
        let (code, said) = exit(command, &app.token(Person::Owner));
        assert!(code == 4 && said.contains("administrator of the platform"), "{said}");
    }
    let unknown = "00000000-0000-0000-0000-000000000000";
    for action in ["show", "watch", "retry", "cancel", "pause", "resume"] {
        let (code, said) = exit(&["runs", action, unknown], &token);
        assert!(code == 4 && said.contains("There is no such workflow run here"), "{said}");
        assert_eq!(exit(&["runs", action, "nonsense"], &token).0, 64);
    }
    for (action, told) in [
        ("pause", "is paused"),
        ("pause", "paused already"),
        ("resume", "next tick"),
        ("run", "A worker"),
    ] {
        let (code, said) = exit(&["schedules", action, "retention.daily"], &token);
        assert!(code == 0 && said.contains(told), "{said}");
    }
    let (code, said) = exit(&["schedules", "run", "no/such schedule"], &token);
    assert!(code == 4 && said.contains("There is no such schedule here"), "{said}");
    wait::until("the run that was asked for", LIMIT, async || {
        exit(&["runs", "list", "--state", "succeeded"], &token)
            .1
            .contains("retention.expire")
            .then_some(())
    })
    .await;
}
