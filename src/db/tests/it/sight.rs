//! What a scan can see, and what follows from what it does not show.

use db::scans::ingest as take_in;
use db::{OrgTx, findings, rules, state_sources};
use evidence::finding::{EventKind, Status};
use evidence::risk::{CustomLevel, RiskLevel};
use evidence::scan::{DriftType, Format, Observation, ScanStatus, SourceKind};
use sqlx::PgPool;

use crate::support::{World, at, cause, drift, ingest, rule, showing};

fn driftctl(addresses: &[&str]) -> Observation {
    let mut seen = showing(addresses);
    for drift in &mut seen.drifts {
        drift.drift_type = DriftType::Extra;
        drift.changed_attributes.clear();
    }
    Observation { format: Format::Driftctl, tool: "driftctl", ..seen }
}

fn with_status(status: ScanStatus, seen: Observation) -> Observation {
    Observation { status, ..seen }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn only_tools_of_the_same_family_resolve_and_are_late_or_clean(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(1, showing(&[])).await;
    world.scan(2, driftctl(&["aws_iam_user[\"u\"]"])).await;
    assert_eq!(world.scan(3, showing(&["a"])).await.resolved, 0);
    // Earlier than the plan, but not than the last report.
    let report =
        world.scan_of(world.source, 2, driftctl(&["b[\"1\"]", "aws_iam_user[\"u\"]"])).await;
    assert!(!report.scan.late);
    assert_eq!((report.opened, report.resolved), (1, 0));
    assert_eq!(world.finding("aws_iam_user[\"u\"]").await.last_clean_scan_at, None);
    assert_eq!(world.finding("a").await.last_clean_scan_at, Some(at(1)));
    assert_eq!(world.scan(4, driftctl(&[])).await.resolved, 2);
    assert_eq!(world.finding("a").await.status, Status::Open);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_scan_that_failed_makes_no_other_one_late(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(5, with_status(ScanStatus::Failed, showing(&[]))).await;
    let done = world.scan(3, showing(&["a"])).await;
    assert!(!done.scan.late);
    assert_eq!(done.opened, 1);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_last_clean_scan_did_not_show_the_drift_late_or_ignored(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(1, showing(&[])).await;
    world.scan(5, with_status(ScanStatus::Partial, showing(&[]))).await;
    assert!(world.scan(3, showing(&["late"])).await.scan.late);
    world.scan(6, showing(&["late"])).await;
    assert_eq!(world.finding("late").await.last_clean_scan_at, Some(at(1)));

    let mut tx = world.tx().await;
    let mut settings = rule("hidden*", CustomLevel::Ignore);
    let id = rules::create(&mut tx, world.org, &settings, &cause(6)).await.unwrap().id;
    tx.commit().await.unwrap();
    world.scan(7, showing(&["hidden", "hidden_and_gone"])).await;
    world.scan(8, showing(&["hidden"])).await;
    let mut tx = world.tx().await;
    settings.enabled = false;
    rules::update(&mut tx, world.org, id, &settings, &cause(9)).await.unwrap();
    tx.commit().await.unwrap();
    world.scan(10, showing(&["hidden", "hidden_and_gone"])).await;
    assert_eq!(world.finding("hidden").await.last_clean_scan_at, Some(at(6)));
    assert_eq!(world.finding("hidden_and_gone").await.last_clean_scan_at, Some(at(8)));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_tool_that_tells_no_names_changes_no_grade(pool: PgPool) {
    let world = World::new(pool).await;
    let mut tx = world.tx().await;
    let mut settings = rule("*", CustomLevel::Risk(RiskLevel::Critical));
    settings.attribute_pattern = Some("ingress".to_owned());
    rules::create(&mut tx, world.org, &settings, &cause(0)).await.unwrap();
    tx.commit().await.unwrap();
    let told = Observation { drifts: vec![drift("a", &["ingress"])], ..showing(&[]) };
    world.scan(1, told).await;
    let untold =
        Observation { drifts: vec![drift("a", &[])], format: Format::UiStream, ..showing(&[]) };
    world.scan(2, untold).await;
    let finding = world.finding("a").await;
    assert_eq!(finding.risk_level_now, RiskLevel::Critical);
    let mut tx = world.tx().await;
    let events = findings::events(&mut tx, world.org, finding.number).await.unwrap();
    assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), [EventKind::Detected]);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_same_bytes_are_two_scans_when_the_sender_says_that_the_tool_looked_twice(
    pool: PgPool,
) {
    let world = World::new(pool).await;
    let send = async |observed: i64, now: i64, own: Option<i64>| {
        let mut tx = world.tx().await;
        let mut job = ingest(world.source, observed, showing(&[]));
        job.content_sha256 = [7; 32];
        job.now = at(now);
        job.observation.observed_at = own.map(at);
        let done = take_in(&mut tx, job).await.unwrap();
        tx.commit().await.unwrap();
        (done.duplicate, done.scan.observed_at)
    };
    assert_eq!(send(1, 10, None).await, (false, at(1)));
    assert_eq!(send(2, 11, None).await, (false, at(2)));
    assert_eq!(send(2, 12, None).await, (true, at(2)));
    // Nobody said when: the time of receipt, and the time in the file.
    assert_eq!(send(13, 13, None).await, (true, at(1)));
    assert_eq!(send(3, 14, Some(1)).await, (true, at(1)));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_first_upload_beside_uploads_that_open_findings_does_not_block_them(pool: PgPool) {
    let world = World::new(pool).await;
    let upload = async |name: &str, hours: i64| {
        let mut tx = OrgTx::begin(&world.app, world.org).await.unwrap();
        let kind = SourceKind::Upload;
        let source =
            state_sources::ensure(&mut tx, world.org, name, kind, &cause(0)).await.unwrap();
        tokio::task::yield_now().await;
        let address = format!("r{hours}");
        let job = ingest(source.id, hours, showing(&[&address]));
        let done = take_in(&mut tx, job).await.unwrap();
        tx.commit().await.unwrap();
        done.opened
    };
    let names: Vec<String> = (0..8).map(|n| format!("new-{n}")).collect();
    let first_uploads = names.iter().map(|name| upload(name, 1));
    let others = (1..9).map(|hours| upload("prod", hours));
    let (new, _) = tokio::join!(
        futures_util::future::join_all(first_uploads),
        futures_util::future::join_all(others),
    );
    assert_eq!(new, [1; 8]);
    let mut tx = world.tx().await;
    let refused =
        state_sources::ensure(&mut tx, world.org, "\0", SourceKind::Upload, &cause(0)).await;
    assert!(matches!(refused, Err(db::Error::Invalid { field: "name", .. })), "{refused:?}");
}
