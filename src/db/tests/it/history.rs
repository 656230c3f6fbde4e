//! Sections of past periods: they say the same whenever they are asked.

use db::chain::{Done, Options, Verification};
use db::section::{self, Snapshot};
use db::{findings, rules, state_sources};
use evidence::chain::ChainId;
use evidence::finding::{Decision, Resolution};
use evidence::metrics::RollForward;
use evidence::org::Plan;
use evidence::pack::Coverage;
use evidence::risk::{CustomLevel, RiskLevel};
use evidence::scan::{Drift, DriftType, Observation, ScanStatus, SourceKind, Standing};
use evidence::time::Period;
use futures_util::TryStreamExt;
use sqlx::PgPool;

use crate::support::{World, at, cause, drift, period, rule, showing};

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
    let before = world.findings(period(0, 5)).await;
    let seen: Vec<_> = before.iter().map(|row| row.last_seen_at).collect();
    assert_eq!(seen, [at(4), at(4), at(3)]);
    for row in &before {
        assert_eq!(row.last_seen_at, world.finding(row.address).await.last_seen_at);
    }

    let mut tx = world.tx().await;
    let strict = rule("*", CustomLevel::Risk(RiskLevel::Critical));
    rules::create(&mut tx, world.org, &strict, &cause(5)).await.unwrap();
    tx.commit().await.unwrap();
    world.scan(6, partial(&["b"])).await;
    world.scan(7, showing(&["a", "b"])).await;
    world.scan(8, showing(&["a", "c"])).await;
    assert_eq!(world.findings(period(0, 5)).await, before);
    let now = world.findings(period(0, 9)).await;
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
    let gaps = section::gaps(&mut snapshot, world.org, period(0, 744)).await.unwrap().longest;
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
        let gaps = section::gaps(&mut snapshot, world.org, period).await.unwrap().longest;
        assert_eq!(
            (gaps[0].state_source.as_str(), gaps[0].expected_interval_hours),
            (name, interval)
        );
        let top = section::top_risks(&mut snapshot, world.org, period).await.unwrap();
        assert_eq!(top[0].state_source, name);
        assert_eq!(exceptions(&world, period).await[0].subject, name);
        assert_eq!(world.findings(period).await[0].state_source, name);
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_plan_is_the_one_of_the_end_of_the_period(pool: PgPool) {
    let world = World::new(pool).await;
    let change = async |hours, plan| {
        let mut tx = world.app.begin().await.unwrap();
        db::orgs::set_plan(&mut tx, world.org, plan, &cause(hours)).await.unwrap();
        tx.commit().await.unwrap();
    };
    change(10, Plan::Team).await;
    change(20, Plan::Free).await;
    let told = async |from, to| {
        let mut snapshot = Snapshot::begin(&world.app, world.org).await.unwrap();
        section::plan(&mut snapshot, world.org, period(from, to)).await.unwrap().plan
    };
    assert_eq!(told(0, 10).await, Plan::Enterprise, "what happens at the end is not in the period");
    assert_eq!(told(0, 11).await, Plan::Team);
    assert_eq!(told(12, 20).await, Plan::Team);
    assert_eq!(told(12, 21).await, Plan::Free);
    assert_eq!(told(-20, -10).await, Plan::Enterprise, "before the organisation began");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn open_findings_are_followed_month_by_month_whatever_comes_later(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(24, showing(&["a", "b", "c"])).await;
    world.scan(24 * 40, showing(&["a"])).await;
    world.scan(24 * 70, showing(&["a", "b"])).await;
    let course = async |to| {
        let period = period(0, to);
        let mut snapshot = Snapshot::begin(&world.app, world.org).await.unwrap();
        section::remediation(&mut snapshot, world.org, period).await.unwrap().months
    };
    let before = course(24 * 90).await;
    let told: Vec<_> = before.iter().map(|month| (month.month.as_str(), month.total())).collect();
    let roll = |open_at_start, opened, reopened, resolved, open_at_end| RollForward {
        open_at_start,
        opened,
        reopened,
        resolved,
        open_at_end,
        ..RollForward::default()
    };
    assert_eq!(
        told,
        [
            ("2026-01", roll(0, 3, 0, 0, 3)),
            ("2026-02", roll(3, 0, 0, 2, 1)),
            ("2026-03", roll(1, 0, 1, 0, 2))
        ]
    );
    world.scan(24 * 95, showing(&[])).await;
    assert_eq!(course(24 * 90).await, before);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_resource_that_came_back_says_so_from_then_on(pool: PgPool) {
    let world = World::new(pool).await;
    let gone = |address: &str| Drift { drift_type: DriftType::Missing, ..drift(address, &[]) };
    let seen = Observation { drifts: vec![gone("a"), gone("b")], ..showing(&[]) };
    world.scan(1, seen).await;
    let standing =
        Standing { there: ["a".to_owned()].into(), is_whole: true, ..Standing::default() };
    world.scan(5, Observation { standing, ..showing(&[]) }).await;
    let told: Vec<_> =
        world.findings(period(0, 6)).await.iter().map(|row| row.resolution).collect();
    assert_eq!(told, [Some(Resolution::Reverted), Some(Resolution::Codified)]);
    let before: Vec<_> =
        world.findings(period(0, 5)).await.iter().map(|row| row.resolution).collect();
    assert_eq!(before, [None, None]);
}

/// The lines of a period and what they say was done.
async fn done(world: &World, period: Period) -> (u64, Vec<Done>) {
    let mut snapshot = Snapshot::begin(&world.app, world.org).await.unwrap();
    let (chain, options) = (ChainId::Org(world.org), Options::default());
    let mut verification = Verification::begin(&mut snapshot, chain, &options).await.unwrap();
    let lines = verification.lines(&mut snapshot, period);
    let lines: Vec<String> = lines.try_collect().await.unwrap();
    (lines.len() as u64, verification.done())
}

/// The same by the statement that an auditor is shown.
async fn stated(world: &World, period: Period) -> Vec<Done> {
    let mut snapshot = Snapshot::begin(&world.app, world.org).await.unwrap();
    let query = section::QUERIES.iter().find(|query| query.name == "audit_actions").unwrap();
    let rows = sqlx::query_as::<_, (String, i64, i64, i64)>(query.sql);
    let rows = rows.bind(world.org.0).bind(period.start).bind(period.end);
    let mut done: Vec<_> = rows
        .fetch_all(&mut *snapshot)
        .await
        .unwrap()
        .into_iter()
        .map(|(action, entries, first_seq, last_seq)| {
            let entries = u64::try_from(entries).unwrap();
            Done { action, entries, first_seq, last_seq }
        })
        .collect();
    // The database has an order of its own for words.
    done.sort_by(|one, other| one.action.cmp(&other.action));
    done
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn what_was_done_in_a_period_is_counted_by_action(pool: PgPool) {
    let world = World::new(pool).await;
    let mut tx = world.tx().await;
    let settings = rule("sandbox*", CustomLevel::Ignore);
    rules::create(&mut tx, world.org, &settings, &world.person(3)).await.unwrap();
    tx.commit().await.unwrap();
    let done = async |period| {
        let (lines, done) = done(&world, period).await;
        assert_eq!(done.iter().map(|done| done.entries).sum::<u64>(), lines);
        assert_eq!(done, stated(&world, period).await);
        done
    };
    // Entries have the time at which they were written.
    let all = done(Period::new(at(-1), at(24 * 3650)).unwrap()).await;
    let rule = all.iter().find(|done| done.action == "custom_rule.created").unwrap();
    assert_eq!((rule.entries, rule.first_seq), (1, rule.last_seq));
    assert!(all.iter().any(|done| done.action == "org.created" && done.first_seq == 1));
    assert_eq!(done(period(-20, -10)).await, []);
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
    let remediation = section::remediation(&mut snapshot, world.org, period).await.unwrap();
    let figures = section::Figures { coverage: &months, remediation: &remediation, gaps: &[] };
    let headline =
        section::counts(&mut snapshot, world.org, period).await.unwrap().headline(figures);
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
