//! What the program stands on goes away and comes back.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tests::app::{App, Options, Person};
use tests::browser::Browser;
use tests::cluster::{Postgres, Redis};
use tests::{sql, wait};

use crate::crash::{PERIOD, assert_built_once, of_run, short_lease, until_run};

const LIMIT: Duration = Duration::from_mins(1);

/// Waits until the readiness is 200 or 503; its answer is kept for a moment and may be one of before.
async fn until_status(app: &App, status: u16) {
    wait::until(&format!("readiness {status}"), LIMIT, async || {
        (app.http.get_root(&app.base, "/readyz").await == status).then_some(())
    })
    .await;
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
    app.generate("6000", PERIOD);
    let id = app.request_pack(PERIOD.0, PERIOD.1).await;
    for round in 0..3 {
        // The row counter moves: the next crash meets a section that is being read.
        until_run(&app, &id, "progress_total > 1000 or state = 'succeeded'").await;
        let state = of_run(&app, &id, "state");
        assert!(round > 0 || state == "running", "the first crash must meet the run at work");
        cluster.crash_and_recover();
        until_status(&app, 200).await;
    }
    assert_built_once(&app, &[id]).await;
}

#[tokio::test]
async fn a_pack_is_finished_after_its_browser_was_killed_in_the_middle_of_a_print() {
    let app = App::start_with(Options { pdf: true, ..Options::default() }).await;
    let browser = Browser::of(app.pid());
    wait::until("a page", LIMIT, async || browser.is_ready().then_some(())).await;
    browser.freeze();
    let id = app.request_pack("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z").await;
    let begun = "select count(*) from engine.steps where name = 'attest' and ended_at < clock_timestamp() - interval '2 s'";
    wait::until("a print that gets no answer", LIMIT, async || {
        (sql::number(&app.database, begun) > 0).then_some(())
    })
    .await;
    assert_eq!(of_run(&app, &id, "progress_step"), "render");
    browser.kill();
    let row = app.finished_pack(&id).await;
    assert_eq!(row["pdf_included"], true);
    let failed = "select count(*) from engine.attempts where name = 'render'";
    assert_eq!(sql::number(&app.database, failed), 1, "the print that was cut off is on record");
    assert_built_once(&app, &[id]).await;
}

#[tokio::test]
async fn a_pack_under_way_is_finished_while_redis_is_away() {
    let mut redis = Redis::start();
    let app = App::start_with(Options { redis: redis.url(), ..Options::default() }).await;
    app.generate("1000", PERIOD);
    let id = app.request_pack(PERIOD.0, PERIOD.1).await;
    redis.stop();
    app.finished_pack(&id).await;
    until_status(&app, 503).await;
    redis.resume();
    until_status(&app, 200).await;
    assert_built_once(&app, &[id]).await;
}

/// A folder into which nobody can write, root included, until it is healed.
enum Unwritable {
    /// By the immutable flag of the file system.
    Frozen(PathBuf),
    /// Where there is no such flag: a file in the folder's place.
    Replaced { folder: PathBuf, aside: PathBuf },
}

impl Unwritable {
    fn make(folder: &Path) -> Self {
        if chattr("+i", folder) && std::fs::write(folder.join("probe"), b"").is_err() {
            return Self::Frozen(folder.to_owned());
        }
        let (folder, aside) = (folder.to_owned(), folder.with_extension("aside"));
        std::fs::rename(&folder, &aside).unwrap();
        std::fs::write(&folder, b"not a folder").unwrap();
        Self::Replaced { folder, aside }
    }
}

impl Drop for Unwritable {
    fn drop(&mut self) {
        match self {
            Self::Frozen(folder) => drop(chattr("-i", folder)),
            Self::Replaced { folder, aside } => {
                std::fs::remove_file(&*folder).unwrap();
                std::fs::rename(aside, folder).unwrap();
            }
        }
    }
}

fn chattr(flag: &str, folder: &Path) -> bool {
    let done = Command::new("chattr").args(["-R", "-f", flag]).arg(folder).output();
    done.is_ok_and(|out| out.status.success())
}

#[tokio::test]
async fn a_pack_waits_for_its_storage_to_become_writable_again() {
    let app = App::start_with(Options { settings: short_lease(), ..Options::default() }).await;
    until_status(&app, 200).await;
    let unwritable = Unwritable::make(&app.storage());
    let id = app.request_pack("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z").await;
    until_status(&app, 503).await;
    wait::until("an attempt that failed", LIMIT, async || {
        let failed = "select count(*) from engine.attempts where name = 'collect'";
        (sql::number(&app.database, failed) > 0).then_some(())
    })
    .await;
    drop(unwritable);
    assert_built_once(&app, &[id]).await;
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
