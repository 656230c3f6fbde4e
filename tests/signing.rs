//! Keys that sign packs: changing them while packs are built, running out of them, what is published.

use std::time::Duration;

use serde_json::Value;
use tests::app::{App, Options, Person};
use tests::{sql, wait};

use crate::main_job::feed;

const JANUARY: (&str, &str) = ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
const KEYS: &str = "/.well-known/driftpack-keys.json";
const LIMIT: Duration = Duration::from_mins(1);

async fn published(app: &App) -> Vec<Value> {
    app.http.root(&app.base, KEYS).await.expect(200)["keys"].as_array().unwrap().clone()
}

fn signer(app: &App, zip: &std::path::Path, url: &str) -> String {
    let report = app.run(&["verify", zip.to_str().unwrap(), "--keys-url", url, "--json"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    report["pack"]["signed_by"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn keys_are_changed_while_packs_are_built_and_every_pack_verifies_with_what_is_published() {
    let app = App::start().await;
    feed(&app).await;
    let url = format!("{}{KEYS}", app.base);
    let first = published(&app).await;
    assert_eq!(first.len(), 1);
    let old = first[0]["kid"].as_str().unwrap().to_owned();
    let mut packs = vec![app.request_pack(JANUARY.0, JANUARY.1).await];
    app.finished_pack(&packs[0]).await;
    // Under way while the key is changed.
    packs.push(app.request_pack(JANUARY.0, JANUARY.1).await);
    let new = app.run(&["admin", "signing-key", "create", "--days", "365"]).trim().to_owned();
    packs.push(app.request_pack(JANUARY.0, JANUARY.1).await);
    wait::until("the new key is published", LIMIT, async || {
        published(&app).await.iter().any(|key| key["kid"] == *new).then_some(())
    })
    .await;
    packs.push(app.request_pack(JANUARY.0, JANUARY.1).await);
    for id in &packs {
        app.finished_pack(id).await;
    }
    app.run(&["admin", "signing-key", "retire", &old]);
    let ended = wait::until("the old key's end is published", LIMIT, async || {
        let keys = published(&app).await;
        let key = keys.iter().find(|key| key["kid"] == *old).expect("it stays published").clone();
        key["not_after"].is_string().then_some(key)
    })
    .await;
    assert!(ended["not_before"].is_null(), "{ended}");
    let private = std::fs::read_to_string(app.dir.path().join("signing-key.pem")).unwrap();
    assert_eq!(private.matches("BEGIN PRIVATE KEY").count(), 1, "the old private half is gone");
    let mut signers = Vec::new();
    for id in &packs {
        let zip = app.download(id).await;
        signers.push(signer(&app, &zip, &url));
    }
    assert_eq!((&signers[0], &signers[3]), (&old, &new), "{signers:?}");
    assert!(signers.iter().all(|kid| [&old, &new].contains(&kid)), "{signers:?}");
    let listed = app.run(&["admin", "signing-key", "list"]);
    assert!(listed.contains("retired") && listed.contains("signs"), "{listed}");
}

#[tokio::test]
async fn a_signature_from_outside_of_its_keys_validity_is_a_fault() {
    let app = App::start().await;
    feed(&app).await;
    let id = app.request_pack(JANUARY.0, JANUARY.1).await;
    app.finished_pack(&id).await;
    let zip = app.download(&id).await;
    let document = app.http.root(&app.base, KEYS).await.expect(200).to_string();
    let list = app.dir.path().join("keys.json");
    for (end, code) in [("\"2999-01-01T00:00:00Z\"", 0), ("\"2026-01-01T00:00:00Z\"", 1)] {
        std::fs::write(
            &list,
            document.replace("\"not_after\":null", &format!("\"not_after\":{end}")),
        )
        .unwrap();
        let (found, said) =
            app.exit(&["verify", zip.to_str().unwrap(), "--key", list.to_str().unwrap()]);
        assert_eq!(found, code, "{said}");
        assert_eq!(said.contains("was not valid when the pack was signed"), code == 1, "{said}");
    }
}

#[tokio::test]
async fn a_key_that_runs_out_holds_packs_up_until_there_is_another_one() {
    let mut app = App::start().await;
    feed(&app).await;
    app.terminate();
    app.ended().await;
    // A key that ended long ago, written as its holder would.
    let file = app.dir.path().join("signing-key.pem");
    let pem = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("not_after: 2026-01-01T00:00:00Z\n{pem}")).unwrap();
    let (code, said) = app.exit(&["all"]);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("DRIFTWISE_SIGNING_KEY_FILE: no key in it is valid now"), "{said}");
    assert!(said.contains("2026-01-01") && said.contains("signing-key create"), "{said}");

    std::fs::write(&file, &pem).unwrap();
    app.spawn().await;
    std::fs::write(&file, format!("not_after: 2026-01-01T00:00:00Z\n{pem}")).unwrap();
    wait::until("the end is seen", LIMIT, async || {
        published(&app).await[0]["not_after"].is_string().then_some(())
    })
    .await;
    let id = app.request_pack(JANUARY.0, JANUARY.1).await;
    let told = wait::until("a failed attempt", LIMIT, async || {
        let error = "select error ->> 'message' from engine.attempts where error ->> 'code' = 'no_valid_signing_key' limit 1";
        let error = sql::query(&app.database, error);
        (!error.is_empty()).then_some(error)
    })
    .await;
    assert!(told.contains("signing-key create"), "{told}");
    let row =
        app.http.get(&app.path(&format!("audit-exports/{id}")), &app.token(Person::Owner)).await;
    assert_eq!(row.expect(200)["status"], "running");
    // A pack speaks of the moment of its data, so a key that begins now would come too late for it.
    app.run(&["admin", "signing-key", "create", "--not-before", "2026-01-01T00:00:00Z"]);
    app.finished_pack(&id).await;
    assert!(!app.log().contains(pem.lines().nth(1).unwrap()), "no secret is in the log");
}

#[tokio::test]
async fn keys_from_the_environment_sign_and_old_ones_stay_published() {
    let made = App::start().await;
    let print = ["admin", "signing-key", "create", "--print"];
    let (old, new) = (made.run(&print), made.run(&print));
    let kid = |text: &str| text.lines().next().unwrap().rsplit(' ').next().unwrap().to_owned();
    let retired = made.dir.path().join("old.json");
    let (file, settings) = (retired.to_str().unwrap().to_owned(), |text: &str| {
        vec![
            ("DRIFTWISE_SIGNING_KEY_FILE", String::new()),
            ("DRIFTWISE_SIGNING_KEY", text.to_owned()),
        ]
    });
    // The document of the old key's time, with its end, becomes the list of retired keys.
    let listed = made.exit_with(
        &[("DRIFTWISE_SIGNING_KEY_FILE", ""), ("DRIFTWISE_SIGNING_KEY", old.as_str())],
        &["admin", "signing-key", "list", "--json"],
    );
    assert_eq!(listed.0, 0, "{}", listed.1);
    let ended = listed.1.replace("\"not_after\": null", "\"not_after\": \"2999-01-01T00:00:00Z\"");
    std::fs::write(&retired, ended).unwrap();
    let settings = [settings(&new), vec![("DRIFTWISE_RETIRED_KEYS_FILE", file)]].concat();
    let app = App::start_with(Options { settings, ..Options::default() }).await;
    let keys: Vec<_> = published(&app).await.iter().map(|key| key["kid"].clone()).collect();
    assert_eq!(keys, [kid(&new), kid(&old)].map(Value::from));
    feed(&app).await;
    let id = app.request_pack(JANUARY.0, JANUARY.1).await;
    app.finished_pack(&id).await;
    let zip = app.download(&id).await;
    assert_eq!(signer(&app, &zip, &format!("{}{KEYS}", app.base)), kid(&new));
}
