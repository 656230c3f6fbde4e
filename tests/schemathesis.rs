//! schemathesis reads the contract and tries what it can think of: nothing may answer with a fault of ours, and
//! nothing may answer what the contract does not know. Its settings are in `openapi/schemathesis`.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tests::app::{App, Person};
use tests::plan::plan;

/// Finds the same things each time. Another seed finds others: see `openapi/schemathesis/README.md`.
const SEED: &str = "20260101";

/// Who calls, and with how many examples for each operation.
struct Round<'a> {
    config: &'static str,
    token: &'a str,
    examples: &'static str,
}

async fn tried(app: &App, round: Round<'_>) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let program = root.join(".dev/sdk/tools/bin/schemathesis");
    assert!(program.exists(), "{} is missing: run `./dev sdk` first", program.display());
    let settings = root.join("openapi/schemathesis");
    let scan = app.ingest("prod", &plan("2026-01-11T08:00:00Z", &[])).await;
    app.generate("20", ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"));
    let findings = app.http.get(&app.path("findings"), &app.token(Person::Owner)).await.expect(200);
    let pack = app.request_pack("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z").await;
    let row = app.finished_pack(&pack).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let settings_of_org = settings_of_org(app).await;
    let out = Command::new(program)
        .arg("--config-file")
        .arg(settings.join(round.config))
        .arg("run")
        .arg(format!("{}/openapi.json", app.base))
        .args(["--seed", SEED, "--max-examples", round.examples, "--workers", "1"])
        .current_dir(app.dir.path())
        .env("PYTHONPATH", &settings)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("DRIFTPACK_TOKEN", round.token)
        .env("DRIFTPACK_ORG", &app.org)
        .env("DRIFTPACK_SCAN", text(&scan["id"]))
        .env("DRIFTPACK_FINDING", text(&findings["findings"][0]["id"]))
        .env("DRIFTPACK_EXPORT", &pack)
        .env("DRIFTPACK_RUN", text(&row["workflow_run_id"]))
        .envs(settings_of_org)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    assert!(out.status.success(), "{said}");
    said
}

/// One thing of each kind that an administrator sets, by the name that `known.toml` has for its id.
async fn settings_of_org(app: &App) -> Vec<(&'static str, String)> {
    let owner = app.token(Person::Owner);
    let rule = json!({"name": "buckets", "resource_pattern": "aws_s3_bucket*", "risk_level": "high", "reason": "public"});
    let mut ids = Vec::new();
    for (name, kind, body) in [
        (
            "DRIFTPACK_INVITATION",
            "invitations",
            json!({"email": "new@acme.example", "role": "member"}),
        ),
        ("DRIFTPACK_KEY", "api-keys", json!({"name": "spare", "scopes": ["read"]})),
        ("DRIFTPACK_SOURCE", "state-sources", json!({"name": "spare", "kind": "local"})),
        ("DRIFTPACK_RULE", "custom-rules", rule),
    ] {
        let made = app.http.post(&app.path(kind), &owner, &body).await.expect(201);
        let id = made.get("api_key").unwrap_or(&made)["id"].as_str().unwrap().to_owned();
        ids.push((name, id));
    }
    let viewer = app.http.get("/me", &app.token(Person::Viewer)).await.expect(200);
    ids.push(("DRIFTPACK_MEMBER", viewer["user"]["id"].as_str().unwrap().to_owned()));
    ids
}

#[tokio::test]
async fn a_person_who_may_do_everything_meets_nothing_outside_of_the_contract() {
    let app = App::start().await;
    app.run(&["admin", "member", "platform-admin", "--email", "owner@acme.example"]);
    let token = app.token(Person::Owner);
    let said = tried(&app, Round { config: "known.toml", token: &token, examples: "10" }).await;
    assert!(!said.contains("Tested: 0"), "{said}");
}

#[tokio::test]
async fn an_api_key_meets_nothing_outside_of_the_contract() {
    let app = App::start().await;
    let key = app.api_key("read,write");
    tried(&app, Round { config: "known.toml", token: &key, examples: "5" }).await;
}

#[tokio::test]
async fn a_stranger_meets_nothing_outside_of_the_contract() {
    let app = App::start().await;
    tried(&app, Round { config: "stranger.toml", token: "", examples: "5" }).await;
}
