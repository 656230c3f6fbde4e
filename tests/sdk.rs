//! The clients in Python, TypeScript and Rust, as their users install them, against a running service.
//!
//! `./dev sdk` generates, builds and installs them; each brings its own tests, which are run here with a service to talk to.

use std::path::PathBuf;
use std::process::Command;

use bucket::S3;
use serde_json::json;
use tests::app::{App, Person};
use tests::plan::{changed, plan};
use tests::setting;

use crate::store::on_s3;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Something that `./dev sdk` makes.
fn made(path: &str) -> PathBuf {
    let path = root().join(".dev/sdk").join(path);
    assert!(path.exists(), "{} is missing: run `./dev sdk` first", path.display());
    path
}

/// Runs a client's tests against a service of their own that keeps packs on S3; `said` finds in what they print that all of them were run.
async fn passes(mut tests: Command, said: impl Fn(&str) -> bool) {
    let s3 = S3::start();
    let app = App::start_with(on_s3(&s3)).await;
    let scan = app.dir.path().join("plan.json");
    let drift = [changed("aws_instance", "web", "ami", &json!("a"), &json!("b"))];
    std::fs::write(&scan, plan("2026-01-11T08:00:00Z", &drift).to_string()).unwrap();
    let out = tests
        .env("DRIFTPACK_URL", &app.base)
        .env("DRIFTPACK_ORG", &app.org)
        .env("DRIFTPACK_TOKEN", app.token(Person::Owner))
        .env("DRIFTPACK_API_KEY", app.api_key("read,write"))
        .env("DRIFTPACK_SCAN_FILE", scan)
        .env("DRIFTPACK_BIN", setting::program())
        .env("TMPDIR", app.dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    assert!(out.status.success(), "{text}");
    assert!(said(&text), "not every test was run:\n{text}");
}

#[tokio::test]
async fn the_python_client_hands_in_a_scan_and_fetches_a_verified_pack() {
    let mut tests = Command::new(made("python/bin/python"));
    tests.args(["-B", "-m", "unittest", "discover", "--start-directory"]);
    tests.arg(root().join("openapi/sdk/python/tests"));
    passes(tests, |text| text.contains("Ran 15 tests")).await;
}

#[tokio::test]
async fn the_typescript_client_hands_in_a_scan_and_fetches_a_verified_pack() {
    let mut tests = Command::new(made("tools/bin/node"));
    tests.args(["--test", "test/*.test.mjs"]).current_dir(made("typescript"));
    passes(tests, |text| text.contains("pass 6")).await;
}

#[tokio::test]
async fn the_rust_client_hands_in_a_scan_and_fetches_a_verified_pack() {
    let mut tests = Command::new("cargo");
    tests.args([
        "test",
        "--offline",
        "--locked",
        "--package",
        "driftpack-client",
        "--manifest-path",
    ]);
    tests.arg(root().join("openapi/sdk/rust/Cargo.toml"));
    tests.env("CARGO_TARGET_DIR", made("rust"));
    let all = |text: &str| ["ok. 6 passed", "ok. 2 passed"].iter().all(|said| text.contains(said));
    passes(tests, all).await;
}

/// The `curl` that the README has for a pipeline: the lines of its block that begin with this one, as the runner gets them.
fn step(readme: &str, variable: &str) -> String {
    let blocks = readme.split("```yaml").skip(1).filter_map(|rest| rest.split("```").next());
    let block = blocks.into_iter().find(|block| block.contains(variable)).unwrap();
    let (_, command) = block.split_once("curl ").unwrap();
    format!("curl {command}")
}

#[tokio::test]
async fn the_steps_of_the_readme_hand_in_a_scan_from_a_pipeline() {
    let app = App::start().await;
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let key = app.api_key("write");
    for (variable, observed_at, known) in [
        (
            "GITHUB_SHA",
            "2026-01-11T08:00:00Z",
            [
                ("GITHUB_REPOSITORY", "acme/infra"),
                ("GITHUB_REF_NAME", "main"),
                ("GITHUB_SHA", "4f2d9c1"),
                ("GITHUB_SERVER_URL", "https://ci.example.com"),
                ("GITHUB_RUN_ID", "17"),
            ],
        ),
        (
            "CI_COMMIT_SHA",
            "2026-01-12T08:00:00Z",
            [
                ("CI_PROJECT_PATH", "acme/infra"),
                ("CI_COMMIT_REF_NAME", "main"),
                ("CI_COMMIT_SHA", "4f2d9c1"),
                ("CI_PIPELINE_URL", "https://ci.example.com/acme/infra/actions/runs/17"),
                ("CI", "true"),
            ],
        ),
    ] {
        std::fs::write(app.dir.path().join("plan.json"), plan(observed_at, &[]).to_string())
            .unwrap();
        let out = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &step(&readme, variable)])
            .current_dir(app.dir.path())
            .env("DRIFTPACK_URL", &app.base)
            .env("DRIFTPACK_ORG", &app.org)
            .env("DRIFTPACK_API_KEY", &key)
            .envs(known)
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let scan: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        assert_eq!((&scan["status"], &scan["state_source"]), (&json!("done"), &json!("prod")));
        assert_eq!(scan["ci"]["repository"], "acme/infra");
        assert_eq!(scan["ci"]["branch"], "main");
        assert_eq!(scan["ci"]["commit"], "4f2d9c1");
        assert_eq!(scan["ci"]["run_url"], "https://ci.example.com/acme/infra/actions/runs/17");
    }
}
