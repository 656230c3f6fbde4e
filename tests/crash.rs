//! The process dies at any moment: the pack is finished all the same, once.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use tests::app::{App, Options, Person};
use tests::{sql, wait};

/// Long enough that each step can be hit, short enough for a test.
const FINDINGS: &str = "30000";
/// A short lease, so that a killed worker's run is taken up again within a second or so.
const LEASE: (&str, &str) = ("DRIFTWISE_WORKER_LEASE_MS", "1000");

async fn app_with_findings(pdf: bool) -> App {
    let settings = vec![(LEASE.0, LEASE.1.to_owned())];
    let app = App::start_with(Options { pdf, settings, ..Options::default() }).await;
    app.run(&["dev", "generate", "--org", "acme", "--findings", FINDINGS, "--seed", "7"]);
    app
}

/// What must hold after a pack was built, whatever happened on the way.
pub(crate) async fn assert_built_once(app: &App, id: &str) {
    let row = app.finished_pack(id).await;
    let stored = wait::until("an empty staging folder", Duration::from_secs(20), async || {
        let files = app.stored_files();
        (files.len() == 1).then_some(files)
    })
    .await;
    let extension = std::path::Path::new(&stored[0]).extension();
    assert_eq!(extension.and_then(|e| e.to_str()), Some("zip"), "{stored:?}");
    let completed = "select count(*) from admin_audit_log where action = 'audit_export.completed'";
    assert_eq!(sql::number(&app.database, completed), 1);
    let verdict =
        app.http.get(&app.path("audit-log/verify"), &app.token(Person::Owner)).await.expect(200);
    assert_eq!(verdict["status"], "ok", "{verdict}");
    let zip = app.download(id).await;
    assert_eq!(std::fs::metadata(&zip).unwrap().len(), row["size_bytes"].as_u64().unwrap());
    let (code, said) = app.exit(&["verify", zip.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
}

#[tokio::test]
async fn twenty_kills_at_random_moments_still_give_one_pack() {
    let seed: u64 = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    let mut app = app_with_findings(false).await;
    let id = app.request_pack("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z").await;
    for _ in 0..20 {
        tokio::time::timeout(
            Duration::from_millis(random.random_range(0..1500)),
            std::future::pending::<()>(),
        )
        .await
        .expect_err("nothing ends the pause but its limit");
        app.kill();
        app.spawn().await;
    }
    assert_built_once(&app, &id).await;
}

#[tokio::test]
async fn a_kill_while_each_step_is_at_work_still_gives_one_pack() {
    let mut app = app_with_findings(true).await;
    let id = app.request_pack("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z").await;
    let mut killed = BTreeSet::new();
    loop {
        let seen = next_step(&app, &id, &killed).await;
        let Some(step) = seen else { break };
        killed.insert(step);
        app.kill();
        app.spawn().await;
    }
    assert!(killed.len() >= 3, "the steps seen at work: {killed:?}");
    assert_built_once(&app, &id).await;
}

/// The next step at work that was not yet hit, or nothing when the pack is done.
async fn next_step(app: &App, id: &str, killed: &BTreeSet<String>) -> Option<String> {
    let (path, token) = (app.path(&format!("audit-exports/{id}")), app.token(Person::Owner));
    wait::until("another step", Duration::from_mins(2), async || {
        let row = app.http.get(&path, &token).await.expect(200);
        if row["status"] == "done" {
            return Some(None);
        }
        let step = row["progress"]["step"].as_str().filter(|s| !killed.contains(*s))?;
        Some(Some(step.to_owned()))
    })
    .await
}

#[tokio::test]
async fn an_end_on_request_lets_another_process_go_on_at_once() {
    let mut app = app_with_findings(false).await;
    let id = app.request_pack("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z").await;
    let pid = app.pid().to_string();
    let asked = std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    assert!(asked.success());
    app.ended().await;
    app.spawn().await;
    assert_built_once(&app, &id).await;
}

#[tokio::test]
async fn deleting_a_pack_that_is_being_built_leaves_no_object() {
    let app = app_with_findings(false).await;
    let id = app.request_pack("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z").await;
    let path = app.path(&format!("audit-exports/{id}"));
    let token = app.token(Person::Owner);
    wait::until("work on the pack", Duration::from_mins(1), async || {
        let row: Value = app.http.get(&path, &token).await.expect(200);
        (row["status"] == "running").then_some(())
    })
    .await;
    app.http.delete(&path, &token).await.expect(204);
    wait::until("the end of the run", Duration::from_mins(1), async || {
        let live =
            "select count(*) from engine.runs where state in ('queued', 'running', 'waiting')";
        (sql::number(&app.database, live) == 0).then_some(())
    })
    .await;
    assert_eq!(app.http.get(&path, &token).await.expect(200)["status"], "deleted");
    assert!(
        !app.stored_files().iter().any(|f| f.starts_with("artifacts")),
        "{:?}",
        app.stored_files()
    );
}
