//! What somebody with the rights of a superuser and no scruples does to an audit chain: past every trigger.

use evidence::action::Actor;
use evidence::chain::{ChainId, Draft, Hash, Sealed, Text, seal};
use sqlx::postgres::{PgConnection, PgPool};

/// Changes a byte of the text of entry `seq`.
pub async fn edit(owner: &PgPool, chain: ChainId, seq: i64) {
    let sql = "update admin_audit_log set canonical = overlay(canonical placing '#' from 20)
                where chain = $1 and seq = $2";
    change(owner, &[sql], chain, seq).await;
}

/// Takes entry `seq` out.
pub async fn remove(owner: &PgPool, chain: ChainId, seq: i64) {
    let sql = "delete from admin_audit_log where chain = $1 and seq = $2";
    change(owner, &[sql], chain, seq).await;
}

/// Cuts off everything from entry `seq` on, and makes the head say so.
pub async fn truncate(owner: &PgPool, chain: ChainId, seq: i64) {
    let entries = "delete from admin_audit_log where chain = $1 and seq >= $2";
    let head = "update audit_chain_heads as head
                   set seq = entry.seq, hash = entry.hash, created_at = entry.created_at
                  from admin_audit_log as entry
                 where head.chain = $1 and entry.chain = $1 and entry.seq = $2 - 1";
    change(owner, &[entries, head], chain, seq).await;
}

/// Rewrites everything from entry `seq` on, hashes, links and head included: what is left is whole in itself.
pub async fn fork(owner: &PgPool, chain: ChainId, seq: i64) {
    let mut tx = owner.begin().await.expect("a transaction");
    unbound(&mut tx).await;
    let filter = crate::chain::Filter { after_seq: seq - 1, limit: 10_000, ..Default::default() };
    let entries = crate::chain::list(&mut tx, chain, &filter).await.expect("the entries");
    let mut previous: Option<Hash> = None;
    for entry in entries {
        let text = Text::parse(&entry.canonical).expect("an intact entry");
        previous = previous.or(text.prev_hash);
        let forged = forged(&text, previous);
        previous = Some(forged.hash);
        write(&mut tx, &forged).await;
    }
    let head = "update audit_chain_heads set hash = $2 where chain = $1";
    let head = sqlx::query(head).bind(chain.as_uuid()).bind(previous.map(|hash| hash.to_vec()));
    head.execute(&mut *tx).await.expect("the head");
    tx.commit().await.expect("a commit");
}

fn forged(text: &Text<'_>, previous: Option<Hash>) -> Sealed {
    let draft = Draft {
        id: text.id,
        actor: Actor {
            kind: text.actor_type.parse().expect("a kind"),
            id: text.actor_id.clone().into_owned(),
        },
        action: text.action.parse().expect("an action"),
        detail: text.members(),
        origin: "forged".to_owned(),
        outcome: text.outcome.parse().expect("an outcome"),
    };
    seal(draft, text.chain, text.seq, text.created_at, previous).expect("an entry that fits")
}

async fn write(conn: &mut PgConnection, entry: &Sealed) {
    let sql = "update admin_audit_log set origin = $3, prev_hash = $4, hash = $5, canonical = $6
                where chain = $1 and seq = $2";
    let query = sqlx::query(sql).bind(entry.chain.as_uuid()).bind(entry.seq).bind(&entry.origin);
    let query = query.bind(entry.prev_hash.map(|hash| hash.to_vec()));
    let query = query.bind(entry.hash.to_vec()).bind(&entry.canonical);
    assert_eq!(query.execute(conn).await.expect("an update").rows_affected(), 1);
}

/// Runs each statement for the chain ($1) and the position ($2); each must change something.
async fn change(owner: &PgPool, statements: &[&'static str], chain: ChainId, seq: i64) {
    let mut tx = owner.begin().await.expect("a transaction");
    unbound(&mut tx).await;
    for sql in statements {
        let query = sqlx::query(*sql).bind(chain.as_uuid()).bind(seq);
        let done = query.execute(&mut *tx).await.expect("a change");
        assert_ne!(done.rows_affected(), 0, "{sql}");
    }
    tx.commit().await.expect("a commit");
}

/// Triggers do not fire in this transaction.
async fn unbound(conn: &mut PgConnection) {
    sqlx::query("set local session_replication_role = replica")
        .execute(conn)
        .await
        .expect("the rights of a superuser");
}
