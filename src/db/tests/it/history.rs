//! Sections of past periods: they say the same whenever they are asked.

use db::section::{self, Snapshot};
use db::{findings, rules, state_sources};
use evidence::finding::Decision;
use evidence::pack::Coverage;
use evidence::risk::{CustomLevel, RiskLevel};
use evidence::scan::{Observation, ScanStatus, SourceKind};
use evidence::time::Period;
use futures_util::TryStreamExt;
use sqlx::PgPool;

use crate::support::{World, at, cause, period, rule, showing};

async fn rows(world: &World, period: Period) -> Vec<section::Finding> {
    let mut snapshot = Snapshot::begin(&world.app, world.org).await.unwrap();
    section::findings(&mut snapshot, world.org, period).try_collect().await.unwrap()
}

async fn coverage(world: &World, period: Period) -> Vec<Coverage> {
    let mut snapshot = Snapshot::begin(&world.app, world.org).await.unwrap();
    section::coverage_monthly(&mut snapshot, world.org, period).await.unwrap()
}

async fn exceptions(world: &World, period: Period) -> Vec<section::Exception> {
    let mut snapshot = Snapshot::begin(&world.app, world.org).await.unwrap();
    section::exceptions(&mut snapshot, world.org, period).try_collect().await.unwrap()
}

fn partial(addresses: &[&str]) -> Observation {
    Observation { status: ScanStatus::Partial, ..showing(addresses) }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn when_a_finding_was_last_seen_and_how_it_was_graded_is_told_as_it_was(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(1, showing(&["a", "b", "c"])).await;
    let mut tx = world.tx().await;
    let (cause_, id) = (world.person(2), world.finding("b").await.id);
    findings::decide(&mut tx, id, Decision::Accept, "known", &cause_).await.unwrap();
    tx.commit().await.unwrap();
    world.scan(3, showing(&["a", "b", "c"])).await;
    world.scan(4, partial(&["a", "b"])).await;
    let before = rows(&world, period(0, 5)).await;
    let seen: Vec<_> = before.iter().map(|row| row.last_seen_at).collect();
    assert_eq!(seen, [at(4), at(4), at(3)]);
    for row in &before {
        assert_eq!(row.last_seen_at, world.finding(&row.address).await.last_seen_at);
    }

    let mut tx = world.tx().await;
    let strict = rule("*", CustomLevel::Risk(RiskLevel::Critical));
    rules::create(&mut tx, world.org, &strict, &cause(5)).await.unwrap();
    tx.commit().await.unwrap();
    world.scan(6, partial(&["b"])).await;
    world.scan(7, showing(&["a", "b"])).await;
    world.scan(8, showing(&["a", "c"])).await;
    assert_eq!(rows(&world, period(0, 5)).await, before);
    let now = rows(&world, period(0, 9)).await;
    let graded: Vec<_> = now.iter().map(|row| row.risk_level_now).collect();
    assert_eq!(graded, [RiskLevel::Critical; 3]);
    let seen: Vec<_> = now.iter().map(|row| row.last_seen_at).collect();
    assert_eq!(seen, [at(8), at(7), at(8)]);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_source_that_is_out_of_scope_is_neither_blind_nor_counted(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(0, showing(&["a"])).await;
    world.scan(10, showing(&["a"])).await;
    let switch = async |hours, active| {
        let mut tx = world.tx().await;
        let source = state_sources::find(&mut tx, world.org, world.source).await.unwrap().unwrap();
        let settings = state_sources::Settings { active, ..source.settings() };
        let cause = cause(hours);
        state_sources::update(&mut tx, world.org, world.source, &settings, &cause).await.unwrap();
        tx.commit().await.unwrap();
    };
    switch(20, false).await;
    world.scan(300, showing(&["a", "b"])).await;
    switch(700, true).await;
    let month = coverage(&world, period(0, 744)).await.remove(0);
    assert_eq!(month.longest_gap_hours, Some(44.0));
    // The scan took place and is in scans.csv; what it saw is nobody's coverage.
    assert_eq!((month.scans_done, month.drift.numerator), (3, 1));
    let mut snapshot = Snapshot::begin(&world.app, world.org).await.unwrap();
    let gaps = section::gaps(&mut snapshot, world.org, period(0, 744)).await.unwrap();
    let hours: Vec<_> = gaps.iter().map(|gap| gap.hours).collect();
    assert_eq!(hours, [44.0, 10.0, 10.0]);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn names_and_intervals_are_those_of_the_end_of_the_period(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(1, partial(&["a"])).await;
    let mut tx = world.tx().await;
    let source = state_sources::find(&mut tx, world.org, world.source).await.unwrap().unwrap();
    let settings = state_sources::Settings {
        name: "renamed".to_owned(),
        expected_scan_interval_hours: Some(1),
        ..source.settings()
    };
    state_sources::update(&mut tx, world.org, world.source, &settings, &cause(10)).await.unwrap();
    tx.commit().await.unwrap();
    for (to, name, interval) in [(10, "prod", None), (11, "renamed", Some(1))] {
        let period = period(0, to);
        let mut snapshot = Snapshot::begin(&world.app, world.org).await.unwrap();
        let gaps = section::gaps(&mut snapshot, world.org, period).await.unwrap();
        assert_eq!(
            (gaps[0].state_source.as_str(), gaps[0].expected_interval_hours),
            (name, interval)
        );
        let top = section::top_risks(&mut snapshot, world.org, period).await.unwrap();
        assert_eq!(top[0].state_source, name);
        assert_eq!(exceptions(&world, period).await[0].subject, name);
        assert_eq!(rows(&world, period).await[0].state_source, name);
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn what_was_ignored_names_the_rule_as_it_was_then(pool: PgPool) {
    let world = World::new(pool).await;
    let mut tx = world.tx().await;
    let mut settings = rule("sandbox*", CustomLevel::Ignore);
    let id = rules::create(&mut tx, world.org, &settings, &cause(0)).await.unwrap().id;
    tx.commit().await.unwrap();
    world.scan(1, showing(&["sandbox"])).await;
    let change = async |hours, settings: &rules::Settings| {
        let mut tx = world.tx().await;
        rules::update(&mut tx, world.org, id, settings, &world.person(hours)).await.unwrap();
        tx.commit().await.unwrap();
    };
    settings.reason = "still nobody".to_owned();
    change(2, &settings).await;
    world.scan(3, showing(&["sandbox", "sandbox2"])).await;
    settings.enabled = false;
    change(4, &settings).await;
    settings.enabled = true;
    change(5, &settings).await;
    let told: Vec<_> = exceptions(&world, period(0, 6))
        .await
        .into_iter()
        .map(|row| (row.kind, row.count, row.when, row.why.unwrap()))
        .collect();
    let row = |kind: &str, count, hours, why: &str| {
        (kind.to_owned(), count, Some(at(hours)), why.to_owned())
    };
    assert_eq!(
        told,
        [
            row("disabled_rule", 1, 4, "still nobody"),
            row("ignored_by_custom_rule", 1, 0, "nobody minds"),
            row("ignored_by_custom_rule", 2, 2, "still nobody"),
        ]
    );
    assert_eq!(exceptions(&world, period(5, 6)).await, []);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_cadence_is_the_sum_of_the_months(pool: PgPool) {
    let world = World::new(pool).await;
    let mut tx = world.tx().await;
    let source = state_sources::find(&mut tx, world.org, world.source).await.unwrap().unwrap();
    let settings =
        state_sources::Settings { expected_scan_interval_hours: Some(240), ..source.settings() };
    state_sources::update(&mut tx, world.org, world.source, &settings, &cause(0)).await.unwrap();
    tx.commit().await.unwrap();
    for hours in [1, 2, 3, 4, 5, 800] {
        world.scan(hours, showing(&[])).await;
    }
    let period = period(0, 24 * 74);
    let months = coverage(&world, period).await;
    let expected: Vec<_> = months.iter().map(|month| month.scans_expected).collect();
    assert_eq!(expected, [Some(3), Some(2), Some(1)]);
    let mut snapshot = Snapshot::begin(&world.app, world.org).await.unwrap();
    let figures = section::Figures { coverage: &months, sla: &[], gaps: &[] };
    let headline = section::headline(&mut snapshot, world.org, period, figures).await.unwrap();
    assert_eq!((headline.cadence.numerator, headline.cadence.denominator), (4, 6));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn plans_count_what_drifted_and_only_who_tells_managed_resources_counts_them(pool: PgPool) {
    let world = World::new(pool).await;
    let report = Observation {
        format: evidence::scan::Format::Driftctl,
        resources_total: Some(20),
        resources_managed: Some(5),
        ..showing(&[])
    };
    world.scan(1, report).await;
    world.scan(2, Observation { resources_managed: None, ..showing(&["a"]) }).await;
    let month = coverage(&world, period(0, 744)).await.remove(0);
    assert_eq!((month.iac.numerator, month.iac.denominator), (5, 20));
    assert_eq!((month.drift.numerator, month.drift.denominator), (1, 10));
    let mut tx = world.tx().await;
    let kind = SourceKind::Upload;
    let plans =
        state_sources::ensure(&mut tx, world.org, "plans", kind, &cause(800)).await.unwrap();
    tx.commit().await.unwrap();
    let mut plan = showing(&[]);
    plan.resources_managed = None;
    world.scan_of(plans.id, 800, plan).await;
    assert_eq!(coverage(&world, period(744, 900)).await[0].iac.percent(), None);
}
