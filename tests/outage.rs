//! What the program stands on goes away and comes back.

use std::time::Duration;

use serde_json::json;
use tests::app::{App, Options, Person};
use tests::cluster::Postgres;
use tests::wait;

use crate::crash::assert_built_once;

fn short_lease() -> Vec<(&'static str, String)> {
    vec![("DRIFTWISE_WORKER_LEASE_MS", "1000".to_owned())]
}

#[tokio::test]
async fn packs_are_finished_after_postgres_crashed_under_load() {
    let cluster = Postgres::start();
    let app = App::start_with(Options {
        postgres: cluster.url(),
        settings: short_lease(),
        ..Options::default()
    })
    .await;
    app.run(&["dev", "generate", "--org", "acme", "--findings", "20000", "--seed", "3"]);
    let id = app.request_pack("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z").await;
    for _ in 0..3 {
        cluster.crash_and_recover();
        wait::until("readiness", Duration::from_mins(1), async || {
            (app.http.get_root(&app.base, "/readyz").await == 200).then_some(())
        })
        .await;
    }
    assert_built_once(&app, &id).await;
}

#[tokio::test]
async fn a_pack_is_finished_after_its_browser_was_killed() {
    let app = App::start_with(Options { pdf: true, ..Options::default() }).await;
    let id = app.request_pack("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z").await;
    let path = app.path(&format!("audit-exports/{id}"));
    let token = app.token(Person::Owner);
    wait::until("a browser", Duration::from_mins(1), async || {
        let row = app.http.get(&path, &token).await.expect(200);
        let hit = kill_browsers_of(app.pid());
        (hit > 0 || row["status"] == "done").then_some(())
    })
    .await;
    let row = app.finished_pack(&id).await;
    assert_eq!(row["pdf_included"], true);
    assert_built_once(&app, &id).await;
}

/// Ends every Chromium below the program; says how many there were.
fn kill_browsers_of(program: u32) -> usize {
    let out = std::process::Command::new("pgrep")
        .args(["-P", &program.to_string()])
        .output()
        .expect("procps is installed");
    let children = String::from_utf8_lossy(&out.stdout).into_owned();
    let ended = |pid: &&str| {
        std::process::Command::new("kill").args(["-9", pid]).status().is_ok_and(|s| s.success())
    };
    children.lines().filter(ended).count()
}

#[tokio::test]
async fn a_pack_waits_for_its_storage_to_heal() {
    let app = App::start_with(Options { settings: short_lease(), ..Options::default() }).await;
    let (storage, aside) = (app.storage(), app.dir.path().join("aside"));
    std::fs::rename(&storage, &aside).unwrap();
    std::fs::write(&storage, b"not a folder").unwrap();
    let id = app.request_pack("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z").await;
    let ready = app.http.get_root(&app.base, "/readyz").await;
    assert_eq!(ready, 503, "a store that cannot be written to is not ready");
    wait::until("an attempt that failed", Duration::from_mins(1), async || {
        app.log().contains("collect").then_some(())
    })
    .await;
    std::fs::remove_file(&storage).unwrap();
    std::fs::rename(&aside, &storage).unwrap();
    assert_built_once(&app, &id).await;
}

#[tokio::test]
async fn readiness_names_what_is_missing() {
    let app = App::start().await;
    let answer = app.http.root(&app.base, "/readyz").await;
    let body = answer.expect(200);
    for part in ["postgres", "redis", "storage"] {
        assert!(body.to_string().contains(part), "{body}");
    }
    let unknown = app.http.get("/no-such-route", &app.token(Person::Owner)).await;
    assert_eq!((unknown.status, unknown.error().is_empty()), (404, false));
    assert_eq!(unknown.json()["message"].is_string(), json!(true));
}
