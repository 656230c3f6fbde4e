//! Retention against a real database and a real folder, with everything it must clean away and everything it must not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use chrono::Duration;
use db::exports::{Built, Entries, Status};
use db::sessions::{IdHash, Lifetime};
use db::{Cause, OrgTx};
use engine::testing::{Harness, exercise};
use engine::{Client, End, Outcome, Time};
use evidence::action::Actor;
use sqlx::PgPool;
use storage::{Attempt, Key};
use uuid::Uuid;

use super::{Retention, STEPS};
use crate::Ports;
use crate::compliance_pack::BuildPack;
use crate::tests::World;

/// What each run finds: packs by what must become of them.
struct Attic {
    world: World,
    cases: Mutex<HashMap<Uuid, Case>>,
}

struct Case {
    due: BuildPack,
    fresh: BuildPack,
    deleted: BuildPack,
    unknown_run: Uuid,
    /// A session whose time is over at the tick, and one that lives.
    sessions: [IdHash; 2],
}

impl Attic {
    fn tick(&self) -> Time {
        self.world.clock.now() + Duration::days(1)
    }

    /// A finished pack whose time ends `days` from now, with its object.
    async fn done(&self, client: &Client, org: Org, days: i64) -> BuildPack {
        let world = &self.world;
        let run_id = world.request(client, org).await;
        let pack = world.pack(run_id);
        let cause = self.cause();
        let object = Key::artifact(pack.org.0, pack.export.0, &[1; 32]);
        let mut writer = world.ports.storage.writer(&object).await.unwrap();
        writer.write(b"pack".as_slice().into()).await.unwrap();
        writer.close().await.unwrap();
        let built = Built {
            file_name: "pack.zip".into(),
            size_bytes: 4,
            sha256: [1; 32],
            manifest_sha256: [2; 32],
            pdf_included: false,
            entries: Entries::default(),
            object_key: object.to_string(),
            attested_seq: 1,
            attested_hash: [3; 32],
        };
        let mut tx = OrgTx::begin(&world.ports.pool, pack.org).await.unwrap();
        db::exports::begin(&mut tx, pack.org, pack.export, &cause).await.unwrap();
        db::exports::complete(&mut tx, pack.org, pack.export, &built, &cause).await.unwrap();
        let ends = "update audit_exports set expires_at = $3 where org_id = $1 and id = $2";
        let ends = sqlx::query(ends).bind(pack.org.0).bind(pack.export.0);
        let at = world.clock.now() + Duration::days(days);
        ends.bind(at).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        pack
    }

    fn cause(&self) -> Cause {
        Cause::new(Actor::system("test"), "test", self.world.clock.now())
    }

    /// A person deleted it, and the storage was away at that moment.
    async fn delete(&self, pack: BuildPack) {
        let mut tx = OrgTx::begin(&self.world.ports.pool, pack.org).await.unwrap();
        db::exports::delete(&mut tx, pack.org, pack.export, &self.cause()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Sessions that end so many days from now.
    async fn sessions(&self, (_, user): Org) -> [IdHash; 2] {
        let mut conn = self.world.ports.pool.acquire().await.unwrap();
        let now = self.world.clock.now();
        let mut made = [[0; 32]; 2];
        for (id_hash, days) in made.iter_mut().zip([1, 2]) {
            *id_hash = rand::random();
            let lifetime = Lifetime { idle: Duration::days(days), whole: Duration::days(days) };
            db::sessions::begin(&mut conn, *id_hash, user, lifetime, now).await.unwrap();
        }
        made
    }

    /// Which of them have a row.
    async fn there(&self, sessions: [IdHash; 2]) -> [bool; 2] {
        let count = "select count(*) from sessions where id_hash = $1";
        let mut there = [false; 2];
        for (there, id_hash) in there.iter_mut().zip(sessions) {
            let count = sqlx::query_scalar::<_, i64>(count).bind(id_hash.to_vec());
            *there = count.fetch_one(&self.world.ports.pool).await.unwrap() == 1;
        }
        there
    }

    async fn litter(&self) -> Uuid {
        let run_id = Uuid::from_u128(rand::random());
        let key = Key::staging(&Attempt::new(run_id, 1, 1), "findings.csv");
        let mut writer = self.world.ports.storage.writer(&key).await.unwrap();
        writer.write(b"x".as_slice().into()).await.unwrap();
        writer.close().await.unwrap();
        run_id
    }
}

type Org = (evidence::ids::OrgId, evidence::ids::UserId);

impl Harness for Attic {
    type Workflow = Retention;

    async fn make_input(&self, client: &Client) -> Uuid {
        let org = self.world.org().await;
        let case = Case {
            due: self.done(client, org, -1).await,
            fresh: self.done(client, org, 60).await,
            deleted: self.done(client, org, 60).await,
            unknown_run: self.litter().await,
            sessions: self.sessions(org).await,
        };
        self.delete(case.deleted).await;
        let mut conn = self.world.ports.pool.acquire().await.unwrap();
        let started = client.start(&mut conn, Retention { tick: self.tick() }).await.unwrap();
        self.cases.lock().unwrap().insert(started.run_id, case);
        started.run_id
    }

    fn ports(&self) -> Arc<Ports> {
        self.world.ports.clone()
    }

    async fn check(&self, end: &End) {
        let case = self.cases.lock().unwrap().remove(&end.run_id).unwrap();
        let world = &self.world;
        let due = world.export(case.due).await;
        let expired = world.recorded(case.due, "audit_export.expired").await;
        assert_eq!(expired, usize::from(due.status == Status::Expired));
        assert_eq!(world.export(case.fresh).await.status, Status::Done);
        assert_eq!(world.artifacts(case.fresh.export).await.len(), 1);
        assert!(world.chain_is_ok(case.due.org).await);
        let [is_over_there, lives] = self.there(case.sessions).await;
        assert!(lives);
        if matches!(end.outcome, Outcome::Succeeded(_)) {
            assert!(!is_over_there);
            assert_eq!(due.status, Status::Expired);
            assert!(world.artifacts(case.due.export).await.is_empty());
            assert!(world.artifacts(case.deleted.export).await.is_empty());
            assert!(!world.staged().await.contains(&case.unknown_run));
        }
    }
}

#[sqlx::test(migrations = false)]
async fn retention_survives_everything_that_can_happen_to_a_run(owner: PgPool) {
    let attic = Attic { world: World::new(owner).await, cases: Mutex::default() };
    let report = exercise(&attic, &attic.world.ports.pool, &attic.world.clock).await;
    let steps: Vec<_> = report.steps.iter().map(|step| step.name.clone()).collect();
    assert_eq!(steps, STEPS);
}
