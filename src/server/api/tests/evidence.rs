//! What requests leave in the audit log, and what verification says when somebody else was at it.

use evidence::chain::ChainId;
use evidence::org::{Plan, Role};
use poem::http::Method;
use serde_json::json;
use sqlx::PgPool;

use super::harness::{Server, send};

#[sqlx::test(migrations = false)]
async fn no_caller_chooses_the_origin_of_an_entry(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let owner = server.member(Role::Owner).await;
    let body =
        json!({"period_start": "2026-01-01T00:00:00Z", "period_end": "2026-02-01T00:00:00Z"});
    let request = server.of_org(Method::POST, "audit-exports", &owner).json(&body);
    let answer = send(request.header("x-request-id", "chosen")).await;
    assert_eq!((answer.status, answer.header("x-request-id")), (202, "chosen"));
    let ours = answer.header("x-driftpack-request-id");
    assert!(ours.parse::<uuid::Uuid>().is_ok(), "{ours}");
    let entries = server.entries().await;
    assert_eq!(entries.last().unwrap().origin, ours);
    assert!(entries.iter().all(|entry| entry.origin != "chosen"));
}

#[sqlx::test(migrations = false)]
async fn a_verification_is_recorded_unless_only_its_head_is_asked_for(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let owner = server.member(Role::Owner).await;
    let before = server.actions().await.len();
    let head = send(server.of_org(Method::HEAD, "audit-log/verify", &owner)).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(server.actions().await.len(), before);
    let verdict = server.get("audit-log/verify", &owner).await.json();
    assert_eq!((&verdict["status"], &verdict["checked"]), (&json!("ok"), &json!(before)));
    assert_eq!(server.actions().await.last().unwrap(), "audit_log.verified");
}

#[sqlx::test(migrations = false)]
async fn a_chain_that_was_tampered_with_gets_its_verdict_and_no_entry(pool: PgPool) {
    let server = Server::start(pool.clone(), Plan::Enterprise).await;
    let owner = server.member(Role::Owner).await;
    server.member(Role::Admin).await;
    let before = server.actions().await.len();
    let as_it_was = "create table heads as select * from audit_chain_heads";
    sqlx::query(as_it_was).execute(&pool).await.unwrap();
    for tamper in [
        "update audit_chain_heads set seq = seq - 1, hash = (
           select hash from admin_audit_log as entry
            where entry.chain = audit_chain_heads.chain and entry.seq = audit_chain_heads.seq - 1)
          where chain = $",
        "update audit_chain_heads set hash = decode(repeat('ab', 32), 'hex') where chain = $",
        "update audit_chain_heads set seq = 0, hash = null where chain = $",
        "delete from audit_chain_heads where chain = $",
    ] {
        behind_its_back(&pool, &tamper.replace('$', &format!("'{}'", server.org))).await;
        let answer = server.get("audit-log/verify", &owner).await;
        assert_eq!(answer.status, 200, "{tamper}: {answer:?}");
        let verdict = answer.json();
        assert_eq!(verdict["first_bad"]["kind"], "head", "{tamper}: {verdict}");
        assert_eq!(server.actions().await.len(), before, "{tamper}");
        let (outcome, detail) = last_of_platform(&server).await;
        assert_eq!(outcome, "failure", "{tamper}");
        assert!(detail.contains(&server.org.to_string()), "{detail}");
        let org = server.org;
        let restore = format!(
            "delete from audit_chain_heads where chain = '{org}';
             insert into audit_chain_heads select * from heads where chain = '{org}'"
        );
        behind_its_back(&pool, &restore).await;
    }
}

/// Changes the tables as somebody with the database's own rights can.
async fn behind_its_back(owner: &PgPool, change: &str) {
    let change = format!("begin; set local session_replication_role = replica; {change}; commit");
    sqlx::raw_sql(sqlx::AssertSqlSafe(change)).execute(owner).await.unwrap();
}

async fn last_of_platform(server: &Server) -> (String, String) {
    let mut tx = server.pool.begin().await.unwrap();
    db::scope_platform(&mut tx).await.unwrap();
    let filter = db::chain::Filter { limit: 1000, ..db::chain::Filter::default() };
    let entries = db::chain::list(&mut tx, ChainId::Platform, &filter).await.unwrap();
    let last = entries.into_iter().next_back().unwrap();
    assert_eq!(last.action, "audit_log.verified");
    (last.outcome, last.detail)
}

#[sqlx::test(migrations = false)]
async fn a_verification_that_cannot_be_recorded_is_answered(pool: PgPool) {
    let server = Server::start(pool.clone(), Plan::Enterprise).await;
    let owner = server.member(Role::Owner).await;
    sqlx::query("revoke insert on admin_audit_log from driftpack_app")
        .execute(&pool)
        .await
        .unwrap();
    let answer = server.get("audit-log/verify", &owner).await;
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("ok")));
}
