//! The pack's questions, over stories whose answers are known.

use db::section::{self, QUERIES, Snapshot};
use db::{findings, rules, state_sources};
use evidence::finding::{Decision, Status};
use evidence::metrics::{RollForward, Tally};
use evidence::pack::{Coverage, Sla};
use evidence::risk::{CustomLevel, RiskLevel};
use evidence::scan::{Noise, ScanStatus, SourceKind};
use evidence::time::Period;
use futures_util::TryStreamExt;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sqlx::{Column as _, Executor as _, PgPool, SqlSafeStr as _, Statement as _, TypeInfo as _};

use crate::support::{World, at, cause, drift, period, showing};

async fn sla(world: &World, period: Period) -> Vec<Sla> {
    let mut snapshot = Snapshot::begin(&world.app, world.org).await.unwrap();
    section::remediation(&mut snapshot, world.org, period).await.unwrap().levels
}

async fn coverage(world: &World, period: Period) -> Vec<Coverage> {
    let mut snapshot = Snapshot::begin(&world.app, world.org).await.unwrap();
    section::coverage_monthly(&mut snapshot, world.org, period).await.unwrap()
}

async fn exceptions(world: &World, period: Period) -> Vec<section::Exception> {
    let mut snapshot = Snapshot::begin(&world.app, world.org).await.unwrap();
    let rows = section::exceptions(&mut snapshot, world.org, period);
    let rows: Vec<_> = rows.try_collect().await.unwrap();
    let numbers = section::exceptions_in_numbers(&mut snapshot, world.org, period).await.unwrap();
    assert_eq!(numbers, counted(&rows), "the rows are what their numbers say");
    rows
}

fn counted(rows: &[section::Exception]) -> section::Exceptions {
    let of = |kind: &'static str| rows.iter().filter(move |row| row.kind == kind);
    let resources = |kind| of(kind).map(|row| row.count).sum();
    let number = |kind| of(kind).count() as u64;
    let attributes: i64 = of("noise_rule").filter_map(|row| row.attributes).sum();
    section::Exceptions {
        noise_resources: resources("noise_rule"),
        noise_attributes: u64::try_from(attributes).unwrap(),
        ignored_by_custom_rules: resources("ignored_by_custom_rule"),
        accepted_risks: number("accepted_risk"),
        false_positives: number("false_positive"),
        disabled_rules: number("disabled_rule"),
        late_scans: number("late_scan"),
    }
}

/// The roll-forward of the level that drifted tags have.
async fn roll(world: &World, period: Period) -> RollForward {
    let level = world.finding("a").await.risk_level;
    sla(world, period).await.into_iter().find(|row| row.risk_level == level).unwrap().roll_forward
}

async fn decide(world: &World, hours: i64, address: &str, decision: Decision) {
    let id = world.finding(address).await.id;
    let mut tx = world.tx().await;
    let cause = world.person(hours);
    findings::decide(&mut tx, id, decision, "because", &cause).await.unwrap();
    tx.commit().await.unwrap();
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_columns_of_the_findings_are_those_that_are_read(pool: PgPool) {
    let query = QUERIES.iter().find(|query| query.name == "findings").unwrap();
    let statement = pool.prepare(query.sql.into_sql_str()).await.unwrap();
    let columns = statement.columns().iter();
    let columns: Vec<_> =
        columns.map(|column| format!("{} {}", column.name(), column.type_info().name())).collect();
    assert_eq!(
        columns,
        [
            "number INT8",
            "id UUID",
            "state_source_id UUID",
            "state_source TEXT",
            "address TEXT",
            "resource_type TEXT",
            "drift_type TEXT",
            "risk_level TEXT",
            "risk_level_now TEXT",
            "changed_attributes TEXT[]",
            "detected_at TIMESTAMPTZ",
            "last_clean_scan_at TIMESTAMPTZ",
            "last_seen_at TIMESTAMPTZ",
            "reopen_count INT4",
            "status TEXT",
            "resolution TEXT",
            "resolved_at TIMESTAMPTZ",
            "resolved_by TEXT",
            "time_to_resolve_hours FLOAT8",
            "open_at_start BOOL",
            "open_at_end BOOL",
            "opened INT8",
            "reopened INT8",
            "resolved INT8",
            "accepted INT8",
            "false_positive INT8",
        ]
    );
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn periods_are_half_open(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(10, showing(&["a"])).await;
    world.scan(20, showing(&[])).await;
    // Before, up to the opening, from the opening, inside, up to the closing, from the closing, after.
    let cases = [
        (period(0, 10), None),
        (period(10, 20), Some((0, 1, 0, 1))),
        (period(11, 19), Some((1, 0, 0, 1))),
        (period(11, 20), Some((1, 0, 0, 1))),
        (period(10, 21), Some((0, 1, 1, 0))),
        (period(20, 21), Some((1, 0, 1, 0))),
        (period(21, 30), None),
    ];
    for (period, expected) in cases {
        let found = world.findings(period).await;
        let told = found.first().map(|row| {
            (u64::from(row.open_at_start), row.opened, row.resolved, u64::from(row.open_at_end))
        });
        assert_eq!(told, expected, "{period:?}");
        let roll = roll(&world, period).await;
        let reported = (roll.open_at_start, roll.opened, roll.resolved, roll.open_at_end);
        assert_eq!(reported, expected.unwrap_or_default(), "{period:?}");
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_past_period_is_told_as_it_was(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(1, showing(&["a"])).await;
    world.scan(3, showing(&["a"])).await;
    let before = world.findings(period(0, 5)).await;
    let mut other = showing(&[]);
    other.drifts = vec![drift("b", &["ingress"])];
    other.moves = vec![crate::support::moved("a", "b")];
    world.scan(6, other).await;
    world.scan(8, showing(&[])).await;
    world.scan(9, showing(&["b"])).await;
    decide(&world, 11, "b", Decision::Accept).await;
    let after = world.findings(period(0, 5)).await;
    assert_eq!(before, after);
    assert_eq!((after[0].address, after[0].status), ("a", Status::Open));
    assert_eq!((after[0].last_seen_at, after[0].reopen_count), (at(3), 0));
    let now = world.findings(period(0, 12)).await;
    assert_eq!((now[0].address, now[0].status), ("b", Status::Accepted));
    assert_eq!((now[0].opened, now[0].reopened, now[0].resolved, now[0].accepted), (1, 1, 1, 1));
    assert_eq!(now[0].resolved_by, Some(world.user.to_string().as_str()));
    let closed = world.findings(period(0, 9)).await;
    assert_eq!(closed[0].time_to_resolve_hours, Some(7.0));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn any_story_ties_out_in_any_period(pool: PgPool) {
    let world = World::new(pool).await;
    let mut rng = StdRng::seed_from_u64(20_260_101);
    let names = ["a", "b", "c", "d", "e", "f"];
    world.scan(0, showing(&names)).await;
    for hour in 1..60_i64 {
        if rng.random_bool(0.3) {
            let address = names[rng.random_range(0..names.len())];
            let id = world.finding(address).await.id;
            let decision = [Decision::Accept, Decision::FalsePositive, Decision::Reopen]
                [rng.random_range(0..3)];
            let mut tx = world.tx().await;
            let done = findings::decide(&mut tx, id, decision, "x", &world.person(hour)).await;
            if done.is_ok() {
                tx.commit().await.unwrap();
            }
            continue;
        }
        let shown: Vec<&str> = names.into_iter().filter(|_| rng.random_bool(0.5)).collect();
        let mut seen = showing(&shown);
        if rng.random_bool(0.2) {
            seen.status = ScanStatus::Partial;
        }
        let late = rng.random_bool(0.1);
        world.scan(if late { hour - 5 } else { hour }, seen).await;
    }
    for _ in 0..40 {
        let start = rng.random_range(0..60);
        let period = period(start, rng.random_range(start + 1..62));
        let mut tally = Tally::default();
        for row in world.findings(period).await {
            tally.add(row.number, row.risk_level, row.roll_forward()).unwrap();
        }
        let reported = sla(&world, period).await;
        let reported = reported.iter().map(|row| (row.risk_level, row.roll_forward)).collect();
        tally.check(&reported).unwrap();
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn hours_to_resolve_are_measured_against_the_target(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(0, showing(&["a", "b", "c"])).await;
    world.scan(10, showing(&["b", "c"])).await;
    world.scan(30, showing(&["c"])).await;
    let level = world.finding("a").await.risk_level;
    let period = period(0, 1000);
    let row = sla(&world, period).await.into_iter().find(|row| row.risk_level == level).unwrap();
    let spread = row.hours_to_resolve;
    assert_eq!((spread.count, spread.mean, spread.max), (2, Some(20.0), Some(30.0)));
    assert_eq!((spread.median, spread.p90), (Some(20.0), Some(28.0)));
    assert_eq!((row.oldest_open_hours, row.mean_open_hours), (Some(1000.0), Some(1000.0)));
    let target = f64::from(evidence::sla::target_hours(level));
    assert!((30.0..1000.0).contains(&target), "the story needs such a target: {target}");
    assert_eq!((row.overdue_open, row.within_sla.numerator, row.within_sla.denominator), (1, 2, 3));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_empty_period_has_every_row_and_no_percentage(pool: PgPool) {
    let world = World::new(pool).await;
    let period = period(-24 * 365 * 50, -24 * 365);
    assert_eq!(world.findings(period).await, []);
    let levels = sla(&world, period).await;
    let names: Vec<_> = levels.iter().map(|row| row.risk_level).collect();
    assert_eq!(names, RiskLevel::ALL);
    for row in levels {
        assert_eq!(row.roll_forward, RollForward::default());
        assert_eq!((row.hours_to_resolve.mean, row.within_sla.percent()), (None, None));
    }
    let months = coverage(&world, period).await;
    assert_eq!(months.len(), period.months().len());
    assert!(months.iter().all(|month| month.scope.percent().is_none() && month.scans_done == 0));
    assert_eq!(exceptions(&world, period).await, []);
    let mut snapshot = Snapshot::begin(&world.app, world.org).await.unwrap();
    assert_eq!(
        section::gaps(&mut snapshot, world.org, period).await.unwrap(),
        section::Gaps::default()
    );
    assert_eq!(section::top_risks(&mut snapshot, world.org, period).await.unwrap(), []);
    let remediation = section::remediation(&mut snapshot, world.org, period).await.unwrap();
    let figures = section::Figures { coverage: &months, remediation: &remediation, gaps: &[] };
    let headline =
        section::counts(&mut snapshot, world.org, period).await.unwrap().headline(figures);
    assert_eq!((headline.findings_in_period, headline.sources), (0, 0));
    assert_eq!(headline.cadence.percent(), None);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn coverage_counts_every_month_whether_scanned_or_not(pool: PgPool) {
    let world = World::new(pool).await;
    let mut tx = world.tx().await;
    let mut settings =
        state_sources::find(&mut tx, world.org, world.source).await.unwrap().unwrap().settings();
    settings.expected_scan_interval_hours = Some(24);
    state_sources::update(&mut tx, world.org, world.source, &settings, &cause(0)).await.unwrap();
    tx.commit().await.unwrap();
    // January: complete ones on the 2nd and the 11th, and a partial one. February: none.
    world.scan(24, showing(&["a"])).await;
    world.scan(240, showing(&["a", "b"])).await;
    let mut partial = showing(&[]);
    partial.status = ScanStatus::Partial;
    world.scan(300, partial).await;
    // Half of March.
    let months = coverage(&world, period(0, 24 * (31 + 28 + 15))).await;
    let told: Vec<_> = months
        .iter()
        .map(|m| (m.month.as_str(), m.partial_month, m.scope.numerator, m.scope.denominator))
        .collect();
    assert_eq!(told, [("2026-01", false, 1, 1), ("2026-02", false, 0, 1), ("2026-03", true, 0, 1)]);
    let scans: Vec<_> = months
        .iter()
        .map(|m| (m.scans_expected, m.scans_done, m.scans_partial, m.longest_gap_hours))
        .collect();
    assert_eq!(
        scans,
        [
            (Some(31), 2, 1, Some(504.0)),
            (Some(28), 0, 0, Some(672.0)),
            (Some(15), 0, 0, Some(360.0))
        ]
    );
    // The last complete scan of January.
    assert_eq!((months[0].iac.numerator, months[0].iac.denominator), (10, 10));
    assert_eq!((months[0].drift.numerator, months[0].drift.denominator), (2, 10));
    assert_eq!(months[1].drift.percent(), None);
    let mut snapshot = Snapshot::begin(&world.app, world.org).await.unwrap();
    let whole = period(0, 24 * 74);
    let gaps = section::gaps(&mut snapshot, world.org, whole).await.unwrap().longest;
    assert_eq!((gaps[0].from, gaps[0].hours), (at(240), f64::from(24 * 74 - 240)));
    assert_eq!(gaps[0].expected_interval_hours, Some(24));
    let remediation = section::remediation(&mut snapshot, world.org, whole).await.unwrap();
    let figures = section::Figures { coverage: &months, remediation: &remediation, gaps: &gaps };
    let headline =
        section::counts(&mut snapshot, world.org, whole).await.unwrap().headline(figures);
    assert_eq!((headline.cadence.numerator, headline.cadence.denominator), (2, 74));
    assert_eq!((headline.scope_coverage.numerator, headline.scope_coverage.denominator), (1, 3));
    assert_eq!((headline.scans_done, headline.scans_partial), (2, 1));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_source_is_in_scope_from_its_first_scan_until_it_is_taken_out(pool: PgPool) {
    let world = World::new(pool).await;
    let mut tx = world.tx().await;
    let known_at = cause(1000);
    let late = state_sources::ensure(&mut tx, world.org, "late", SourceKind::S3, &known_at)
        .await
        .unwrap()
        .id;
    tx.commit().await.unwrap();
    // Made known at hour 1000, scanned at hour 100.
    world.scan_of(late, 100, showing(&[])).await;
    let scope = async |from, to| coverage(&world, period(from, to)).await[0].scope.denominator;
    assert_eq!(scope(0, 100).await, 1);
    assert_eq!(scope(0, 101).await, 2);
    let mut tx = world.tx().await;
    state_sources::delete(&mut tx, world.org, late, &cause(1200)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(scope(1100, 1300).await, 2);
    assert_eq!(scope(1200, 1300).await, 1);
    let names = async |to| {
        let mut snapshot = Snapshot::begin(&world.app, world.org).await.unwrap();
        let sources = section::state_sources(&mut snapshot, world.org, period(0, to)).await;
        sources.unwrap().into_iter().map(|source| source.name).collect::<Vec<_>>()
    };
    assert_eq!(names(1200).await, ["late", "prod"]);
    assert_eq!(names(1201).await, ["prod"]);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn rules_are_told_as_they_were_at_the_end_of_the_period(pool: PgPool) {
    let world = World::new(pool).await;
    let mut settings = rules::Settings {
        name: "sandbox".to_owned(),
        position: 1,
        resource_pattern: "sandbox.*".to_owned(),
        attribute_pattern: None,
        drift_type: None,
        risk_level: CustomLevel::Ignore,
        reason: "nobody minds".to_owned(),
        enabled: true,
    };
    let mut tx = world.tx().await;
    let id = rules::create(&mut tx, world.org, &settings, &cause(10)).await.unwrap().id;
    settings.enabled = false;
    rules::update(&mut tx, world.org, id, &settings, &world.person(20)).await.unwrap();
    rules::update(&mut tx, world.org, id, &settings, &world.person(25)).await.unwrap();
    rules::delete(&mut tx, world.org, id, &cause(30)).await.unwrap();
    tx.commit().await.unwrap();
    let told = async |to| {
        let mut snapshot = Snapshot::begin(&world.app, world.org).await.unwrap();
        let rules = section::custom_rules(&mut snapshot, world.org, period(0, to)).await.unwrap();
        rules.into_iter().map(|rule| (rule.version, rule.enabled)).collect::<Vec<_>>()
    };
    assert_eq!(told(10).await, []);
    assert_eq!(told(11).await, [(1, true)]);
    assert_eq!(told(20).await, [(1, true)]);
    assert_eq!(told(30).await, [(2, false)]);
    assert_eq!(told(31).await, []);
    let disabled = exceptions(&world, period(0, 30)).await;
    assert_eq!(disabled.len(), 1);
    assert_eq!((disabled[0].kind.as_str(), disabled[0].when), ("disabled_rule", Some(at(20))));
    assert_eq!(disabled[0].who, Some(format!("user:{}", world.user)));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn exceptions_name_everything_that_was_set_aside(pool: PgPool) {
    let world = World::new(pool).await;
    let mut seen = showing(&["a", "b"]);
    seen.noise.push(Noise {
        rule: "empty_values",
        address: "x".to_owned(),
        attributes: vec!["p".to_owned(), "q".to_owned()],
    });
    world.scan(5, seen).await;
    world.scan(3, showing(&[])).await;
    let mut partial = showing(&[]);
    partial.status = ScanStatus::Partial;
    partial.error = Some("access denied".to_owned());
    world.scan(6, partial).await;
    decide(&world, 7, "a", Decision::Accept).await;
    decide(&world, 8, "b", Decision::FalsePositive).await;
    let told: Vec<_> = exceptions(&world, period(0, 9))
        .await
        .into_iter()
        .map(|row| (row.kind, row.subject, row.count))
        .collect();
    let row = |kind: &str, subject: &str, count| (kind.to_owned(), subject.to_owned(), count);
    assert_eq!(
        told,
        [
            row("accepted_risk", "a", 1),
            row("false_positive", "b", 1),
            row("incomplete_scan", "prod", 1),
            row("late_scan", "prod", 1),
            row("noise_rule", "empty_values", 1),
        ]
    );
    let mut snapshot = Snapshot::begin(&world.app, world.org).await.unwrap();
    let sum = section::exceptions_in_numbers(&mut snapshot, world.org, period(0, 9)).await.unwrap();
    assert_eq!((sum.noise_resources, sum.noise_attributes), (1, 2));
    assert_eq!((sum.accepted_risks, sum.false_positives, sum.late_scans), (1, 1, 1));
    // What is accepted stays an exception for as long as it is; what was noise does not.
    let later: Vec<_> =
        exceptions(&world, period(100, 101)).await.into_iter().map(|row| row.kind).collect();
    assert_eq!(later, ["accepted_risk", "false_positive"]);
    assert_eq!(exceptions(&world, period(0, 3)).await, []);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_top_risks_are_the_most_severe_and_oldest_that_are_open(pool: PgPool) {
    let world = World::new(pool).await;
    for hours in 0..15 {
        let names: Vec<String> = (0..=hours).map(|n| format!("r{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        world.scan(hours, showing(&names)).await;
    }
    decide(&world, 16, "r0", Decision::Accept).await;
    let mut snapshot = Snapshot::begin(&world.app, world.org).await.unwrap();
    let top = section::top_risks(&mut snapshot, world.org, period(0, 20)).await.unwrap();
    let told: Vec<_> = top.iter().map(|risk| risk.address.as_str()).collect();
    assert_eq!(told, ["r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10"]);
    assert!((top[0].open_hours - 19.0).abs() < 1e-9);
    let scans: Vec<_> =
        section::scans(&mut snapshot, world.org, period(3, 6)).try_collect().await.unwrap();
    let observed: Vec<_> = scans.iter().map(|scan: &section::Scan| scan.observed_at).collect();
    assert_eq!(observed, [at(3), at(4), at(5)]);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_moment_is_read_over_a_second_connection_that_the_pool_has_still_to_open(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(1, showing(&["a"])).await;
    let options = db::pool::options().max_connections(2).after_connect(|conn, _| {
        let role = sqlx::query("set role driftpack_app");
        Box::pin(async move { role.execute(conn).await.map(drop) })
    });
    let two = options.connect_lazy_with((*world.owner.connect_options()).clone());
    let mut snapshot = Snapshot::begin(&two, world.org).await.unwrap();
    world.scan(2, showing(&["a", "b"])).await;
    assert_eq!((two.size(), two.num_idle()), (1, 0));
    let mut beside = snapshot.beside(&two).await.unwrap().expect("one may be opened");
    let seen: Vec<_> =
        section::findings(&mut beside, world.org, period(0, 9)).try_collect().await.unwrap();
    assert_eq!(seen.len(), 1, "the moment is that of the first");
    assert!(snapshot.beside(&two).await.unwrap().is_none(), "both are in use");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_snapshot_sees_one_moment_and_can_change_nothing(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(1, showing(&["a"])).await;
    let mut snapshot = Snapshot::begin(&world.app, world.org).await.unwrap();
    world.scan(2, showing(&["a", "b"])).await;
    let seen: Vec<_> =
        section::findings(&mut snapshot, world.org, period(0, 9)).try_collect().await.unwrap();
    assert_eq!(seen.len(), 1);
    let newest = db::MIGRATOR.iter().map(|migration| migration.version).max();
    assert_eq!(Some(snapshot.moment().schema_version), newest);
    assert!(!snapshot.moment().snapshot_id.is_empty() && !snapshot.moment().wal_lsn.is_empty());
    let written = sqlx::query("update state_sources set name = 'x'").execute(&mut *snapshot).await;
    assert!(written.unwrap_err().to_string().contains("read-only"));
    snapshot.close().await.unwrap();
}
