//! What the guides for programs and for auditors tell people to type, typed.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tests::app::{App, Person};
use tests::plan::{changed, plan};
use tests::setting;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The blocks of a document in one language, in order.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(document)).unwrap();
    let fence = format!("\n```{language}\n");
    let blocks = text.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap());
    blocks.map(str::to_owned).collect()
}

/// A service, and a folder with a scan in which one resource has drifted.
async fn set_up() -> (App, tempfile::TempDir) {
    let app = App::start().await;
    let folder = tempfile::tempdir().unwrap();
    let drift = [changed("aws_instance", "web", "ami", &json!("a"), &json!("b"))];
    let scan = plan("2026-01-11T08:00:00Z", &drift).to_string();
    std::fs::write(folder.path().join("plan.json"), scan).unwrap();
    // The documents call the program by its name.
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(setting::program(), bin.join("driftpack")).unwrap();
    (app, folder)
}

/// Runs a program in the folder, with what the guide says must be set; gives what it printed.
fn run(app: &App, folder: &Path, command: &mut Command) -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = format!("{}:{}", folder.join("bin").display(), path.display());
    let out = command
        .current_dir(folder)
        .env("PATH", path)
        .env("DRIFTPACK_URL", &app.base)
        .env("DRIFTPACK_ORG", &app.org)
        .env("DRIFTPACK_API_KEY", app.api_key("read,write"))
        .env("DRIFTPACK_TOKEN", app.token(Person::Owner))
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    assert!(out.status.success(), "{said}");
    said
}

fn says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "{word} is not in:\n{said}");
    }
}

#[tokio::test]
async fn every_command_of_the_guide_does_what_it_says() {
    let (app, folder) = set_up().await;
    let script = blocks("openapi/GUIDE.md", "bash");
    assert_eq!(script.len(), 6, "{script:?}");
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &script.join("\n")]);
    let said = run(&app, folder.path(), &mut bash);
    says(
        &said,
        &[
            &format!("acme  {}", app.org),
            "done, 1 drifted",
            "aws_instance.web",
            ".zip: OK",
            "result",
        ],
    );
}

#[tokio::test]
async fn the_examples_of_the_guide_for_python_and_typescript_run() {
    let (app, folder) = set_up().await;
    let made = |path: &str| {
        let path = root().join(".dev/sdk").join(path);
        assert!(path.exists(), "{} is missing: run `./dev sdk` first", path.display());
        path
    };
    let [python] = &blocks("openapi/GUIDE.md", "python")[..] else { panic!("one example") };
    let said = run(
        &app,
        folder.path(),
        Command::new(made("python/bin/python")).args(["-B", "-c", python]),
    );
    says(&said, &["1 drifted", "verified compliance-pack-acme-2026-01-01_2026-04-01.zip", "422 "]);
    let [typescript] = &blocks("openapi/GUIDE.md", "ts")[..] else { panic!("one example") };
    // Packages are looked up beside the file; the example has no types, so that it is JavaScript, too.
    let example = made("typescript").join(format!("guide-{:016x}.mjs", rand::random::<u64>()));
    std::fs::write(&example, typescript).unwrap();
    std::fs::remove_file(folder.path().join("compliance-pack-acme-2026-01-01_2026-04-01.zip"))
        .unwrap();
    let said = run(&app, folder.path(), Command::new(made("tools/bin/node")).arg(&example));
    std::fs::remove_file(&example).unwrap();
    says(&said, &["1 drifted", "verified compliance-pack-acme-2026-01-01_2026-04-01.zip"]);
}

#[tokio::test]
async fn an_auditor_finds_a_pack_right_by_the_commands_of_their_guide() {
    let (app, folder) = set_up().await;
    app.ingest("prod", &plan("2026-01-11T08:00:00Z", &[])).await;
    let mut packs = Vec::new();
    for (name, end) in [
        ("earlier.zip", "2026-02-01"),
        ("compliance-pack-acme-2026-01-01_2026-04-01.zip", "2026-04-01"),
    ] {
        let id = app.request_pack("2026-01-01T00:00:00Z", &format!("{end}T00:00:00Z")).await;
        app.finished_pack(&id).await;
        packs.push((name, app.download(&id).await));
    }
    for (name, zip) in &packs {
        std::fs::copy(zip, folder.path().join(name)).unwrap();
    }
    let verifier = root().join("openapi/sdk/python/driftpack_client/verify_pack.py");
    std::fs::copy(verifier, folder.path().join("verify_pack.py")).unwrap();
    let keys = app.http.root(&app.base, "/.well-known/driftpack-keys.json").await;
    std::fs::write(folder.path().join("acme.pub"), keys.body).unwrap();
    let script = blocks("AUDITING.md", "bash");
    assert_eq!(script.len(), 5, "{script:?}");
    let mut bash = Command::new("bash");
    let said = run(&app, folder.path(), bash.args(["-euo", "pipefail", "-c", &script.join("\n")]));
    says(
        &said,
        &["every listed file is as it was written", "and there is no other", "trust on first use"],
    );
    // One changed byte, and the first command fails.
    let table = folder.path().join("pack/findings.csv");
    let changed = std::fs::read_to_string(&table).unwrap().replacen("number", "numbre", 1); // typos: ignore
    std::fs::write(&table, changed).unwrap();
    let check = "cd pack && sha256sum --check --strict --quiet MANIFEST.txt";
    let out = Command::new("bash").args(["-c", check]).current_dir(folder.path()).output().unwrap();
    assert!(!out.status.success());
}
