//! Deleting an organisation against a real database and a real folder, with a pack in the middle of being built.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use db::{Cause, OrgTx};
use engine::testing::{Harness, exercise};
use engine::{Client, End, Outcome};
use evidence::action::Actor;
use evidence::ids::OrgId;
use sqlx::PgPool;
use storage::{Attempt, Key};
use uuid::Uuid;

use super::{DeleteOrg, STEPS};
use crate::Ports;
use crate::compliance_pack::BuildPack;
use crate::tests::World;

struct Estate {
    world: World,
    owner: PgPool,
    cases: Mutex<HashMap<Uuid, BuildPack>>,
}

/// What is left of an organisation when it is deleted.
const LEFT: [&str; 4] =
    ["admin_audit_log", "audit_chain_heads", "audit_chain_states", "audit_chain_checks"];

impl Estate {
    /// A pack that is being built, with something staged and something published.
    async fn pack(&self, client: &Client) -> BuildPack {
        let world = &self.world;
        let run_id = world.request(client, world.org().await).await;
        let pack = world.pack(run_id);
        let mut tx = OrgTx::begin(&world.ports.pool, pack.org).await.unwrap();
        db::exports::begin(&mut tx, pack.org, pack.export, &self.cause()).await.unwrap();
        tx.commit().await.unwrap();
        for key in [
            Key::artifact(pack.org.0, pack.export.0, &[1; 32]),
            Key::staging(&Attempt::new(run_id, 1, 1), "findings.csv"),
        ] {
            let mut writer = world.ports.storage.writer(&key).await.unwrap();
            writer.write(b"x".as_slice().into()).await.unwrap();
            writer.close().await.unwrap();
        }
        pack
    }

    fn cause(&self) -> Cause {
        Cause::new(Actor::operator("test"), "test", self.world.clock.now())
    }

    /// How many rows tables of customers have, but for those of the audit chain; and that chain's head.
    async fn rows(&self, org: OrgId) -> i64 {
        let sql = "select c.relname::text, a.attname::text
                     from pg_class c
                     join pg_attribute a on a.attrelid = c.oid and a.attname in ('org_id', 'chain')
                    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'";
        let tables: Vec<(String, String)> =
            sqlx::query_as(sql).fetch_all(&self.owner).await.unwrap();
        assert!(tables.len() > 20);
        let mut rows = 0;
        for (table, column) in tables {
            if !LEFT.contains(&table.as_str()) {
                let sql = format!("select count(*) from {table} where {column} = $1");
                let count = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(sql)).bind(org.0);
                rows += count.fetch_one(&self.owner).await.unwrap();
            }
        }
        rows
    }

    async fn last_actions(&self, org: OrgId) -> Vec<String> {
        let sql = "select action from admin_audit_log where chain = $1 order by seq desc limit 2";
        sqlx::query_scalar(sql).bind(org.0).fetch_all(&self.owner).await.unwrap()
    }

    /// Whether the database takes another entry, by whoever tries.
    async fn takes_entries(&self, org: OrgId) -> bool {
        let mut taken = false;
        for pool in [&self.world.ports.pool, &self.owner] {
            let mut tx = OrgTx::begin(pool, org).await.unwrap();
            let draft = evidence::chain::Draft {
                id: Uuid::from_u128(rand::random()),
                actor: Actor::operator("test"),
                action: evidence::action::Action::AuditLogVerified,
                detail: serde_json::Map::new(),
                origin: "test".into(),
                outcome: evidence::action::Outcome::Success,
            };
            let chain = evidence::chain::ChainId::Org(org);
            taken |= db::chain::append(&mut tx, chain, draft).await.is_ok();
            drop(tx);
            let mut tx = OrgTx::begin(pool, org).await.unwrap();
            let again = "insert into admin_audit_log
                         select chain, seq + 1, gen_random_uuid(), action, actor_type, actor_id, created_at,
                                detail, origin, outcome, hash, sha256('x'), canonical
                           from admin_audit_log where chain = $1 order by seq desc limit 1";
            taken |= sqlx::query(again).bind(org.0).execute(&mut *tx).await.is_ok();
        }
        taken
    }
}

impl Harness for Estate {
    type Workflow = DeleteOrg;

    async fn make_input(&self, client: &Client) -> Uuid {
        let pack = self.pack(client).await;
        let mut tx = self.owner.begin().await.unwrap();
        assert!(db::deletion::begin(&mut tx, pack.org, &self.cause()).await.unwrap());
        assert!(!db::deletion::begin(&mut tx, pack.org, &self.cause()).await.unwrap());
        let input = DeleteOrg { org: pack.org, batch: 5 };
        let started = client.start(&mut tx, input).key(pack.org).await.unwrap();
        tx.commit().await.unwrap();
        // Nobody finds it any more.
        let mut tx = OrgTx::begin(&self.world.ports.pool, pack.org).await.unwrap();
        assert_eq!(db::orgs::find(&mut tx, pack.org).await.unwrap(), None);
        self.cases.lock().unwrap().insert(started.run_id, pack);
        started.run_id
    }

    fn ports(&self) -> Arc<Ports> {
        self.world.ports.clone()
    }

    fn register(&self, known: &mut engine::testing::Known<Ports>) {
        known.add::<BuildPack>();
    }

    async fn check(&self, end: &End) {
        let pack = self.cases.lock().unwrap().remove(&end.run_id).unwrap();
        let world = &self.world;
        assert!(world.chain_is_ok(pack.org).await);
        if matches!(end.outcome, Outcome::Succeeded(_)) {
            assert_eq!(self.rows(pack.org).await, 0);
            assert!(world.artifacts(pack.export).await.is_empty());
            let last = self.last_actions(pack.org).await;
            assert_eq!(last[0], "org.deleted");
            assert!(!self.takes_entries(pack.org).await);
            let mut tx = OrgTx::begin(&world.ports.pool, pack.org).await.unwrap();
            assert!(db::deletion::sealed_at(&mut tx).await.unwrap().is_some());
        }
    }
}

#[sqlx::test(migrations = false)]
async fn deletion_survives_everything_that_can_happen_to_a_run(owner: PgPool) {
    let world = World::new(owner.clone()).await;
    let estate = Estate { world, owner, cases: Mutex::default() };
    let report = exercise(&estate, &estate.world.ports.pool, &estate.world.clock).await;
    let steps: Vec<_> = report.steps.iter().map(|step| step.name.clone()).collect();
    assert_eq!(steps, STEPS);
}
