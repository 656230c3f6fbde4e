//! The life of an export.

use chrono::Duration;
use db::exports::{self, Built, Entries, Entry, Export, Opened, Request, Status};
use db::{Error, chain};
use evidence::chain::ChainId;
use evidence::ids::{ExportId, v7};
use evidence::org::Role;
use sqlx::PgPool;

use crate::support::{World, at, cause, period};

async fn requested(world: &World) -> Export {
    let mut tx = world.tx().await;
    let request = Request {
        id: ExportId(v7(at(100), rand::random())),
        period: period(0, 50),
        requested_by: world.user,
        role: Role::Owner,
        workflow_run_id: v7(at(100), rand::random()),
    };
    let person = world.person(100);
    let export = exports::request(&mut tx, world.org, &request, &person).await.unwrap();
    tx.commit().await.unwrap();
    export
}

fn built(byte: u8) -> Built {
    Built {
        file_name: "compliance-pack-acme.zip".to_owned(),
        size_bytes: 12,
        sha256: [byte; 32],
        manifest_sha256: [2; 32],
        pdf_included: false,
        entries: Entries(vec![Entry {
            name: "findings.csv".to_owned(),
            rows: Some(0),
            bytes: 10,
            sha256: "00".repeat(32),
        }]),
        object_key: "artifacts/x".to_owned(),
        attested_seq: 3,
        attested_hash: [3; 32],
    }
}

async fn actions(world: &World) -> Vec<String> {
    let mut tx = world.tx().await;
    let filter = chain::Filter { after_seq: 2, limit: 100, ..chain::Filter::default() };
    let entries = chain::list(&mut tx, ChainId::Org(world.org), &filter).await.unwrap();
    entries.into_iter().map(|entry| entry.action).collect()
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_step_that_runs_twice_is_recorded_once(pool: PgPool) {
    let world = World::new(pool).await;
    let id = requested(&world).await.id;
    let mut tx = world.tx().await;
    for hours in [101, 102] {
        let export = exports::begin(&mut tx, world.org, id, &cause(hours)).await.unwrap();
        assert_eq!((export.status, export.started_at), (Status::Running, Some(at(101))));
    }
    for hours in [103, 104] {
        let done = exports::complete(&mut tx, world.org, id, &built(1), &cause(hours)).await;
        let export = done.unwrap();
        assert_eq!((export.status, export.finished_at), (Status::Done, Some(at(103))));
        assert_eq!(export.entries, Some(built(1).entries));
        assert_eq!((export.size_bytes, export.sha256), (Some(12), Some([1; 32])));
    }
    let other = exports::complete(&mut tx, world.org, id, &built(9), &cause(105)).await;
    assert!(matches!(other, Err(Error::ExportStep { .. })));
    let failed = exports::fail(&mut tx, world.org, id, ("late", "too late"), &cause(106)).await;
    assert_eq!(failed.unwrap().status, Status::Done);
    assert!(exports::expire(&mut tx, world.org, id, &cause(107)).await.unwrap());
    assert!(!exports::expire(&mut tx, world.org, id, &cause(108)).await.unwrap());
    let deleted = exports::delete(&mut tx, world.org, id, &cause(109)).await;
    assert!(matches!(deleted, Err(Error::ExportStep { .. })));
    tx.commit().await.unwrap();
    assert_eq!(
        actions(&world).await,
        ["audit_export.requested", "audit_export.completed", "audit_export.expired"]
    );
    let mut tx = world.tx().await;
    let attested = chain::attested(&mut tx, world.org).await.unwrap();
    assert_eq!(attested.len(), 1);
    assert_eq!((attested[0].export, attested[0].seq), (id, 3));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn of_two_packs_that_are_built_side_by_side_one_knows_the_head_of_the_other(pool: PgPool) {
    let world = World::new(pool).await;
    let (one, two) = (requested(&world).await.id, requested(&world).await.id);
    let mut tx = world.tx().await;
    for id in [one, two] {
        exports::begin(&mut tx, world.org, id, &cause(101)).await.unwrap();
    }
    tx.commit().await.unwrap();
    let take = async |id| {
        let snapshot = exports::snapshot_recording_head(&world.app, world.org, id).await;
        let mut snapshot = snapshot.unwrap();
        let head = chain::head(&mut snapshot, ChainId::Org(world.org)).await.unwrap().unwrap();
        let attested = chain::attested(&mut snapshot, world.org).await.unwrap();
        assert!(attested.iter().all(|other| other.seq <= head.seq));
        attested.into_iter().map(|other| other.export).collect::<Vec<_>>()
    };
    let (first, second) = tokio::join!(take(one), take(two));
    assert!(
        (first.is_empty() && second == [one]) || (second.is_empty() && first == [two]),
        "{first:?} {second:?}"
    );
    let mut tx = world.tx().await;
    exports::fail(&mut tx, world.org, one, ("x", "x"), &cause(102)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(take(two).await, [two]);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_failed_build_can_be_taken_up_again(pool: PgPool) {
    let world = World::new(pool).await;
    let id = requested(&world).await.id;
    let mut tx = world.tx().await;
    exports::begin(&mut tx, world.org, id, &cause(101)).await.unwrap();
    for _ in 0..2 {
        let failed = exports::fail(&mut tx, world.org, id, ("storage", "full"), &cause(102)).await;
        assert_eq!(failed.unwrap().error_code.as_deref(), Some("storage"));
    }
    let again = exports::begin(&mut tx, world.org, id, &cause(103)).await.unwrap();
    assert_eq!((again.status, again.error_code, again.finished_at), (Status::Running, None, None));
    assert!(exports::delete(&mut tx, world.org, id, &cause(104)).await.unwrap());
    let over = exports::complete(&mut tx, world.org, id, &built(1), &cause(105)).await;
    assert!(matches!(over, Err(Error::ExportStep { from: Status::Deleted, .. })));
    exports::downloaded(&mut tx, world.org, id, 12, &cause(106)).await.unwrap();
    tx.commit().await.unwrap();
    let told = actions(&world).await;
    let kinds: Vec<_> =
        told.iter().map(|action| action.trim_start_matches("audit_export.")).collect();
    assert_eq!(kinds, ["requested", "failed", "deleted", "downloaded"]);
    assert_eq!(world.verify().await.verdict.status, evidence::chain::Status::Ok);
}

/// An export whose build has failed after it took its snapshot.
async fn failed(world: &World) -> ExportId {
    let id = requested(world).await.id;
    let mut tx = world.tx().await;
    exports::begin(&mut tx, world.org, id, &cause(101)).await.unwrap();
    tx.commit().await.unwrap();
    exports::snapshot_recording_head(&world.app, world.org, id).await.unwrap();
    let mut tx = world.tx().await;
    exports::fail(&mut tx, world.org, id, ("storage", "full"), &cause(102)).await.unwrap();
    tx.commit().await.unwrap();
    id
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_export_whose_run_is_sent_back_is_open_again_and_keeps_its_head(pool: PgPool) {
    let world = World::new(pool).await;
    let id = failed(&world).await;
    let mut tx = world.tx().await;
    let head = exports::get(&mut tx, world.org, id).await.unwrap().attested_seq;
    assert!(head.is_some());
    for _ in 0..2 {
        let opened = exports::reopen(&mut tx, world.org, id, &cause(103)).await.unwrap();
        assert_eq!(opened, Opened::AsItStands);
        let export = exports::get(&mut tx, world.org, id).await.unwrap();
        assert_eq!((export.status, export.attested_seq), (Status::Running, head));
        assert_eq!(
            (export.error_code, export.error_message, export.finished_at),
            (None, None, None)
        );
        assert_eq!(export.started_at, Some(at(101)));
    }
    exports::complete(&mut tx, world.org, id, &built(1), &cause(104)).await.unwrap();
    let opened = exports::reopen(&mut tx, world.org, id, &cause(105)).await.unwrap();
    assert_eq!(opened, Opened::AsItStands);
    assert_eq!(exports::get(&mut tx, world.org, id).await.unwrap().status, Status::Done);
    assert!(exports::expire(&mut tx, world.org, id, &cause(106)).await.unwrap());
    let gone = exports::reopen(&mut tx, world.org, id, &cause(107)).await;
    assert!(matches!(gone, Err(Error::ExportStep { from: Status::Expired, .. })));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_export_that_another_one_has_overtaken_forgets_its_head(pool: PgPool) {
    let world = World::new(pool).await;
    let (id, gone, other) =
        (failed(&world).await, failed(&world).await, requested(&world).await.id);
    let mut tx = world.tx().await;
    exports::begin(&mut tx, world.org, other, &cause(103)).await.unwrap();
    // One that left before it was built is in nobody's way.
    exports::delete(&mut tx, world.org, gone, &cause(103)).await.unwrap();
    tx.commit().await.unwrap();
    let reopened = async || {
        let mut tx = world.tx().await;
        let opened = exports::reopen(&mut tx, world.org, id, &cause(104)).await.unwrap();
        (opened, exports::get(&mut tx, world.org, id).await.unwrap())
    };
    let (opened, export) = reopened().await;
    assert_eq!((opened, export.attested_seq.is_some()), (Opened::AsItStands, true));
    exports::snapshot_recording_head(&world.app, world.org, other).await.unwrap();
    let (opened, export) = reopened().await;
    assert_eq!(opened, Opened::Overtaken);
    assert_eq!(
        (export.status, export.attested_seq, export.attested_hash),
        (Status::Running, None, None)
    );
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn of_two_exports_that_have_failed_the_older_one_forgets_its_head(pool: PgPool) {
    let world = World::new(pool).await;
    let (older, newer) = (failed(&world).await, failed(&world).await);
    let mut tx = world.tx().await;
    let mut opened = Vec::new();
    for id in [older, newer] {
        opened.push(exports::reopen(&mut tx, world.org, id, &cause(104)).await.unwrap());
    }
    assert_eq!(opened, [Opened::Overtaken, Opened::AsItStands]);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_request_that_is_not_committed_leaves_no_trace(pool: PgPool) {
    let world = World::new(pool).await;
    let mut tx = world.tx().await;
    let request = Request {
        id: ExportId(v7(at(1), rand::random())),
        period: period(0, 1),
        requested_by: world.user,
        role: Role::Admin,
        workflow_run_id: v7(at(1), rand::random()),
    };
    exports::request(&mut tx, world.org, &request, &world.person(1)).await.unwrap();
    drop(tx);
    let mut tx = world.tx().await;
    assert_eq!(exports::find(&mut tx, world.org, request.id).await.unwrap(), None);
    assert_eq!(actions(&world).await, Vec::<String>::new());
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn exports_are_listed_newest_first_and_due_after_ninety_days(pool: PgPool) {
    let world = World::new(pool).await;
    let first = requested(&world).await;
    let second = requested(&world).await;
    assert_eq!(first.expires_at, at(100) + Duration::days(90));
    let mut tx = world.tx().await;
    exports::begin(&mut tx, world.org, first.id, &cause(101)).await.unwrap();
    exports::complete(&mut tx, world.org, first.id, &built(1), &cause(101)).await.unwrap();
    let page = exports::list(&mut tx, world.org, None, 1, 0).await.unwrap();
    assert_eq!((page.total, page.exports.len()), (2, 1));
    let newest = first.id.max(second.id);
    assert_eq!(page.exports[0].id, newest);
    let page = exports::list(&mut tx, world.org, Some(Status::Pending), 9, 0).await.unwrap();
    assert_eq!((page.total, page.exports[0].id), (1, second.id));
    let almost = first.expires_at - Duration::microseconds(1);
    assert_eq!(exports::due(&mut tx, world.org, almost, 9).await.unwrap(), []);
    let due = exports::due(&mut tx, world.org, first.expires_at, 9).await.unwrap();
    assert_eq!((due.len(), due[0].id), (1, first.id));
    assert_eq!(due[0].object_key, "artifacts/x");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_steps_of_an_export_are_the_same_in_the_database(pool: PgPool) {
    for from in Status::ALL {
        for to in Status::ALL {
            let legal: bool = sqlx::query_scalar("select driftpack_export_may_become($1, $2)")
                .bind(from.as_str())
                .bind(to.as_str())
                .fetch_one(&pool)
                .await
                .unwrap();
            assert_eq!(legal, from == to || from.may_become(*to), "{from} to {to}");
        }
    }
    let world = World::new(pool).await;
    requested(&world).await;
    let illegal = sqlx::query("update audit_exports set status = 'expired'").execute(&world.owner);
    assert!(illegal.await.unwrap_err().to_string().contains("cannot become"));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_platform_counts_packs_and_changes_none(pool: PgPool) {
    let world = World::new(pool).await;
    let (built_one, waiting) = (requested(&world).await, requested(&world).await);
    let mut tx = world.tx().await;
    exports::begin(&mut tx, world.org, built_one.id, &cause(101)).await.unwrap();
    exports::complete(&mut tx, world.org, built_one.id, &built(1), &cause(102)).await.unwrap();
    tx.commit().await.unwrap();
    let counted = async |now| {
        let mut tx = world.app.begin().await.unwrap();
        db::scope_platform(&mut tx).await.unwrap();
        let figures = exports::figures(&mut tx, now).await.unwrap();
        let told = figures
            .into_iter()
            .map(|one| (one.status, one.packs, one.bytes, one.expiring, one.overdue));
        told.collect::<Vec<_>>()
    };
    let pending = (Status::Pending, 1, 0, 0, 0);
    let expires = built_one.expires_at;
    for (now, expiring, overdue) in [
        (expires - Duration::days(31), 0, 0),
        (expires - Duration::days(29), 1, 0),
        (expires, 0, 1),
    ] {
        let done = (Status::Done, 1, 12, expiring, overdue);
        assert_eq!(counted(now).await, [done, pending]);
    }
    let mut tx = world.app.begin().await.unwrap();
    db::scope_platform(&mut tx).await.unwrap();
    let changed = sqlx::query("update audit_exports set status = 'deleted' where id = $1");
    assert_eq!(changed.bind(waiting.id.0).execute(&mut *tx).await.unwrap().rows_affected(), 0);
}
