//! Downloading and deleting packs.

use db::OrgTx;
use db::exports::{Built, Entries};
use evidence::ids::ExportId;
use evidence::org::{Plan, Role};
use poem::http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use storage::Key;

use super::harness::{Answer, Server, cause, send, waits_for_a_lock};

const FILE: &[u8] = b"PK, as far as this test is concerned";

pub(super) async fn requested(server: &Server, owner: &str) -> ExportId {
    let body =
        json!({"period_start": "2026-01-01T00:00:00Z", "period_end": "2026-02-01T00:00:00Z"});
    let answer = send(server.of_org(Method::POST, "audit-exports", owner).json(&body)).await;
    answer.json()["id"].as_str().unwrap().parse().unwrap()
}

/// What the workflow leaves behind when it is done.
pub(super) async fn finish(server: &Server, id: ExportId) -> Key {
    let (key, built) = artifact(server, id).await;
    let mut tx = OrgTx::begin(&server.pool, server.org).await.unwrap();
    db::exports::begin(&mut tx, server.org, id, &cause()).await.unwrap();
    db::exports::complete(&mut tx, server.org, id, &built, &cause()).await.unwrap();
    tx.commit().await.unwrap();
    key
}

/// A file in storage, and what a finished run says of it.
async fn artifact(server: &Server, id: ExportId) -> (Key, Built) {
    let sha256: [u8; 32] = Sha256::digest(FILE).into();
    let key = Key::artifact(server.org.0, id.0, &sha256);
    let mut writer = server.storage.writer(&key).await.unwrap();
    writer.write(FILE.into()).await.unwrap();
    writer.close().await.unwrap();
    let built = Built {
        file_name: "compliance-pack-acme-2026-01-01_2026-02-01.zip".to_owned(),
        size_bytes: FILE.len() as u64,
        sha256,
        manifest_sha256: [1; 32],
        pdf_included: false,
        entries: Entries::default(),
        object_key: key.to_string(),
        attested_seq: 1,
        attested_hash: [2; 32],
    };
    (key, built)
}

async fn fetch(
    server: &Server,
    owner: &str,
    id: ExportId,
    headers: &[(&'static str, &str)],
) -> Answer {
    let mut request = server.of_org(Method::GET, &format!("audit-exports/{id}/download"), owner);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(request).await
}

/// How many bytes each recorded download has, in order.
async fn downloads(server: &Server) -> Vec<u64> {
    let entries = server.entries().await.into_iter();
    let entries = entries.filter(|entry| entry.action == "audit_export.downloaded");
    let bytes = |detail: &str| serde_json::from_str::<Value>(detail).unwrap()["bytes"].as_u64();
    entries.map(|entry| bytes(&entry.detail).unwrap()).collect()
}

#[sqlx::test(migrations = false)]
async fn a_pack_is_sent_whole_with_what_a_browser_needs(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let owner = server.member(Role::Owner).await;
    let id = requested(&server, &owner).await;
    let early = fetch(&server, &owner, id, &[]).await;
    assert_eq!(early.refusal(), (409, "not_ready".to_owned()));
    assert_eq!(early.json()["status"], "pending");
    assert_eq!(downloads(&server).await, [0; 0]);

    finish(&server, id).await;
    let whole = fetch(&server, &owner, id, &[]).await;
    assert_eq!((whole.status, whole.body.as_slice()), (200, FILE));
    let etag = format!("\"{}\"", hex::encode(Sha256::digest(FILE)));
    for (name, value) in [
        ("content-type", "application/zip"),
        ("etag", etag.as_str()),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("accept-ranges", "bytes"),
        ("content-length", "36"),
        (
            "content-disposition",
            "attachment; filename=\"compliance-pack-acme-2026-01-01_2026-02-01.zip\"",
        ),
    ] {
        assert_eq!(whole.header(name), value, "{name}");
    }
    assert_eq!(downloads(&server).await, [36]);
    let unchanged = fetch(&server, &owner, id, &[("if-none-match", &etag)]).await;
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    let path = format!("audit-exports/{id}/download");
    let head = send(server.of_org(Method::HEAD, &path, &owner)).await;
    assert_eq!((head.status, head.body.len(), head.header("content-length")), (200, 0, "36"));
    assert_eq!(downloads(&server).await, [36], "nothing was sent");
    assert_eq!(fetch(&server, &owner, id, &[]).await.status, 200);
    assert_eq!(downloads(&server).await, [36, 36]);
}

#[sqlx::test(migrations = false)]
async fn every_part_of_a_pack_is_on_record_with_its_bytes(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let owner = server.member(Role::Owner).await;
    let id = requested(&server, &owner).await;
    finish(&server, id).await;
    let part = fetch(&server, &owner, id, &[("range", "bytes=0-0")]).await;
    assert_eq!((part.status, part.body.as_slice()), (206, &FILE[..1]));
    assert_eq!(
        (part.header("content-range"), part.header("content-length")),
        ("bytes 0-0/36", "1")
    );
    let rest = fetch(&server, &owner, id, &[("range", "bytes=1-")]).await;
    assert_eq!((rest.status, rest.body.as_slice()), (206, &FILE[1..]));
    assert_eq!(fetch(&server, &owner, id, &[("range", "bytes=-1")]).await.status, 206);
    let stale = [("range", "bytes=4-9"), ("if-range", "\"other\"")];
    assert_eq!(fetch(&server, &owner, id, &stale).await.status, 200);
    assert_eq!(fetch(&server, &owner, id, &[("range", "bytes=0-")]).await.body, FILE);
    let outside = fetch(&server, &owner, id, &[("range", "bytes=36-")]).await;
    assert_eq!(outside.refusal(), (416, "range_not_satisfiable".to_owned()));
    assert_eq!(outside.header("content-range"), "bytes */36");
    assert_eq!(downloads(&server).await, [1, 35, 1, 36, 36]);
}

#[sqlx::test(migrations = false)]
async fn a_deleted_pack_is_gone_with_its_file_and_its_row_stays(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let owner = server.member(Role::Owner).await;
    let id = requested(&server, &owner).await;
    let key = finish(&server, id).await;
    let delete = || send(server.of_org(Method::DELETE, &format!("audit-exports/{id}"), &owner));
    assert_eq!(delete().await.status, 204);
    assert!(!server.storage.exists(&key).await.unwrap());
    assert_eq!(delete().await.status, 204, "again changes nothing");
    let gone = fetch(&server, &owner, id, &[]).await;
    assert_eq!(
        (gone.refusal(), &gone.json()["status"]),
        ((410, "gone".to_owned()), &json!("deleted"))
    );
    let row = server.get(&format!("audit-exports/{id}"), &owner).await.json();
    assert_eq!(row["status"], "deleted");
    let deleted =
        server.actions().await.iter().filter(|action| *action == "audit_export.deleted").count();
    assert_eq!(deleted, 1);
}

#[sqlx::test(migrations = false)]
async fn a_pack_that_is_published_while_it_is_deleted_leaves_no_file(pool: PgPool) {
    let server = Server::start(pool.clone(), Plan::Enterprise).await;
    let owner = server.member(Role::Owner).await;
    let id = requested(&server, &owner).await;
    let (key, built) = artifact(&server, id).await;
    let mut tx = OrgTx::begin(&server.pool, server.org).await.unwrap();
    db::exports::begin(&mut tx, server.org, id, &cause()).await.unwrap();
    db::exports::complete(&mut tx, server.org, id, &built, &cause()).await.unwrap();
    let delete = send(server.of_org(Method::DELETE, &format!("audit-exports/{id}"), &owner));
    let publish = async {
        waits_for_a_lock(&pool, "audit_exports").await;
        tx.commit().await.unwrap();
    };
    let (deleted, ()) = tokio::join!(delete, publish);
    assert_eq!(deleted.status, 204);
    assert!(!server.storage.exists(&key).await.unwrap());
}

#[sqlx::test(migrations = false)]
async fn a_pack_whose_file_is_missing_is_a_named_error_and_no_download(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let owner = server.member(Role::Owner).await;
    let id = requested(&server, &owner).await;
    let key = finish(&server, id).await;
    server.storage.remove(&key).await.unwrap();
    assert_eq!(
        fetch(&server, &owner, id, &[]).await.refusal(),
        (500, "artifact_missing".to_owned())
    );
    assert_eq!(downloads(&server).await, [0; 0]);
}

#[sqlx::test(migrations = false)]
async fn a_pack_whose_run_was_purged_can_be_read_and_deleted(pool: PgPool) {
    let server = Server::start(pool.clone(), Plan::Enterprise).await;
    let owner = server.member(Role::Owner).await;
    let (done, begun) = (requested(&server, &owner).await, requested(&server, &owner).await);
    finish(&server, done).await;
    let mut tx = OrgTx::begin(&server.pool, server.org).await.unwrap();
    db::exports::begin(&mut tx, server.org, begun, &cause()).await.unwrap();
    tx.commit().await.unwrap();
    let purged = sqlx::query("delete from engine.runs").execute(&pool).await.unwrap();
    assert_eq!(purged.rows_affected(), 2);
    let list = server.get("audit-exports", &owner).await;
    assert_eq!((list.status, &list.json()["total"]), (200, &json!(2)), "{list:?}");
    for id in [done, begun] {
        let path = format!("audit-exports/{id}");
        let row = server.get(&path, &owner).await;
        assert_eq!((row.status, &row.json()["progress"]), (200, &Value::Null), "{row:?}");
        let deleted = send(server.of_org(Method::DELETE, &path, &owner)).await;
        assert_eq!(deleted.status, 204, "{deleted:?}");
        assert_eq!(server.get(&path, &owner).await.json()["status"], "deleted");
    }
}
