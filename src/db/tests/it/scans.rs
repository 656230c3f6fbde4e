//! Taking scans in.

use std::time::Instant;

use db::scans::{Filter, ingest as take_in, list, suppressed};
use db::{OrgTx, findings, rules};
use evidence::finding::{EventKind, Status};
use evidence::risk::{CustomLevel, RiskLevel};
use evidence::scan::{Noise, ScanStatus};
use sqlx::PgPool;

use crate::support::{World, at, cause, drift, ingest, moved, showing};

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_drift_is_opened_resolved_and_reopened_by_complete_scans(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(1, showing(&[])).await;
    assert_eq!(world.scan(2, showing(&["a"])).await.opened, 1);
    assert_eq!(world.scan(3, showing(&["a"])).await.opened, 0);
    assert_eq!(world.scan(4, showing(&[])).await.resolved, 1);
    let resolved = world.finding("a").await;
    assert_eq!(resolved.status, Status::Resolved);
    assert_eq!(resolved.detected_at, at(2));
    assert_eq!(resolved.last_clean_scan_at, Some(at(1)));
    assert_eq!(resolved.last_seen_at, at(3));
    assert_eq!(resolved.resolved_at, Some(at(4)));
    assert_eq!(world.scan(5, showing(&["a"])).await.reopened, 1);
    let reopened = world.finding("a").await;
    assert_eq!((reopened.number, reopened.reopen_count, reopened.status), (1, 1, Status::Open));
    assert_eq!(reopened.open_since, at(5));
    assert_eq!(reopened.last_clean_scan_at, Some(at(4)));
    assert_eq!(reopened.resolved_at, None);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_row_of_a_finding_says_what_its_newest_event_says(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(1, showing(&["a"])).await;
    let mut other = showing(&[]);
    other.drifts = vec![drift("a", &["ingress"])];
    assert_eq!(world.scan(2, other).await.updated, 1);
    let mut tx = world.tx().await;
    let finding = world.finding("a").await;
    let events = findings::events(&mut tx, world.org, finding.number).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Detected, EventKind::Updated]);
    assert_eq!(events[0].until, Some(events[1].occurred_at));
    assert_eq!(events[1].until, None);
    assert_eq!(finding.changed_attributes, ["ingress"]);
    drop(tx);
    let differing: i64 = sqlx::query_scalar(
        "select count(*) from findings f
           join finding_events e on e.number = f.number and e.until is null
          where (f.event_seq, f.state_since, f.status, f.resolution, f.address,
                 f.changed_attributes, f.risk_level, f.risk_level_now, f.open_since,
                 f.last_clean_scan_at, f.last_seen_at, f.reopen_count, f.resolved_at, f.resolved_by,
                 f.resolution_reason)
                is distinct from
                (e.seq, e.occurred_at, e.status, e.resolution, e.address,
                 e.changed_attributes, e.risk_level, e.risk_level_now, e.open_since,
                 e.last_clean_scan_at, e.last_seen_at, e.reopen_count, e.resolved_at, e.resolved_by,
                 e.resolution_reason)",
    )
    .fetch_one(&world.owner)
    .await
    .unwrap();
    assert_eq!(differing, 0);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_partial_or_failed_scan_resolves_nothing(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(1, showing(&["a"])).await;
    for (hours, status) in [(2, ScanStatus::Partial), (3, ScanStatus::Failed)] {
        let mut seen = showing(&[]);
        seen.status = status;
        assert_eq!(world.scan(hours, seen).await.resolved, 0);
    }
    let mut silent = showing(&[]);
    silent.drift_reported = false;
    assert_eq!(world.scan(4, silent).await.resolved, 0);
    assert_eq!(world.finding("a").await.status, Status::Open);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_late_scan_is_kept_and_moves_nothing(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(5, showing(&["a"])).await;
    let late = world.scan(3, showing(&["b"])).await;
    assert!(late.scan.late);
    assert_eq!((late.opened, late.resolved), (0, 0));
    assert_eq!(late.scan.drifted, 1);
    assert_eq!(world.finding("a").await.status, Status::Open);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_move_keeps_the_finding(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(1, showing(&["a", "b"])).await;
    // Both change places, which is two moves at once.
    let mut seen = showing(&["a", "b"]);
    seen.moves = vec![moved("a", "b"), moved("b", "a")];
    let done = world.scan(2, seen).await;
    assert_eq!((done.moved, done.opened, done.resolved), (2, 0, 0));
    assert_eq!(world.finding("b").await.number, 1);
    assert_eq!(world.finding("a").await.number, 2);
    // A move onto an address that has a finding of its own leaves both where they are.
    let mut seen = showing(&["b"]);
    seen.moves = vec![moved("a", "b")];
    let done = world.scan(3, seen).await;
    assert_eq!((done.moved, done.resolved), (0, 1));
    assert_eq!(world.finding("a").await.status, Status::Resolved);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_same_bytes_twice_are_one_scan(pool: PgPool) {
    let world = World::new(pool).await;
    let first = world.scan(1, showing(&["a"])).await;
    let second = world.scan(1, showing(&["a"])).await;
    assert!(!first.duplicate && second.duplicate);
    assert_eq!(first.scan, second.scan);
    assert_eq!(second.opened, 0);
    let mut tx = world.tx().await;
    let filter = Filter { limit: 10, ..Filter::default() };
    assert_eq!(list(&mut tx, world.org, &filter).await.unwrap().len(), 1);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_same_bytes_from_two_sides_at_once_are_one_scan(pool: PgPool) {
    let world = World::new(pool).await;
    let side = || async {
        let mut tx = OrgTx::begin(&world.app, world.org).await.unwrap();
        let job = ingest(world.source, 1, showing(&["a"]));
        let done = take_in(&mut tx, job).await.unwrap();
        tx.commit().await.unwrap();
        done.duplicate
    };
    let (one, two, three) = tokio::join!(side(), side(), side());
    assert_eq!([one, two, three].iter().filter(|duplicate| !**duplicate).count(), 1);
    assert_eq!(world.finding("a").await.number, 1);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn scans_of_many_sources_at_once_leave_no_gap_in_the_numbers(pool: PgPool) {
    let world = World::new(pool).await;
    let mut sources = Vec::new();
    for index in 0..8 {
        let mut tx = world.tx().await;
        let kind = evidence::scan::SourceKind::Upload;
        let name = format!("source-{index}");
        let source =
            db::state_sources::ensure(&mut tx, world.org, &name, kind, &cause(0)).await.unwrap();
        sources.push(source.id);
        tx.commit().await.unwrap();
    }
    futures_util::future::join_all(sources.iter().map(|source| async {
        for hours in 1..6 {
            let address = format!("r{hours}");
            world.scan_of(*source, hours, showing(&[&address, "always"])).await;
        }
    }))
    .await;
    let mut tx = world.tx().await;
    let sequence = db::section::sequence(&mut tx, world.org).await.unwrap();
    assert_eq!((sequence.given, sequence.present), (48, 48));
    assert_eq!((sequence.lowest, sequence.highest), (Some(1), Some(48)));
    assert_eq!(sequence.missing, Vec::<i64>::new());
    drop(tx);
    assert_eq!(world.verify().await.verdict.status, evidence::chain::Status::Ok);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn concurrent_scans_of_one_source_follow_each_other(pool: PgPool) {
    let world = World::new(pool).await;
    futures_util::future::join_all((1..20).map(|hours| {
        let world = &world;
        async move {
            let address = format!("r{hours}");
            world.scan(hours, showing(&[&address])).await;
        }
    }))
    .await;
    // Whatever the order, the last observation decides, and every interval is closed but one.
    let mut tx = world.tx().await;
    let open = findings::Filter { status: Some(Status::Open), limit: 100, ..Default::default() };
    let open = findings::list(&mut tx, world.org, &open).await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].address, "r19");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_scan_that_is_not_committed_leaves_nothing(pool: PgPool) {
    let world = World::new(pool).await;
    let before = world.verify().await.verdict.head_seq;
    let mut tx = world.tx().await;
    take_in(&mut tx, ingest(world.source, 1, showing(&["a"]))).await.unwrap();
    drop(tx);
    assert_eq!(world.verify().await.verdict.head_seq, before);
    assert_eq!(world.scan(1, showing(&["a"])).await.opened, 1);
    assert_eq!(world.finding("a").await.number, 1);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn what_rules_suppress_is_counted_by_rule(pool: PgPool) {
    let world = World::new(pool).await;
    let mut tx = world.tx().await;
    let settings = rules::Settings {
        name: "sandbox".to_owned(),
        position: 1,
        resource_pattern: "sandbox.*".to_owned(),
        attribute_pattern: None,
        drift_type: None,
        risk_level: CustomLevel::Ignore,
        reason: "nobody minds".to_owned(),
        enabled: true,
    };
    let rule = rules::create(&mut tx, world.org, &settings, &cause(0)).await.unwrap();
    tx.commit().await.unwrap();
    let mut seen = showing(&["sandbox.a", "sandbox.b", "real"]);
    for address in ["x", "y"] {
        seen.noise.push(Noise {
            rule: "empty_values",
            address: address.to_owned(),
            attributes: vec!["a".to_owned(), "b".to_owned()],
        });
    }
    let done = world.scan(1, seen).await;
    assert_eq!((done.opened, done.scan.ignored, done.scan.noise_suppressed), (1, 2, 2));
    let mut tx = world.tx().await;
    let sums = suppressed(&mut tx, world.org, done.scan.id).await.unwrap();
    let sums: Vec<_> = sums
        .iter()
        .map(|sum| (sum.kind.as_str(), sum.rule.clone(), sum.resources, sum.attributes))
        .collect();
    assert_eq!(
        sums,
        [("ignored", rule.id.to_string(), 2, 2), ("noise", "empty_values".to_owned(), 2, 4)]
    );
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_level_at_detection_stays_and_the_level_of_today_follows_the_rules(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(1, showing(&["a"])).await;
    let before = world.finding("a").await;
    let mut tx = world.tx().await;
    let settings = rules::Settings {
        name: "strict".to_owned(),
        position: 1,
        resource_pattern: "*".to_owned(),
        attribute_pattern: None,
        drift_type: None,
        risk_level: CustomLevel::Risk(RiskLevel::Critical),
        reason: "everything matters".to_owned(),
        enabled: true,
    };
    rules::create(&mut tx, world.org, &settings, &cause(1)).await.unwrap();
    tx.commit().await.unwrap();
    world.scan(2, showing(&["a"])).await;
    let after = world.finding("a").await;
    assert_eq!(after.risk_level, before.risk_level);
    assert_eq!(after.risk_level_now, RiskLevel::Critical);
    assert_ne!(before.risk_level, RiskLevel::Critical);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn twenty_thousand_drifts_and_addresses_of_any_length_fit_in_one_scan(pool: PgPool) {
    let world = World::new(pool).await;
    let names: Vec<String> = (0..20_000).map(|n| format!("module.m.r[\"{n}\"]")).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    let long = "x".repeat(60_000);
    names.push(&long);
    let begun = Instant::now();
    assert_eq!(world.scan(1, showing(&names)).await.opened, 20_001);
    assert_eq!(world.scan(2, showing(&names[..10_000])).await.resolved, 10_001);
    assert_eq!(world.scan(3, showing(&names)).await.reopened, 10_001);
    let seconds = begun.elapsed().as_secs();
    assert!(seconds < 60, "three scans of 20,000 drifts took {seconds} s");
}
