//! Commits that let the chain go before they wait for the disk.

use db::chain;
use evidence::action::{Action, Outcome};
use evidence::chain::{ChainId, Draft, Status};
use evidence::ids::v7;
use sqlx::PgPool;
use sqlx::postgres::{PgConnection, PgPoolOptions};

use crate::support::{World, cause};

async fn append(conn: &mut PgConnection, chain: ChainId) {
    let cause = cause(1);
    let entry = Draft {
        id: v7(cause.now, rand::random()),
        actor: cause.actor,
        action: Action::AuditLogVerified,
        detail: serde_json::Map::new(),
        origin: "test".to_owned(),
        outcome: Outcome::Success,
    };
    chain::append(conn, chain, entry).await.unwrap();
}

/// The same world through one connection, on which commits wait for the disk, or for what else `level` says.
async fn committing_by(world: World, level: &'static str) -> World {
    let app = PgPoolOptions::new()
        .max_connections(1)
        .after_connect(move |conn, _| {
            Box::pin(async move {
                sqlx::query("set role driftpack_app").execute(&mut *conn).await?;
                let set = "select set_config('synchronous_commit', $1, false)";
                sqlx::query(set).bind(level).execute(conn).await.map(drop)
            })
        })
        .connect_with((*world.owner.connect_options()).clone())
        .await
        .unwrap();
    World { app, ..world }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn whoever_returns_from_a_shared_flush_finds_the_log_on_disk_up_to_there(pool: PgPool) {
    let world = committing_by(World::new(pool).await, "on").await;
    for _ in 0..20 {
        let mut tx = world.tx().await;
        append(&mut tx, ChainId::Org(world.org)).await;
        let inserted: String = sqlx::query_scalar("select pg_current_wal_insert_lsn()::text")
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        tx.commit_sharing_flush().await.unwrap();
        let is_flushed: bool = sqlx::query_scalar("select pg_current_wal_flush_lsn() > $1::pg_lsn")
            .bind(inserted)
            .fetch_one(&world.app)
            .await
            .unwrap();
        assert!(is_flushed);
    }
    assert_eq!(world.verify().await.verdict.status, Status::Ok);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn what_the_operator_has_set_is_in_force_again_after_a_shared_flush(pool: PgPool) {
    let mut world = World::new(pool).await;
    for level in ["on", "local", "remote_write", "remote_apply", "off"] {
        world = committing_by(world, level).await;
        let mut tx = world.tx().await;
        append(&mut tx, ChainId::Org(world.org)).await;
        tx.commit_sharing_flush().await.unwrap();
        let shown: String =
            sqlx::query_scalar("show synchronous_commit").fetch_one(&world.app).await.unwrap();
        assert_eq!(shown, level);
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_transaction_that_has_failed_is_not_taken_for_committed(pool: PgPool) {
    let world = World::new(pool).await;
    let before = world.verify().await.verdict.head_seq;
    let mut tx = world.tx().await;
    append(&mut tx, ChainId::Org(world.org)).await;
    sqlx::query("select 1 / 0").execute(&mut *tx).await.unwrap_err();
    tx.commit_sharing_flush().await.unwrap_err();
    assert_eq!(world.verify().await.verdict.head_seq, before);
    // A connection that goes back to the pool works for nobody.
    let world = committing_by(world, "on").await;
    let mut tx = world.tx().await;
    append(&mut tx, ChainId::Org(world.org)).await;
    tx.commit_sharing_flush().await.unwrap();
    let scope: Option<uuid::Uuid> =
        sqlx::query_scalar("select driftpack_org()").fetch_one(&world.app).await.unwrap();
    assert_eq!(scope, None);
}
