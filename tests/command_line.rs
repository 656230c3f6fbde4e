//! The program as people and scripts call it: arguments, exit codes, files.

use serde_json::{Value, json};
use tests::app::{App, Person};
use tests::plan::{changed, plan};
use tests::sibling::Sibling;

#[tokio::test]
async fn wrong_arguments_are_no_verdict_on_a_pack_and_help_is_no_error() {
    let app = App::start().await;
    for wrong in [&["verify"][..], &["verify", "x.zip", "--no-such"], &["no-such-command"], &[]] {
        assert_eq!(app.exit(wrong).0, 64, "{wrong:?}");
    }
    for asked in ["--help", "--version"] {
        assert_eq!(app.exit(&[asked]).0, 0, "{asked}");
    }
    assert_eq!(app.exit(&["verify", "no-such-file.zip"]).0, 4);
}

#[tokio::test]
async fn a_time_on_the_command_line_is_for_files_that_carry_none() {
    let app = App::start().await;
    let drift = [changed("aws_instance", "web", "ami", &json!("a"), &json!("b"))];
    let timed = plan("2026-01-11T08:00:00Z", &drift);
    let mut untimed = plan("2026-01-11T08:00:00Z", &drift);
    untimed.as_object_mut().unwrap().remove("timestamp");
    let files = [("timed.json", timed), ("untimed.json", untimed)];
    let paths = files.map(|(name, plan)| {
        let path = app.dir.path().join(name);
        std::fs::write(&path, plan.to_string()).unwrap();
        path.display().to_string()
    });
    let token = app.token(Person::Owner);
    let (code, said) = app.exit(&[
        "ingest",
        "--server",
        &app.base,
        "--token",
        &token,
        "--org",
        "acme",
        "--state-source",
        "prod",
        "--observed-at",
        "2026-01-20T00:00:00Z",
        &paths[0],
        &paths[1],
    ]);
    assert_eq!(code, 0, "{said}");
    let scans = app.http.get(&app.path("scans"), &token).await.expect(200);
    let mut observed: Vec<_> = scans["scans"].as_array().unwrap().iter().map(time_of).collect();
    observed.sort();
    assert_eq!(observed, ["2026-01-11T08:00:00", "2026-01-20T00:00:00"]);
}

/// To the second, whatever follows.
fn time_of(scan: &Value) -> String {
    scan["observed_at"].as_str().unwrap()[..19].to_owned()
}

#[tokio::test]
async fn a_set_up_that_is_made_again_keeps_its_keys_and_revokes_those_that_nobody_knows() {
    let app = App::start().await;
    let file = app.dir.path().join("up.json");
    let made = || -> Value {
        app.run(&["dev", "bootstrap", "--server", &app.base, "--file", file.to_str().unwrap()]);
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap()
    };
    let reads = async |up: &Value| {
        let key = up["api_keys"]["read"].as_str().unwrap().to_owned();
        app.http.get(&app.path("scans?limit=100"), &key).await
    };
    let first = made();
    assert_eq!(first["base_url"], app.base);
    let told = reads(&first).await.expect(200)["scans"].as_array().unwrap().len();
    let second = made();
    assert_eq!(first["api_keys"], second["api_keys"]);

    std::fs::remove_file(&file).unwrap();
    let third = made();
    assert_eq!(reads(&first).await.status, 401);
    let again = reads(&third).await.expect(200)["scans"].as_array().unwrap().len();
    assert_eq!(told, again, "the story is told again, and adds nothing");
}

#[tokio::test]
async fn a_worker_of_its_own_shows_that_it_lives_and_nothing_else() {
    let app = App::start().await;
    let worker = Sibling::worker(&app).await;
    let ready = worker.http.root(&worker.base, "/readyz").await.expect(200);
    assert_eq!(ready, json!({"status": "ok", "dependencies": {"postgres": "ok", "storage": "ok"}}));
    let figures = worker.http.root(&worker.base, "/metrics").await;
    let figures = String::from_utf8(figures.body).unwrap();
    for name in ["engine_workers", "engine_queue_oldest_age_seconds"] {
        assert!(figures.contains(&format!("# TYPE {name} ")), "{name} in {figures}");
    }
    for elsewhere in ["/", "/docs", "/login", "/api/v2/me", "/openapi.json"] {
        // The contract is that of the service; these are no answers of it.
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = http.get(format!("{}{elsewhere}", worker.base)).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{elsewhere}");
    }
}

#[tokio::test]
async fn the_version_says_which_commit_and_which_build() {
    let app = App::start().await;
    let short = app.run(&["-V"]);
    let long = app.run(&["--version"]);
    let (first, build) = long.split_once("\nbuild: ").unwrap();
    assert_eq!(first, short.trim());
    let commit = first.strip_prefix("driftpack ").and_then(|rest| rest.split_once(" ("));
    let commit = commit.and_then(|(_, rest)| rest.strip_suffix(')')).unwrap();
    assert!(!commit.is_empty() && commit != "unversioned", "{long}");
    let words: Vec<_> = build.trim().split(", ").collect();
    assert_eq!(words[0], "debug", "{long}");
    assert!(words[1].contains("linux") && words[2].starts_with("rustc "), "{long}");
}
