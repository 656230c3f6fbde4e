//! The pages with a real browser: from nothing to the first pack, with the keyboard, without scripts, on a phone, in both themes;
//! an operator's day; and who is kept out. Pictures of every page lie in `.dev/screens` afterwards, to be looked at.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tests::app::{App, Person};
use tests::plan::{changed, plan};
use tests::{setting, sql, wait};

use crate::crash::PERIOD;
use crate::operator::edit_the_log_of;

/// How long a pack may take to fail.
const LIMIT: Duration = Duration::from_mins(1);

/// What a driver saw of the app's pages. Nothing of it may be a fault, on any page.
fn seen(app: &App, driver: &str, work: &OsStr) -> Value {
    let screens = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.dev/screens");
    let out = Command::new("node")
        .args([driver, &app.base, &setting::chromium()])
        .args([screens.as_os_str(), work])
        .current_dir(setting::oidc_provider())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let saw: Value = serde_json::from_slice(&out.stdout).unwrap();
    let none = ["faults", "elsewhere", "axe", "wider"].map(|list| (list, &saw[list]));
    assert!(none.iter().all(|(_, found)| **found == json!([])), "{none:#?}");
    saw
}

/// Whether a text that was seen says all of this.
fn says(saw: &Value, words: &[&str]) {
    let text = saw.as_str().unwrap_or_else(|| panic!("no text: {saw}"));
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
}

#[tokio::test]
async fn people_get_from_nothing_to_a_verified_pack_and_every_page_works_for_everybody() {
    let app = App::start().await;
    app.platform_admin();
    let file = app.dir.path().join("plan.json");
    let drift = [changed("aws_instance", "web", "ami", &json!("a"), &json!("b"))];
    std::fs::write(&file, plan("2026-01-05T00:00:00Z", &drift).to_string()).unwrap();
    let saw = seen(&app, "screens.mjs", file.as_os_str());
    assert_eq!(
        (&saw["home"], &saw["guide"]),
        (&json!("/orgs/acme"), &json!("Hand in a scan")),
        "{saw}"
    );
    assert!(saw["taken_in"].as_str().unwrap().contains("1 opened"), "{saw}");
    assert_eq!(saw["steps"].as_array().unwrap().last().unwrap(), "done", "{saw}");
    assert_eq!(
        saw["beside"], "done",
        "a tab that was open before saw it without being loaded again: {saw}"
    );
    let (code, said) = app.exit(&["verify", saw["pack"].as_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(saw["decided"], "accepted", "{saw}");
    assert!(saw["chain"].as_str().unwrap().contains("The chain is whole"), "{saw}");
    assert_eq!(saw["focus"]["first"], "Skip to the content", "{saw}");
    assert_eq!((&saw["plain"], &saw["plain_deleted"]), (&json!(2), &json!("deleted")), "{saw}");
    assert_eq!(saw["viewer"]["generate"], true, "{saw}");
    assert!(saw["viewer"]["why"].as_str().unwrap().contains("owner"), "{saw}");
}

/// A pack each of three organisations that failed because the audit log did not verify, which it does by now, and a run that waits for a signal,
/// of a version that no worker has.
async fn prepared(app: &App) -> Value {
    app.create_org("startup", "free");
    app.generate("300", PERIOD);
    let others = ["globex", "initech"].map(|slug| (slug, app.create_org(slug, "enterprise")));
    let orgs = [("acme", app.org.clone())].into_iter().chain(others);
    let mut failed = Vec::new();
    for (slug, org) in orgs {
        edit_the_log_of(app, &org, "actor_id || '!'");
        failed.push(failed_pack(app, slug, &org).await);
        edit_the_log_of(app, &org, "left(actor_id, -1)");
    }
    let waiting = "0198c2f1-8a3d-7000-8000-000000000099";
    let run = format!(
        "insert into engine.runs (id, workflow, version, state, input, key, trace, epoch, waiting_for, awaited_name, awaited_seq, created_at, started_at)
         values ('{waiting}', 'compliance_pack.build', 99, 'waiting', '{{}}', '{}', 'a test', 1, 'signal', 'approval', 1, now(), now());
         insert into engine.steps (run_id, seq, name, occurrence, kind, state, attempts, epoch, started_at)
         values ('{waiting}', 1, 'approval', 0, 'signal', 'waiting', 0, 1, now())",
        app.org
    );
    sql::query(&app.database, &run);
    json!({"failed": failed, "waiting": waiting, "org": app.org, "storage": app.storage()})
}

/// Requests a pack that cannot be made; its run.
async fn failed_pack(app: &App, slug: &str, org: &str) -> Value {
    let (path, token) = (format!("/orgs/{org}/audit-exports"), app.token_of(slug, Person::Owner));
    let period = json!({"period_start": PERIOD.0, "period_end": PERIOD.1});
    let row = app.http.post(&path, &token, &period).await.expect(202);
    let path = format!("{path}/{}", row["id"].as_str().unwrap());
    wait::until("a pack that has failed", LIMIT, async || {
        let row = app.http.get(&path, &token).await.expect(200);
        (row["status"] == "failed").then_some(())
    })
    .await;
    row["workflow_run_id"].clone()
}

#[tokio::test]
async fn operators_mend_what_failed_and_everybody_else_is_kept_out_with_a_reason() {
    let app = App::start().await;
    app.platform_admin();
    let job = prepared(&app).await;
    let saw = seen(&app, "operators.mjs", OsStr::new(&job.to_string()));

    says(&saw["retry"]["told"], &["collect"]);
    says(&saw["retry"]["answer"], &["sent back"]);
    assert_eq!(saw["retry"]["ended"], "succeeded");
    says(&saw["redrive"]["asked"], &["Send 2 runs back?"]);
    says(&saw["redrive"]["answer"], &["2"]);
    says(&saw["pause"]["told"], &["Nothing is lost"]);
    says(&saw["cancel"]["told"], &["A cancelled run cannot be retried"]);
    says(&saw["resume"]["told"], &["goes on where it was"]);
    says(&saw["signal"]["told"], &["approval", "cannot be taken back"]);
    says(&saw["signal_wrong"]["answer"], &["must be JSON"]);
    says(&saw["signal"]["answer"], &["The signal is with the run"]);
    says(&saw["signal"]["listed"], &["approval", "nobody yet"]);
    says(&saw["run_now"]["told"], &["beside the schedule's ticks"]);
    says(&saw["run_now"]["answer"], &["starts the run"]);
    says(&saw["backfill"]["asked"], &["3 ticks", "Ask for 3 runs"]);
    says(&saw["backfill"]["answer"], &["starts the runs"]);
    assert_eq!(saw["packs"], json!(["failed", "done", "done"]), "{saw}");

    let download = &saw["download"];
    assert_eq!(
        (&download["shown"], &download["shown"]),
        (&download["inBrowser"], &download["saved"])
    );
    let (code, said) = app.exit(&["verify", download["pack"].as_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
    says(&saw["verify"]["good"], &["ok"]);
    says(&saw["verify"]["damaged"], &["broken"]);
    assert_kept_out(&app, &saw);
}

fn assert_kept_out(app: &App, saw: &Value) {
    let refused = json!({
        "generate": 403, "untokened": 403, "delete": 403, "download": 403,
        "runs": 403, "run": 403, "cancel": 403, "redrive": 403, "run_now": 403,
        "other": 404, "other_generate": 404, "none": 404,
    });
    for who in [Person::Viewer, Person::Member] {
        let saw_they = &saw[who.name()];
        assert_eq!(saw["walls"][who.name()], refused, "{who:?}");
        assert_eq!(
            (&saw_they["rows"], &saw_they["generate"]),
            (&json!(3), &json!(true)),
            "{saw_they}"
        );
        says(&saw_they["why"], &["owner"]);
        says(&saw_they["why_no_download"], &["owner"]);
        assert_eq!(saw_they["download"], true);
    }
    assert_eq!(saw["walls"]["free"], json!({"generate": 402}));
    assert_eq!(saw["free"]["generate"], 0);
    says(&saw["free"]["said"], &["What your auditor would get", "the last 30 days", "Enterprise"]);
    let packs = "select count(*) from audit_exports";
    assert_eq!(sql::number(&app.database, packs), 5, "nothing that was forged was done");
}
