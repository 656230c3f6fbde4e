//! The audit chain as its readers see it.

use serde_json::{Value, json};
use tests::app::{App, Person};
use tests::sql;

use crate::main_job::feed;

#[tokio::test]
async fn every_act_lands_in_the_chain_and_the_chain_verifies() {
    let app = App::start().await;
    feed(&app).await;
    let id = app.request_pack("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z").await;
    app.finished_pack(&id).await;
    app.download(&id).await;
    app.http
        .delete(&app.path(&format!("audit-exports/{id}")), &app.token(Person::Owner))
        .await
        .expect(204);
    let page =
        app.http.get(&app.path("audit-log?limit=200"), &app.token(Person::Owner)).await.expect(200);
    let entries = page["entries"].as_array().unwrap();
    let actions: Vec<_> = entries.iter().map(|e| e["action"].as_str().unwrap()).collect();
    assert_eq!(actions[0], "org.created");
    assert_eq!(actions.iter().filter(|a| **a == "scan.ingested").count(), 6);
    for action in ["requested", "completed", "downloaded", "deleted"] {
        let name = format!("audit_export.{action}");
        assert_eq!(actions.iter().filter(|a| **a == name).count(), 1, "{name} in {actions:?}");
    }
    let seqs: Vec<_> = entries.iter().map(|e| e["seq"].as_i64().unwrap()).collect();
    assert_eq!(seqs, (1..=i64::try_from(seqs.len()).unwrap()).collect::<Vec<_>>());
}

#[tokio::test]
async fn verify_answers_for_any_position_and_notices_a_cut_tail() {
    let app = App::start().await;
    feed(&app).await;
    let owner = app.token(Person::Owner);
    let verify = |query: &str| {
        let path = app.path(&format!("audit-log/verify{query}"));
        let (http, owner) = (app.http.clone(), owner.clone());
        async move { http.get(&path, &owner).await.expect(200) }
    };
    let now = verify("").await;
    assert_eq!(now["status"], "ok", "{now}");
    let at = verify("?at_seq=2").await;
    let stored = sql::query(
        &app.database,
        &format!(
            "select encode(hash, 'hex') from admin_audit_log where chain = '{}' and seq = 2",
            app.org
        ),
    );
    assert_eq!(at["at"], json!({"seq": 2, "hash_hex": stored}));
    assert_eq!(verify("?expected_min_seq=100000").await["status"], "truncated");
}

#[tokio::test]
async fn an_edit_behind_the_programs_back_is_found_and_named() {
    for (edit, kind) in [
        (
            "update admin_audit_log set canonical = replace(canonical, 'success', 'failure') where seq = 3 and chain = '{}'",
            "content",
        ),
        (
            "update admin_audit_log set actor_id = 'somebody-else' where seq = 3 and chain = '{}'",
            "columns",
        ),
        ("delete from admin_audit_log where seq = 3 and chain = '{}'", "gap"),
        (
            "update audit_chain_heads set hash = decode(repeat('ab', 32), 'hex') where chain = '{}'",
            "head",
        ),
    ] {
        let app = App::start().await;
        feed(&app).await;
        let edit = edit.replace("{}", &app.org);
        sql::query(&app.database, &format!("set session_replication_role = replica; {edit}"));
        let verdict: Value = app
            .http
            .get(&app.path("audit-log/verify"), &app.token(Person::Owner))
            .await
            .expect(200);
        assert_eq!(verdict["status"], "broken", "{verdict}");
        assert_eq!(verdict["first_bad"]["kind"], kind, "{verdict}");
    }
}

#[tokio::test]
async fn the_audit_log_is_for_owners_and_admins() {
    let app = App::start().await;
    for person in [Person::Member, Person::Viewer] {
        let answer = app.http.get(&app.path("audit-log"), &app.token(person)).await;
        assert_eq!((answer.status, answer.error().as_str()), (403, "role_required"));
    }
}
