//! Purging against a real database: what must go, and everything that must stay.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use chrono::Duration;
use db::OrgTx;
use db::idempotency::{self, Answer, Owner};
use engine::testing::{Harness, exercise};
use engine::{Client, End, Outcome, Workflow as _};
use evidence::ids::OrgId;
use sqlx::PgPool;
use uuid::Uuid;

use super::{History, STEPS};
use crate::Ports;
use crate::tests::World;

/// What each run finds.
struct Attic {
    world: World,
    owner: PgPool,
    cases: Mutex<HashMap<Uuid, Case>>,
}

struct Case {
    org: OrgId,
    /// Of a run that ended long ago, and of one that ended a moment ago.
    runs: [Uuid; 2],
}

impl Attic {
    /// A run that was started and ended `ago`.
    async fn ended(&self, ago: Duration) -> Uuid {
        let at = self.world.clock.now() - ago;
        let run_id = evidence::ids::v7(at, rand::random());
        let run = "insert into engine.runs
                     (id, workflow, version, state, input, wake_at, created_at, ended_at)
                   values ($1, $2, 1, 'cancelled', '{}', $3, $3, $3)";
        let run = sqlx::query(run).bind(run_id).bind(History::NAME).bind(at);
        run.execute(&self.owner).await.unwrap();
        run_id
    }

    async fn answer(&self, org: OrgId, key: &str, ago: Duration) {
        let sql = "insert into idempotency_keys values ($1, $2, sha256('x'), 202, '{}', $3)";
        let at = self.world.clock.now() - ago;
        sqlx::query(sql).bind(org.0).bind(key).bind(at).execute(&self.owner).await.unwrap();
    }

    /// An answer to a platform administrator, which is not given again.
    async fn platform_answer(&self) {
        let sql = "insert into platform_idempotency_keys values ($1, sha256('x'), 202, '{}', $2)";
        let at = self.world.clock.now() - Duration::hours(25);
        let key = Uuid::from_u128(rand::random()).to_string();
        sqlx::query(sql).bind(key).bind(at).execute(&self.owner).await.unwrap();
    }

    async fn check_of(&self, org: OrgId, status: &str, days: i32) {
        let sql = "insert into audit_chain_checks
                     (chain, checked_at, checked_by, extent, status, checked, message)
                   values ($1, now() - make_interval(days => $3), $1, 'full', $2, 1, 'x')";
        let query = sqlx::query(sql).bind(org.0).bind(status).bind(days);
        query.execute(&self.owner).await.unwrap();
    }

    async fn answers(&self, org: OrgId) -> [Option<Answer>; 2] {
        let mut tx = OrgTx::begin(&self.world.ports.pool, org).await.unwrap();
        // As old as the answers were, so that finding them does not depend on their age.
        let then = self.world.clock.now() - Duration::days(30);
        let old = idempotency::find(&mut tx, Owner::Org(org), "old", then).await.unwrap();
        [old, idempotency::find(&mut tx, Owner::Org(org), "fresh", then).await.unwrap()]
    }
}

impl Harness for Attic {
    type Workflow = History;

    async fn make_input(&self, client: &Client) -> Uuid {
        let (org, _) = self.world.org().await;
        self.answer(org, "old", Duration::hours(25)).await;
        self.answer(org, "fresh", Duration::hours(1)).await;
        self.platform_answer().await;
        for (status, days) in [("ok", 91), ("ok", 89), ("broken", 400)] {
            self.check_of(org, status, days).await;
        }
        let runs = [self.ended(Duration::days(400)).await, self.ended(Duration::zero()).await];
        let mut conn = self.world.ports.pool.acquire().await.unwrap();
        let started = client.start(&mut conn, History { part: 10 }).await.unwrap();
        self.cases.lock().unwrap().insert(started.run_id, Case { org, runs });
        started.run_id
    }

    fn ports(&self) -> Arc<Ports> {
        self.world.ports.clone()
    }

    async fn check(&self, end: &End) {
        let Case { org, runs: [old, fresh] } =
            self.cases.lock().unwrap().remove(&end.run_id).unwrap();
        let client = Client::new(self.world.ports.pool.clone());
        let [old_answer, fresh_answer] = self.answers(org).await;
        assert!(fresh_answer.is_some() && client.find(fresh).await.unwrap().is_some());
        let kept: Vec<String> = sqlx::query_scalar(
            "select status from audit_chain_checks where chain = $1 order by checked_at desc",
        )
        .bind(org.0)
        .fetch_all(&self.owner)
        .await
        .unwrap();
        if matches!(end.outcome, Outcome::Succeeded(_)) {
            assert!(old_answer.is_none() && client.find(old).await.unwrap().is_none());
            assert_eq!(kept, ["ok", "broken"]);
            let platform = sqlx::query_scalar("select count(*) from platform_idempotency_keys");
            let platform: i64 = platform.fetch_one(&self.owner).await.unwrap();
            assert_eq!(platform, 0);
        } else {
            assert!(kept.len() >= 2, "{kept:?}");
        }
        assert!(self.world.chain_is_ok(org).await);
    }
}

#[sqlx::test(migrations = false)]
async fn purging_survives_everything_that_can_happen_to_a_run(owner: PgPool) {
    let world = World::new(owner.clone()).await;
    // What a worker says of its workflows when it starts.
    let kept =
        "insert into engine.workflows (name, retention, declared_at) values ($1, '90 days', now())";
    sqlx::query(kept).bind(History::NAME).execute(&owner).await.unwrap();
    let attic = Attic { world, owner, cases: Mutex::default() };
    let report = exercise(&attic, &attic.world.ports.pool, &attic.world.clock).await;
    let steps: Vec<_> = report.steps.iter().map(|step| step.name.clone()).collect();
    assert_eq!(steps, STEPS);
}
