//! The pages with a real browser: from nothing to the first pack, with the keyboard, without scripts, on a phone, in both themes.
//! Pictures of every page lie in `.dev/screens` afterwards, to be looked at.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tests::app::App;
use tests::plan::{changed, plan};
use tests::setting;

#[tokio::test]
async fn people_get_from_nothing_to_a_verified_pack_and_every_page_works_for_everybody() {
    let app = App::start().await;
    app.platform_admin();
    let file = app.dir.path().join("plan.json");
    let drift = [changed("aws_instance", "web", "ami", &json!("a"), &json!("b"))];
    std::fs::write(&file, plan("2026-01-05T00:00:00Z", &drift).to_string()).unwrap();
    let screens = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.dev/screens");
    let out = Command::new("node")
        .args(["screens.mjs", &app.base, &setting::chromium()])
        .args([&screens, &file])
        .current_dir(setting::oidc_provider())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let saw: Value = serde_json::from_slice(&out.stdout).unwrap();
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
    let none = ["faults", "elsewhere", "axe", "wider"].map(|list| (list, &saw[list]));
    assert!(none.iter().all(|(_, found)| **found == json!([])), "{none:#?}");
}
