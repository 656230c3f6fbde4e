//! Pruning against a real database: what must go, what a pack in the middle of being made holds, and what is said of it afterwards.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use db::exports::Status;
use db::{Cause, OrgTx};
use engine::testing::{Harness, exercise};
use engine::{Client, End, Outcome, Worker};
use evidence::action::Actor;
use evidence::ids::{OrgId, UserId};
use evidence::org::Plan;
use evidence::scan::{ScanStatus, SourceKind};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Pruned, Pruning, STEPS};
use crate::Ports;
use crate::tests::{World, work_until};

/// Small batches, so that there are many.
const SMALL: Pruning = Pruning { part: 10, batch: 1 };

struct Attic {
    world: World,
    cases: Mutex<HashMap<Uuid, OrgId>>,
}

/// An organisation on the plan `team` with a source of which each scan shows these addresses, so many days ago.
async fn org(world: &World, scans: &[(i64, &[&str])]) -> (OrgId, UserId) {
    let (org, user) = world.org().await;
    let began = world.clock.now() - chrono::Duration::days(40);
    let cause = Cause::new(Actor::system("test"), "test", began);
    let mut tx = OrgTx::begin(&world.ports.pool, org).await.unwrap();
    db::orgs::set_plan(&mut tx, org, Plan::Team, &cause).await.unwrap();
    let attic =
        db::state_sources::ensure(&mut tx, org, "attic", SourceKind::Upload, &cause).await.unwrap();
    tx.commit().await.unwrap();
    for (days, seen) in scans {
        world.scan(org, attic.id, (*days, ScanStatus::Done, seen)).await;
    }
    (org, user)
}

/// Rows of the organisation in a table, or of those that fulfil the condition behind it.
async fn count(world: &World, org: OrgId, rows: &'static str) -> i64 {
    let mut tx = OrgTx::begin(&world.ports.pool, org).await.unwrap();
    let sql = sqlx::AssertSqlSafe(format!("select count(*) from {rows}"));
    sqlx::query_scalar(sql).fetch_one(&mut *tx).await.unwrap()
}

const TOLD: &str = "admin_audit_log where action = 'history.removed'";
const OLD_SCANS: &str = "scans where observed_at < now() - interval '31 days 1 hour'";

impl Harness for Attic {
    type Workflow = Pruning;

    async fn make_input(&self, client: &Client) -> Uuid {
        let story: [(i64, &[&str]); 4] = [(60, &["x", "y"]), (55, &["y"]), (50, &[]), (45, &["z"])];
        let (org, _) = org(&self.world, &story).await;
        let mut conn = self.world.ports.pool.acquire().await.unwrap();
        let started = client.start(&mut conn, SMALL).await.unwrap();
        self.cases.lock().unwrap().insert(started.run_id, org);
        started.run_id
    }

    fn ports(&self) -> Arc<Ports> {
        self.world.ports.clone()
    }

    async fn check(&self, end: &End) {
        let org = self.cases.lock().unwrap().remove(&end.run_id).unwrap();
        let world = &self.world;
        let told = count(world, org, TOLD).await;
        if matches!(end.outcome, Outcome::Succeeded(_)) {
            assert_eq!(told, 1);
            // The latest one of each source before what is kept.
            assert_eq!(count(world, org, OLD_SCANS).await, 2);
            assert_eq!(count(world, org, "findings where address in ('x', 'y')").await, 0);
        } else {
            assert!(told <= 1);
        }
        assert_eq!(count(world, org, "findings where address = 'z'").await, 1);
        assert!(world.chain_is_ok(org).await);
    }
}

#[sqlx::test(migrations = false)]
async fn pruning_survives_everything_that_can_happen_to_a_run(owner: PgPool) {
    let attic = Attic { world: World::new(owner).await, cases: Mutex::default() };
    let report = exercise(&attic, &attic.world.ports.pool, &attic.world.clock).await;
    let steps: Vec<_> = report.steps.iter().map(|step| step.name.clone()).collect();
    assert_eq!(steps, STEPS);
}

/// Prunes to the end.
async fn prune(world: &World) -> Pruned {
    let client = Client::new(world.ports.pool.clone()).with_clock(world.clock.clone().into());
    let mut conn = world.ports.pool.acquire().await.unwrap();
    let run_id = client.start(&mut conn, SMALL).await.unwrap().run_id;
    drop(conn);
    // A worker that builds no pack.
    let stop = CancellationToken::new();
    let worker = Worker::builder(world.ports.pool.clone(), world.ports.clone())
        .register::<Pruning>()
        .build()
        .unwrap();
    let working = tokio::spawn(worker.run(stop.clone()));
    let output = tokio::time::timeout(Duration::from_mins(1), async {
        loop {
            if let Some(output) = client.find(run_id).await.unwrap().unwrap().output {
                return output;
            }
            engine::Clock::System.sleep(Duration::from_millis(10)).await;
        }
    });
    let output = output.await.expect("the run ends within a minute");
    stop.cancel();
    working.await.unwrap().unwrap();
    serde_json::from_value(output).unwrap()
}

/// Builds the pack of a run, and what its `provenance.json` leaves out first.
async fn build(world: &World, run_id: Uuid) -> String {
    let pack = world.pack(run_id);
    work_until(world, async || world.export(pack).await.status == Status::Done).await;
    let key = world.artifacts(pack.export).await.remove(0);
    let zip = world.bytes(&key).await;
    let report = world.verdict(zip.clone());
    assert_eq!(report.result, bundle::verify::Outcome::Ok, "{report:?}");
    let mut provenance = crate::compliance_pack::tests::provenance(zip);
    assert_eq!(provenance.sequence_gaps.finding_numbers.missing_total, 0);
    let first = provenance.exclusions.remove(0);
    format!("{}: {}", first.what, first.why)
}

#[sqlx::test(migrations = false)]
async fn a_pack_in_the_middle_keeps_what_it_needs_and_a_later_one_says_what_is_gone(owner: PgPool) {
    let world = World::new(owner).await;
    // Packs of the test begin thirty-five days ago, and the plan keeps thirty-one: `z` lies between.
    let story: [(i64, &[&str]); 5] = [(60, &["x"]), (55, &[]), (34, &["z"]), (33, &[]), (32, &[])];
    let org = org(&world, &story).await;
    let client = Client::new(world.ports.pool.clone()).with_clock(world.clock.clone().into());
    let run_id = world.request(&client, org).await;
    let pack = world.pack(run_id);
    let cause = Cause::new(Actor::system("test"), "test", world.clock.now());
    let mut tx = OrgTx::begin(&world.ports.pool, org.0).await.unwrap();
    db::exports::begin(&mut tx, org.0, pack.export, &cause).await.unwrap();
    tx.commit().await.unwrap();

    // It is being made.
    let held = prune(&world).await;
    assert_eq!((held.scans, held.findings), (1, 1), "only what lies before its period");
    assert_eq!(count(&world, org.0, "findings where address = 'z'").await, 1);
    let said = build(&world, run_id).await;
    assert!(said.contains("Nothing of this period is missing"), "{said}");

    // It is made.
    let pruned = prune(&world).await;
    assert_eq!((pruned.scans, pruned.findings, pruned.left_behind), (3, 1, 0), "{pruned:?}");
    assert_eq!(count(&world, org.0, "findings where address = 'z'").await, 0);
    assert_eq!(count(&world, org.0, TOLD).await, 2);
    let later = world.request(&client, org).await;
    let said = build(&world, later).await;
    assert!(said.starts_with("History from before 20"), "{said}");
    assert!(said.contains("this period begins before it"), "{said}");
    assert!(world.chain_is_ok(org.0).await);
}
