//! Discarding against a real database and a real folder.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use engine::testing::{Harness, exercise};
use engine::{Client, End, Outcome};
use sqlx::PgPool;
use storage::{Attempt, Key};
use uuid::Uuid;

use super::{DiscardPack, STEPS};
use crate::Ports;
use crate::tests::World;

/// Leftovers of packs by the run that discards them.
struct Attic {
    world: World,
    discarded: Mutex<HashMap<Uuid, DiscardPack>>,
}

impl Attic {
    async fn put(&self, key: &Key) {
        let mut writer = self.world.ports.storage.writer(key).await.unwrap();
        writer.write(b"x".as_slice().into()).await.unwrap();
        writer.close().await.unwrap();
    }
}

impl Harness for Attic {
    type Workflow = DiscardPack;

    async fn make_input(&self, client: &Client) -> Uuid {
        let (org, _) = self.world.org().await;
        // Its history was purged: a run that is not known has ended.
        let run = Uuid::from_u128(rand::random());
        let export = evidence::ids::ExportId(Uuid::from_u128(rand::random()));
        let pack = DiscardPack { org, export, run };
        self.put(&Key::staging(&Attempt::new(run, 1, 1), "findings.csv")).await;
        self.put(&Key::artifact(org.0, export.0, &[1; 32])).await;
        let mut conn = self.world.ports.pool.acquire().await.unwrap();
        let started = client.start(&mut conn, pack).await.unwrap();
        self.discarded.lock().unwrap().insert(started.run_id, pack);
        started.run_id
    }

    fn ports(&self) -> Arc<Ports> {
        self.world.ports.clone()
    }

    async fn check(&self, end: &End) {
        let pack = self.discarded.lock().unwrap().remove(&end.run_id).unwrap();
        if matches!(end.outcome, Outcome::Succeeded(_)) {
            assert!(self.world.artifacts(pack.export).await.is_empty());
            assert!(!self.world.staged().await.contains(&pack.run));
        }
    }
}

#[sqlx::test(migrations = false)]
async fn discarding_survives_everything_that_can_happen_to_a_run(owner: PgPool) {
    let attic = Attic { world: World::new(owner).await, discarded: Mutex::default() };
    let report = exercise(&attic, &attic.world.ports.pool, &attic.world.clock).await;
    let steps: Vec<_> = report.steps.iter().map(|step| step.name.clone()).collect();
    assert_eq!(steps, STEPS);
}
