//! What a plan keeps no longer goes; what anything needs stays, and nobody can take away more.

use chrono::Duration;
use db::retention::{self, Removed};
use db::section::{self, QUERIES, Snapshot};
use db::{OrgTx, exports, findings};
use evidence::finding::Decision;
use evidence::ids::ExportId;
use evidence::org::{Plan, Role};
use evidence::scan::{Observation, ScanStatus};
use evidence::time::{Period, Time};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use crate::support::{World, at, cause, showing};

/// An organisation on the plan `team`, and the database's clock.
struct Attic {
    world: World,
    now: Time,
}

impl Attic {
    async fn new(pool: PgPool) -> Self {
        let world = World::new(pool).await;
        let now = sqlx::query_scalar("select now()").fetch_one(&world.app).await.unwrap();
        let attic = Self { world, now };
        attic.plan(0, Plan::Team).await;
        attic
    }

    /// Hours after the beginning of the story, so many days ago.
    fn ago(&self, days: i64) -> i64 {
        (self.now - at(0)).num_hours() - 24 * days
    }

    async fn plan(&self, hours: i64, plan: Plan) {
        let mut tx = self.world.app.begin().await.unwrap();
        db::orgs::set_plan(&mut tx, self.world.org, plan, &cause(hours)).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn scan(&self, days: i64, seen: Observation) {
        self.world.scan(self.ago(days), seen).await;
    }

    async fn advance(&self, now: Time) -> Option<Time> {
        let mut tx = self.world.tx().await;
        let kept_from = retention::advance(&mut tx, now).await.unwrap();
        tx.commit().await.unwrap();
        kept_from
    }

    /// Everything that goes at `now`, in batches of two, and what the audit log is told.
    async fn prune(&self, now: Time) -> Removed {
        if self.advance(now).await.is_some() {
            self.remove().await;
        }
        let mut tx = self.world.tx().await;
        let removed = retention::tell(&mut tx, &cause(0)).await.unwrap();
        tx.commit().await.unwrap();
        removed
    }

    async fn remove(&self) {
        let mut reached = None;
        loop {
            let mut tx = self.world.tx().await;
            reached = retention::remove_scans(&mut tx, reached, 2).await.unwrap().reached;
            tx.commit().await.unwrap();
            if reached.is_none() {
                break;
            }
        }
        let mut reached = Some(0);
        while let Some(after) = reached {
            let mut tx = self.world.tx().await;
            reached = retention::remove_findings(&mut tx, after, 2).await.unwrap().reached;
            tx.commit().await.unwrap();
        }
    }

    /// Everything that a pack of the period says, but for what it says of retention itself.
    async fn told(&self, period: Period) -> Vec<(&'static str, Value)> {
        let mut snapshot = Snapshot::begin(&self.world.app, self.world.org).await.unwrap();
        let mut told = Vec::new();
        for query in QUERIES.iter().filter(|query| !["sequence", "retention"].contains(&query.name))
        {
            let place = |(at, parameter): (usize, &section::Parameter)| {
                let text = parameter.text(self.world.org, period).replace('\'', "''");
                (format!("${}", at + 1), format!("'{text}'"))
            };
            let sql = query.parameters.iter().enumerate().map(place);
            let sql =
                sql.fold(query.sql.to_owned(), |sql, (name, value)| sql.replace(&name, &value));
            let sql = AssertSqlSafe(format!("select coalesce(json_agg(t), '[]') from ({sql}) t"));
            let rows = sqlx::query_scalar(sql).fetch_one(&mut *snapshot).await.unwrap();
            told.push((query.name, rows));
        }
        told
    }

    async fn sequence(&self) -> section::Sequence {
        let mut snapshot = Snapshot::begin(&self.world.app, self.world.org).await.unwrap();
        section::sequence(&mut snapshot, self.world.org).await.unwrap()
    }

    async fn count(&self, table: &str) -> i64 {
        let mut tx = self.world.tx().await;
        let sql = AssertSqlSafe(format!("select count(*) from {table}"));
        sqlx::query_scalar(sql).fetch_one(&mut *tx).await.unwrap()
    }

    /// A pack that waits to be made.
    async fn request(&self, days: i64) -> ExportId {
        let id = ExportId(Uuid::from_u128(rand::random()));
        let request = exports::Request {
            id,
            period: Period::new(at(self.ago(days)), at(self.ago(1))).unwrap(),
            requested_by: self.world.user,
            role: Role::Owner,
            workflow_run_id: id.0,
        };
        let mut tx = self.world.tx().await;
        exports::request(&mut tx, self.world.org, &request, &cause(0)).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    async fn fail(&self, id: ExportId, days: i64) {
        let mut tx = self.world.tx().await;
        let (org, cause) = (self.world.org, cause(self.ago(days)));
        exports::begin(&mut tx, org, id, &cause).await.unwrap();
        exports::fail(&mut tx, org, id, ("tie_out", "x"), &cause).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// `a` comes and goes again and again, `b` is open all the time, `c` is accepted, `d` goes today.
    async fn story(&self) {
        for (days, seen) in [
            (200, &["a", "b", "c", "d"][..]),
            (190, &["b", "c", "d"]),
            (150, &["b", "c", "d", "e"]),
            (140, &["b", "c", "d"]),
        ] {
            self.scan(days, showing(seen)).await;
        }
        let mut tx = self.world.tx().await;
        let (id, by) = (self.world.finding("c").await.id, self.world.person(self.ago(139)));
        findings::decide(&mut tx, id, Decision::Accept, "known", &by).await.unwrap();
        tx.commit().await.unwrap();
        let partial = Observation { status: ScanStatus::Partial, ..showing(&["b"]) };
        self.scan(100, partial).await;
        let failed = Observation { status: ScanStatus::Failed, ..showing(&[]) };
        self.scan(90, failed).await;
        self.scan(3, showing(&["b", "c", "f"])).await;
        self.scan(2, showing(&["b", "c"])).await;
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_database_keeps_what_the_plans_say(pool: PgPool) {
    for plan in Plan::ALL.iter().copied() {
        let seconds: Option<i64> =
            sqlx::query_scalar("select extract(epoch from driftpack_plan_keeps($1))::bigint")
                .bind(plan.as_str())
                .fetch_one(&pool)
                .await
                .unwrap();
        assert_eq!(seconds.map(Duration::seconds), plan.history(), "{plan}");
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn every_pack_within_the_plan_says_the_same_before_and_after(pool: PgPool) {
    let attic = Attic::new(pool).await;
    attic.story().await;
    let periods = [(31, 0), (30, 2), (20, 3), (10, 1)]
        .map(|(from, to)| Period::new(at(attic.ago(from)), at(attic.ago(to))).unwrap());
    let mut before = Vec::new();
    for period in periods {
        before.push(attic.told(period).await);
    }
    let (scans, findings) = (attic.count("scans").await, attic.count("findings").await);
    let removed = attic.prune(attic.now).await;
    // Of the old scans the latest that did not fail and the latest complete one stay; `a` and `e` are gone.
    assert_eq!((scans, attic.count("scans").await), (8, 4));
    assert_eq!((findings, attic.count("findings").await), (6, 4));
    assert_eq!(removed, Removed { scans: 4, findings: 2, events: 4 });
    for (period, before) in periods.into_iter().zip(before) {
        for (now, then) in attic.told(period).await.into_iter().zip(before) {
            assert_eq!(now, then);
        }
    }
    assert_eq!(
        attic.count("finding_events where number not in (select number from findings)").await,
        0
    );
    let numbers = attic.sequence().await;
    assert_eq!((numbers.given, numbers.present, numbers.removed), (6, 4, 2));
    assert!(numbers.missing.is_empty(), "{numbers:?}");
    let status = attic.world.verify().await.verdict.status;
    assert_eq!(status, evidence::chain::Status::Ok);
    // What comes back after it went is a new finding, and scans go on in order.
    attic.scan(1, showing(&["a", "b", "c"])).await;
    assert_eq!(attic.world.finding("a").await.number, 7);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn when_a_finding_was_last_seen_outlives_the_scan_that_saw_it(pool: PgPool) {
    let attic = Attic::new(pool).await;
    attic.scan(200, showing(&["b"])).await;
    let partial = |seen: &[&str]| Observation { status: ScanStatus::Partial, ..showing(seen) };
    attic.scan(100, partial(&["b"])).await;
    attic.scan(50, partial(&[])).await;
    attic.scan(2, partial(&["b"])).await;
    let period = Period::new(at(attic.ago(20)), at(attic.ago(10))).unwrap();
    let before = attic.told(period).await;
    assert_eq!(attic.prune(attic.now).await.scans, 1);
    assert_eq!(attic.count("scan_sightings").await, 1);
    assert_eq!(attic.told(period).await, before);
    let seen = &before[0].1[0]["last_seen_at"];
    let seen: Time = seen.as_str().unwrap().parse().unwrap();
    assert_eq!(seen, at(attic.ago(100)));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn what_was_removed_is_told_once_however_often_it_is_tried(pool: PgPool) {
    let attic = Attic::new(pool).await;
    attic.story().await;
    // Somebody dies after some batches, before anything is told.
    attic.advance(attic.now).await.unwrap();
    let mut tx = attic.world.tx().await;
    assert_eq!(retention::remove_scans(&mut tx, None, 1).await.unwrap().removed, 1);
    tx.commit().await.unwrap();
    let mut tx = attic.world.tx().await;
    assert_eq!(retention::remove_findings(&mut tx, 0, 1).await.unwrap().removed, 1);
    drop(tx);
    // Two others go on at once.
    tokio::join!(attic.remove(), attic.remove());
    assert_eq!(attic.prune(attic.now).await, Removed { scans: 4, findings: 2, events: 4 });
    assert_eq!(attic.prune(attic.now).await, Removed::default());
    let entries: Vec<String> = {
        let mut tx = attic.world.tx().await;
        let sql = "select detail from admin_audit_log where action = 'history.removed'";
        sqlx::query_scalar(sql).fetch_all(&mut *tx).await.unwrap()
    };
    assert_eq!(entries.len(), 1);
    let detail: Value = serde_json::from_str(&entries[0]).unwrap();
    assert_eq!(
        (&detail["scans"], &detail["findings"], &detail["finding_events"]),
        (&4.into(), &2.into(), &4.into())
    );
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_pack_that_may_be_made_keeps_what_it_needs(pool: PgPool) {
    let attic = Attic::new(pool).await;
    attic.story().await;
    let pack = attic.request(160).await;
    let period = Period::new(at(attic.ago(160)), at(attic.ago(1))).unwrap();
    let before = attic.told(period).await;
    // Of what is older, `a` and the scan of two hundred days ago go.
    let removed = attic.prune(attic.now).await;
    assert_eq!((removed.scans, removed.findings), (1, 1));
    for (now, then) in attic.told(period).await.into_iter().zip(before) {
        if now.0 != "exceptions" {
            assert_eq!(now, then);
        }
    }
    attic.fail(pack, 6).await;
    assert_eq!(attic.prune(attic.now).await, Removed::default(), "it may be sent back");
    let sql = "update audit_exports set finished_at = finished_at - interval '2 days'";
    sqlx::query(sql).execute(&attic.world.owner).await.unwrap();
    // What is kept now begins a week later each night.
    let mut gone = 0;
    for _ in 0..20 {
        gone += attic.prune(attic.now).await.findings;
    }
    assert_eq!(gone, 1);
    // What is gone stays gone: a pack of that time, asked for now, stops the next batch and is told of it.
    attic.request(160).await;
    assert_eq!(attic.advance(attic.now).await, None);
    let mut snapshot = Snapshot::begin(&attic.world.app, attic.world.org).await.unwrap();
    let told = section::retention(&mut snapshot, attic.world.org).await.unwrap().unwrap();
    assert!(told.kept_from > period.start);
    assert_eq!(told.findings, 2);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_clock_that_jumps_takes_no_more_along_than_a_week(pool: PgPool) {
    let attic = Attic::new(pool).await;
    attic.story().await;
    // Ours has jumped: that of the database counts.
    let first = attic.advance(attic.now + Duration::days(4_000)).await.unwrap();
    assert!(first <= attic.now - Duration::days(30), "{first}");
    // Ours is behind: it counts, and takes nothing back.
    let behind = attic.advance(attic.now - Duration::days(4_000)).await;
    assert_eq!(behind, None);
    // That of the database has jumped, too.
    let jumped = "select driftpack_history_ends(now() + interval '4000 days') > now()";
    assert!(
        sqlx::query_scalar::<_, bool>(jumped)
            .fetch_one(&mut *attic.world.tx().await)
            .await
            .unwrap()
    );
    let sql = "update history_retention set kept_from = kept_from - interval '100 days'";
    let mut past = attic.world.owner.begin().await.unwrap();
    sqlx::query("set local session_replication_role = replica").execute(&mut *past).await.unwrap();
    sqlx::query(sql).execute(&mut *past).await.unwrap();
    past.commit().await.unwrap();
    let next = attic.advance(attic.now).await.unwrap();
    assert_eq!(next, first - Duration::days(100) + Duration::days(7));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_plan_that_keeps_less_counts_after_a_month(pool: PgPool) {
    let attic = Attic::new(pool).await;
    attic.story().await;
    attic.plan(attic.ago(20), Plan::Enterprise).await;
    attic.plan(attic.ago(19), Plan::Free).await;
    assert_eq!(attic.advance(attic.now).await, None, "enterprise held within the last month");
    assert_eq!(attic.prune(attic.now).await, Removed::default());
    let world = &attic.world;
    let sql = "select driftpack_history_ends(now() + interval '12 days')";
    let later: Option<Time> =
        sqlx::query_scalar(sql).fetch_one(&mut *world.tx().await).await.unwrap();
    let lag = attic.now + Duration::days(10) - later.unwrap();
    assert!(lag.num_minutes().abs() < 5, "{lag}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn nobody_can_delete_what_retention_keeps(pool: PgPool) {
    let attic = Attic::new(pool).await;
    attic.story().await;
    let tables = ["scans", "scan_noise", "scan_sightings", "findings", "finding_events"];
    let try_to = async |pool: &PgPool, sql: String| {
        let mut tx = OrgTx::begin(pool, attic.world.org).await.unwrap();
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *tx).await.map(|done| done.rows_affected())
    };
    let refused = |done: sqlx::Result<u64>| {
        let error = done.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "{error}");
    };
    for table in tables {
        refused(try_to(&attic.world.app, format!("delete from {table}")).await);
    }
    for table in ["history_retention", "removed_finding_numbers"] {
        refused(try_to(&attic.world.app, format!("delete from {table}")).await);
        refused(try_to(&attic.world.app, format!("insert into {table} values (null)")).await);
    }
    let owner = &attic.world.owner;
    refused(try_to(owner, "delete from scans where status = 'failed'".into()).await);
    // Before and after a part of it may go; the whole never may.
    for _ in 0..2 {
        refused(try_to(owner, "delete from scan_sightings".into()).await);
        refused(try_to(owner, "delete from finding_events".into()).await);
        attic.advance(attic.now).await.unwrap();
    }
    // The functions that the server may call take nothing else either, whatever they are told.
    attic.remove().await;
    let far = "select * from driftpack_remove_scans('-infinity', null, 2147483647)";
    assert!(try_to(&attic.world.app, far.into()).await.is_ok());
    assert_eq!(attic.count("scans").await, 4);
    // Nor of another organisation, nor for nobody.
    let other = World::org(&attic.world.app, "other").await;
    let mut tx = OrgTx::begin(&attic.world.app, other.0).await.unwrap();
    assert_eq!(retention::advance(&mut tx, attic.now).await.unwrap(), None);
    drop(tx);
    let mut nobody = attic.world.app.begin().await.unwrap();
    let sql = "select driftpack_retain_history(now())";
    let none: Option<Time> = sqlx::query_scalar(sql).fetch_one(&mut *nobody).await.unwrap();
    assert_eq!(none, None);
}
