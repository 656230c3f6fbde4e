//! What stands in a pack, entry by entry, against what was fed in.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};
use tests::app::{App, Options, Person};
use tests::plan::{changed, plan};

use crate::main_job::feed;

/// Builds a pack and unpacks it: entry name → bytes.
async fn unpacked(app: &App, start: &str, end: &str) -> BTreeMap<String, Vec<u8>> {
    let id = app.request_pack(start, end).await;
    app.finished_pack(&id).await;
    let zip = app.download(&id).await;
    let (code, said) = app.exit(&["verify", zip.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
    let folder = app.dir.path().join(format!("pack-{id}"));
    assert!(
        Command::new("unzip")
            .arg("-q")
            .arg(&zip)
            .arg("-d")
            .arg(&folder)
            .status()
            .unwrap()
            .success()
    );
    let files = std::fs::read_dir(&folder).unwrap().flatten();
    files
        .map(|f| (f.file_name().into_string().unwrap(), std::fs::read(f.path()).unwrap()))
        .collect()
}

fn text(pack: &BTreeMap<String, Vec<u8>>, name: &str) -> String {
    String::from_utf8(pack[name].clone()).unwrap()
}

#[tokio::test]
async fn a_month_shows_what_was_true_in_that_month() {
    let app = App::start().await;
    feed(&app).await;
    let january = unpacked(&app, "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z").await;
    let data: Value = serde_json::from_slice(&january["data.json"]).unwrap();
    let findings = data["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 2, "the bucket is found missing only in February");
    let edge = findings.iter().find(|f| f["address"] == "aws_security_group.edge").unwrap();
    assert_eq!(
        edge["status"], "resolved",
        "as at the end of January, though it came back in February: {edge}"
    );
    assert_eq!(edge["time_to_resolve_hours"], json!(216.0));
    assert_eq!(edge["reopen_count"], 0);
    let rows: Vec<_> = data["coverage_monthly"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["month"].as_str().unwrap())
        .collect();
    assert_eq!(rows, ["2026-01"]);
}

#[tokio::test]
async fn months_without_scans_are_there_and_blank() {
    let app = App::start().await;
    feed(&app).await;
    let pack = unpacked(&app, "2025-11-01T00:00:00Z", "2026-03-01T00:00:00Z").await;
    let data: Value = serde_json::from_slice(&pack["data.json"]).unwrap();
    let coverage = data["coverage_monthly"].as_array().unwrap();
    assert_eq!(coverage.len(), 4);
    assert_eq!(coverage[0]["scope_coverage_pct"], Value::Null, "{}", coverage[0]);
    assert_eq!(coverage[0]["drift_pct"], Value::Null);
}

#[tokio::test]
async fn hostile_names_are_harmless_text_everywhere() {
    let app = App::start_with(Options { pdf: true, ..Options::default() }).await;
    let formula = "=HYPERLINK(\"http://evil.example\",\"x\")";
    let drift = [
        changed("aws_iam_user", "u[\"=HYPERLINK(1)\"]", "path", &json!("/"), &json!("/x/")),
        changed(
            "aws_iam_role",
            "r[\"<img src=file:///etc/passwd>\"]",
            "path",
            &json!("/"),
            &json!("/x/"),
        ),
        changed("aws_iam_group", "g[\"\u{202e}gnp.exe\"]", "path", &json!("/"), &json!("/x/")),
        changed("aws_kms_key", "k", formula, &json!("a"), &json!("b")),
    ];
    app.ingest("prod", &plan("2026-01-11T08:00:00Z", &drift)).await;
    let pack = unpacked(&app, "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z").await;
    let csv = text(&pack, "findings.csv");
    assert!(csv.contains("'=HYPERLINK"), "a formula is guarded: {csv}");
    let data: Value = serde_json::from_slice(&pack["data.json"]).unwrap();
    assert!(
        data.to_string().contains("<img src=file:///etc/passwd>"),
        "the raw value is kept in data.json"
    );
    let pdf = app.dir.path().join("summary.pdf");
    std::fs::write(&pdf, &pack["summary.pdf"]).unwrap();
    let out = Command::new("pdftotext").args(["-layout"]).arg(&pdf).arg("-").output().unwrap();
    let shown = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(!shown.contains("root:x:0:0"), "no file was read");
    assert!(shown.contains("<img"), "the markup is shown as text: {shown}");
    assert!(!shown.contains('\u{202e}'));
}

#[tokio::test]
async fn values_of_sensitive_attributes_reach_no_pack_and_no_log() {
    let app = App::start().await;
    let mut drift = changed(
        "aws_db_instance",
        "main",
        "password",
        &json!("old-Secret-1"),
        &json!("new-Secret-2"),
    );
    drift["change"]["before_sensitive"] = json!({"password": true});
    drift["change"]["after_sensitive"] = json!({"password": true});
    app.ingest("prod", &plan("2026-01-11T08:00:00Z", &[drift])).await;
    let pack = unpacked(&app, "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z").await;
    assert!(text(&pack, "findings.csv").contains("password"), "the attribute's name is evidence");
    for (name, bytes) in &pack {
        assert!(!String::from_utf8_lossy(bytes).contains("Secret-"), "{name}");
    }
    assert!(!app.log().contains("Secret-"));
}

#[tokio::test]
async fn an_accepted_risk_and_a_false_positive_are_listed_with_who_and_why() {
    let app = App::start().await;
    feed(&app).await;
    let owner = app.token(Person::Owner);
    let findings = app.http.get(&app.path("findings?status=open"), &owner).await.expect(200);
    let id = findings["findings"][0]["id"].as_str().unwrap().to_owned();
    let path = app.path(&format!("findings/{id}"));
    let decision =
        json!({"resolution": "accepted_risk", "reason": "behind a private link until March"});
    app.http.patch(&path, &app.token(Person::Member), &decision).await.expect(403);
    app.http.patch(&path, &owner, &decision).await.expect(200);
    let pack = unpacked(&app, "2026-01-01T00:00:00Z", &moment()).await;
    assert!(text(&pack, "exceptions.csv").contains("behind a private link until March"));
}

/// This moment, to the microsecond: after every decision that was made before.
fn moment() -> String {
    let out = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%S.%6NZ"]).output().unwrap();
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn two_packs_of_one_period_differ_in_nothing_but_their_moment() {
    let app = App::start().await;
    feed(&app).await;
    let first = unpacked(&app, "2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z").await;
    let second = unpacked(&app, "2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z").await;
    for name in [
        "findings.csv",
        "scans.csv",
        "coverage_monthly.csv",
        "remediation_sla.csv",
        "state_sources.csv",
        "exceptions.csv",
        "controls.csv",
    ] {
        assert_eq!(first[name], second[name], "{name}");
    }
}
