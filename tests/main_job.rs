//! The main job: drift goes in, a verified pack comes out.

use serde_json::{Value, json};
use tests::app::{App, Options, Person};
use tests::plan::{changed, deleted, plan};

/// Two sources' drift over a month boundary: appears, is fixed, comes back.
pub(crate) async fn feed(app: &App) {
    let open = changed(
        "aws_security_group",
        "edge",
        "ingress",
        &json!([]),
        &json!([{"cidr_blocks": ["0.0.0.0/0"], "from_port": 22}]),
    );
    let tags = changed("aws_instance", "web", "tags", &json!({"team": "a"}), &json!({"team": "b"}));
    let gone = deleted("aws_s3_bucket", "logs");
    let noise = changed("aws_instance", "db", "tags", &Value::Null, &json!({}));
    for (at, drift) in [
        ("2026-01-10T08:00:00Z", vec![noise.clone()]),
        ("2026-01-11T08:00:00Z", vec![open.clone(), tags.clone()]),
        ("2026-01-20T08:00:00Z", vec![tags.clone()]),
        ("2026-02-02T08:00:00Z", vec![open.clone(), tags.clone(), gone.clone()]),
        ("2026-02-20T08:00:00Z", vec![gone.clone()]),
    ] {
        app.ingest("prod", &plan(at, &drift)).await;
    }
    app.ingest("staging", &plan("2026-01-15T08:00:00Z", &[])).await;
}

#[tokio::test]
async fn a_verified_pack_with_a_pdf_comes_out_of_terraform_drift() {
    let app = App::start_with(Options { pdf: true, ..Options::default() }).await;
    feed(&app).await;
    let id = app.request_pack("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z").await;
    let row = app.finished_pack(&id).await;
    assert_eq!(row["pdf_included"], true);
    assert_eq!(row["file_name"], "compliance-pack-acme-2026-01-01_2026-03-01.zip");

    let zip = app.download(&id).await;
    let (code, said) = app.exit(&["verify", zip.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("trust on first use"), "{said}");

    let folder = app.dir.path().join("pack");
    let unzipped = std::process::Command::new("unzip")
        .arg("-q")
        .arg(&zip)
        .arg("-d")
        .arg(&folder)
        .status()
        .unwrap();
    assert!(unzipped.success());
    let checked = std::process::Command::new("sha256sum")
        .args(["-c", "--strict", "--quiet", "MANIFEST.txt"])
        .current_dir(&folder)
        .status()
        .unwrap();
    assert!(checked.success());
    assert!(std::fs::read(folder.join("summary.pdf")).unwrap().starts_with(b"%PDF-"));
    let findings = std::fs::read_to_string(folder.join("findings.csv")).unwrap();
    assert_eq!(findings.lines().count(), 4, "three findings below the header:\n{findings}");
}

#[tokio::test]
async fn without_a_browser_the_pack_leaves_out_only_the_pdf() {
    let app = App::start().await;
    feed(&app).await;
    let id = app.request_pack("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z").await;
    let row = app.finished_pack(&id).await;
    assert_eq!(row["pdf_included"], false);
    let names: Vec<_> =
        row["entries"].as_array().unwrap().iter().map(|e| e["name"].as_str().unwrap()).collect();
    assert!(!names.contains(&"summary.pdf"));
    for name in [
        "index.html",
        "data.json",
        "coverage_monthly.csv",
        "findings.csv",
        "scans.csv",
        "remediation_sla.csv",
        "custom_rules.csv",
        "state_sources.csv",
        "chain-attestation.json",
        "audit_events.ndjson",
        "exceptions.csv",
        "controls.csv",
        "provenance.json",
        "AUDIT_LOG_VERIFY.md",
        "MANIFEST.txt",
    ] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
    let (code, said) = app.exit(&["verify", app.download(&id).await.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
}

#[tokio::test]
async fn an_org_without_any_data_gets_a_correct_empty_pack() {
    let app = App::start().await;
    let id = app.request_pack("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z").await;
    app.finished_pack(&id).await;
    let (code, said) = app.exit(&["verify", app.download(&id).await.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
}

#[tokio::test]
async fn the_command_line_feeds_files_and_fetches_a_pack() {
    let app = App::start().await;
    let file = app.dir.path().join("plan.json");
    let drift = [changed("aws_instance", "web", "ami", &json!("a"), &json!("b"))];
    std::fs::write(&file, plan("2026-01-11T08:00:00Z", &drift).to_string()).unwrap();
    let (code, said) = app.exit(&[
        "ingest",
        "--server",
        &app.base,
        "--org",
        "acme",
        "--token",
        &app.token(Person::Owner),
        "--state-source",
        "prod",
        file.to_str().unwrap(),
    ]);
    assert_eq!(code, 0, "{said}");
    let findings =
        app.http.get(&app.path("findings"), &app.token(Person::Viewer)).await.expect(200);
    assert_eq!(findings["findings"].as_array().unwrap().len(), 1, "{findings}");
}

#[tokio::test]
async fn an_api_key_with_write_feeds_scans_and_one_without_does_not() {
    let app = App::start().await;
    let path = app.path("scans?state_source=prod");
    let body = plan("2026-01-11T08:00:00Z", &[]).to_string();
    let reader = app.http.upload(&path, &app.api_key("read"), body.clone()).await;
    assert_eq!(reader.status, 403, "{:?}", reader.json());
    app.http.upload(&path, &app.api_key("read,write"), body).await.expect(201);
}
