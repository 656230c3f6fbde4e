//! Deleting an organisation: what the server's role cannot do, and what whoever was still at work comes to feel.

use db::deletion::{self, Gone};
use db::handover::{LEFT_OUT, RELATIONS, rows};
use db::section::Snapshot;
use db::{OrgTx, orgs};
use evidence::chain::{ChainId, Status};
use futures_util::TryStreamExt as _;
use sqlx::{AssertSqlSafe, PgPool};

use crate::support::{World, cause, ingest, showing};

async fn begin(world: &World) {
    let mut tx = world.owner.begin().await.unwrap();
    assert!(deletion::begin(&mut tx, world.org, &cause(9)).await.unwrap());
    tx.commit().await.unwrap();
}

async fn seal(world: &World) -> bool {
    let mut tx = world.tx().await;
    let sealed = deletion::seal(&mut tx, Gone::default(), &cause(9)).await.unwrap();
    tx.commit().await.unwrap();
    sealed
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_role_that_serves_can_delete_no_organisation(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(1, showing(&["a"])).await;
    let mut tx = world.app.begin().await.unwrap();
    let refused = deletion::begin(&mut tx, world.org, &cause(9)).await.unwrap_err();
    assert!(format!("{refused:?}").contains("permission denied"), "{refused:?}");
    drop(tx);
    let mut tx = world.tx().await;
    let refused = deletion::remove_rows(&mut tx, 10).await.unwrap_err();
    assert!(format!("{refused:?}").contains("its rows stay"), "{refused:?}");
    for sql in [
        "update audit_chain_heads set sealed_at = now()",
        "update orgs set deleted_at = now()",
        "delete from org_plan_versions",
        "delete from state_source_versions",
        "delete from audit_exports",
    ] {
        let mut tx = world.tx().await;
        assert!(sqlx::query(sql).execute(&mut *tx).await.is_err(), "{sql}");
    }
    // Nor does the owner by mistake.
    for table in ["org_plan_versions", "state_source_versions", "scans", "finding_events"] {
        let mut tx = OrgTx::begin(&world.owner, world.org).await.unwrap();
        let sql = AssertSqlSafe(format!("delete from {table}"));
        assert!(sqlx::query(sql).execute(&mut *tx).await.is_err(), "{table}");
    }
    assert_eq!(world.verify().await.verdict.status, Status::Ok);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn who_was_still_at_work_changes_nothing_after_the_seal(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(1, showing(&["a"])).await;
    // It was let in before, and has not written yet.
    let mut late = world.tx().await;
    begin(&world).await;
    // Another one comes in between, and is swept away with the rest.
    world.scan(2, showing(&["a", "b"])).await;
    assert!(seal(&world).await);
    assert!(!seal(&world).await, "once");
    let refused = db::scans::ingest(&mut late, ingest(world.source, 3, showing(&["c"]))).await;
    assert!(refused.is_err(), "{refused:?}");
    drop(late);
    for table in ["scans", "findings", "finding_events", "state_sources", "memberships"] {
        let sql = AssertSqlSafe(format!("select count(*) from {table}"));
        let rows: i64 = sqlx::query_scalar(sql).fetch_one(&world.owner).await.unwrap();
        assert_eq!(rows, 0, "{table}");
    }
    assert_eq!(world.verify().await.verdict.status, Status::Ok);
    let mut tx = world.tx().await;
    assert!(deletion::sealed_at(&mut tx).await.unwrap().is_some());
    assert_eq!(orgs::find(&mut tx, world.org).await.unwrap(), None);
    assert_eq!(orgs::find_by_slug(&mut tx, "acme").await.unwrap(), None);
    let known = deletion::find(&mut tx, "acme").await.unwrap().unwrap();
    assert!(known.deleted_at.is_some());
    drop(tx);
    // It is neither given back nor is its name given away.
    let back = sqlx::query("update orgs set deleted_at = null").execute(&world.owner).await;
    assert!(back.unwrap_err().to_string().contains("stays so"));
    let mut tx = world.app.begin().await.unwrap();
    let taken = orgs::create(&mut tx, "acme", "Acme", evidence::org::Plan::Free, &cause(9)).await;
    assert!(matches!(taken, Err(db::Error::Taken { .. })), "{taken:?}");
    drop(tx);
    // Checks of all chains go on to check this one.
    let chain = ChainId::Org(world.org);
    let extent = evidence::chain::Extent::Full;
    let run = uuid::Uuid::from_u128(7);
    let db::chain_checks::Look::Found(_) =
        db::chain_checks::verify(&world.app, chain, extent, run).await.unwrap()
    else {
        panic!("it was not looked at yet");
    };
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn everything_of_an_organisation_is_handed_over_or_left_out_for_a_reason(pool: PgPool) {
    let world = World::new(pool).await;
    let (other, _, _) = World::org(&world.app, "other").await;
    world.scan(1, showing(&["a", "b"])).await;
    world.scan(2, showing(&["b"])).await;
    let mut snapshot = Snapshot::begin(&world.app, world.org).await.unwrap();
    let mut told = 0;
    for relation in RELATIONS {
        let all: Vec<String> =
            rows(&mut snapshot, world.org, *relation).try_collect().await.unwrap();
        for row in &all {
            let row: serde_json::Value = serde_json::from_str(row).unwrap();
            assert!(row.is_object() && !row.to_string().contains(&other.to_string()));
            assert!(row.get("key_hmac").is_none());
        }
        told += all.len();
        if relation.name == "findings" {
            assert_eq!(all.len(), 2);
        }
    }
    assert!(told > 10, "{told}");
    let mut known: Vec<&str> = RELATIONS.iter().map(|relation| relation.name).collect();
    known.extend(LEFT_OUT.iter().map(|(table, _)| *table));
    let tables: Vec<String> = sqlx::query_scalar(
        "select distinct c.relname::text from pg_class c
           join pg_attribute a on a.attrelid = c.oid and a.attname in ('org_id', 'chain')
          where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'",
    )
    .fetch_all(&world.owner)
    .await
    .unwrap();
    for table in tables {
        assert!(known.contains(&table.as_str()), "{table} is neither handed over nor left out");
    }
}
