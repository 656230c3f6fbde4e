//! The end of data: what a person and an organisation leave behind, and what they do not.

use std::time::Duration;

use serde_json::Value;
use tests::app::{App, Person};
use tests::{sql, wait};

use crate::main_job::feed;

/// What `driftpack admin audit verify` says, and whether it verifies.
fn verified(app: &App, slug: &str) -> Value {
    let (code, said) = app.exit(&["admin", "audit", "verify", "--org", slug]);
    let said: Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"));
    assert_eq!((code, said["status"].as_str()), (0, Some("ok")), "{said}");
    said
}

#[tokio::test]
async fn an_organisation_is_handed_over_and_deleted_and_its_chain_still_verifies() {
    let app = App::start().await;
    feed(&app).await;
    let id = app.request_pack("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z").await;
    app.finished_pack(&id).await;
    let (token, key) = (app.token(Person::Owner), app.api_key("read"));
    assert_eq!(app.http.get(&app.path("scans"), &key).await.status, 200);

    let out = app.dir.path().join("acme");
    let out = out.to_str().unwrap();
    app.run(&["admin", "org", "export", "--org", "acme", "--out", out]);
    let sums = std::process::Command::new("sha256sum")
        .args(["-c", "--strict", "--quiet", "SHA256SUMS"])
        .current_dir(out)
        .status();
    assert!(sums.unwrap().success());
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(format!("{out}/manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["chain"]["status"], "ok");
    let rows =
        |file: &str| std::fs::read_to_string(format!("{out}/{file}")).unwrap().lines().count();
    assert_eq!((rows("scans.ndjson"), rows("members.ndjson")), (6, 4));
    let (code, said) = app.exit(&["admin", "org", "export", "--org", "acme", "--out", out]);
    assert!(code == 4 && said.contains("is not empty"), "{said}");

    let delete = &["admin", "org", "delete", "--org", "acme", "--confirm", "acme"];
    let (code, said) = app.exit(&delete[..5]);
    assert!(code == 4 && said.contains("nothing was deleted"), "{said}");
    let (code, said) = app.exit(&["admin", "org", "delete", "--org", "acme", "--confirm", "acmee"]);
    assert!(code == 4 && said.contains("--confirm acme"), "{said}");
    assert_eq!(app.http.get(&app.path("scans"), &key).await.status, 200);

    app.run(delete);
    // At once, whatever the worker does.
    assert_eq!(app.http.get(&app.path("scans"), &key).await.status, 401);
    assert_eq!(app.http.get(&app.path("scans"), &token).await.status, 404);
    let sealed = wait::until("the seal", Duration::from_mins(1), async || {
        let said = verified(&app, "acme");
        said["sealed_at"].is_string().then_some(said)
    });
    let sealed = sealed.await;
    assert!(sealed["deleted_at"].is_string());
    assert_eq!(app.stored_files(), Vec::<String>::new());
    let left = "select (select count(*) from scans) + (select count(*) from findings)
                     + (select count(*) from audit_exports) + (select count(*) from memberships)";
    assert_eq!(sql::number(&app.database, left), 0);
    let last = "select action from admin_audit_log where chain <> '00000000-0000-0000-0000-000000000000' order by seq desc limit 1";
    assert_eq!(sql::query(&app.database, last).trim(), "org.deleted");
    let (code, said) = app.exit(delete);
    assert!(code == 0 && said.contains("its audit chain is sealed since"), "{said}");
    let (code, said) = app.exit(&["admin", "doctor"]);
    assert_eq!(code, 0, "{said}");
}

#[tokio::test]
async fn a_person_is_erased_and_what_they_did_still_verifies() {
    let app = App::start().await;
    app.add_member("acme", "jo@acme.example", Person::Owner);
    let id = app.request_pack("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z").await;
    app.finished_pack(&id).await;
    let before = verified(&app, "acme")["head_seq"].as_i64().unwrap();
    let (code, said) = app.exit(&["admin", "member", "erase", "--email", "nobody@acme.example"]);
    assert!(code == 0 && said.contains("nothing was erased"), "{said}");
    let (code, said) = app.exit(&["admin", "member", "erase", "--email", "JO@acme.example"]);
    assert!(code == 0 && said.contains("users: 1, memberships: 1"), "{said}");
    assert!(said.contains("packs that were built before keep what they have"), "{said}");
    // Of the membership and of the erasure.
    assert_eq!(verified(&app, "acme")["head_seq"].as_i64().unwrap(), before + 2);
    let named = "select count(*) from users where email ilike 'jo@%' or sub ilike 'jo@%'";
    assert_eq!(sql::number(&app.database, named), 0);
    let (code, said) = app.exit(&["admin", "member", "erase", "--email", "owner@acme.example"]);
    assert!(code == 4 && said.contains("the only owner of acme"), "{code} {said}");
}
