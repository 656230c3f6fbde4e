//! Packs whose run had failed and was sent back by an operator.

use db::exports::Status;
use engine::{Client, RetryFrom, RunFilter, RunState};
use evidence::ids::{OrgId, UserId};
use sqlx::PgPool;
use uuid::Uuid;

use super::{is_over, tamper, work_until};
use crate::tests::World;

/// Edits an entry of the audit log, so that packs fail in `attest`, for good.
async fn damage(owner: &PgPool, org: OrgId) -> String {
    let was = "select actor_id from admin_audit_log where chain = $1 and seq = 2";
    let was = sqlx::query_scalar(was).bind(org.0).fetch_one(owner).await.unwrap();
    tamper(owner, org.0, "nobody").await;
    was
}

/// A pack that failed in `attest`; by now nothing is in its way.
async fn failed(world: &World, owner: &PgPool, org: (OrgId, UserId)) -> Uuid {
    let client = Client::new(world.ports.pool.clone());
    let run_id = world.request(&client, org).await;
    let was = damage(owner, org.0).await;
    work_until(world, async || is_over(&client, run_id).await).await;
    tamper(owner, org.0.0, &was).await;
    assert_eq!(world.export(world.pack(run_id)).await.status, Status::Failed);
    run_id
}

/// Sends the run back, and waits until it is over again.
async fn send_back(world: &World, run_id: Uuid, from: RetryFrom) -> RunState {
    let client = Client::new(world.ports.pool.clone());
    let mut tx = world.ports.pool.begin().await.unwrap();
    let operator = client.operator("operator");
    assert!(operator.retry(&mut tx, run_id, &from, None).await.unwrap());
    tx.commit().await.unwrap();
    work_until(world, async || is_over(&client, run_id).await).await;
    client.find(run_id).await.unwrap().unwrap().state
}

async fn code(world: &World, run_id: Uuid) -> Option<String> {
    let run = Client::new(world.ports.pool.clone()).find(run_id).await.unwrap().unwrap();
    run.error.and_then(|error| error.code)
}

async fn assert_is_done(world: &World, run_id: Uuid) {
    let pack = world.pack(run_id);
    let export = world.export(pack).await;
    assert_eq!(
        (export.status, export.error_code, export.error_message),
        (Status::Done, None, None)
    );
    assert!(export.finished_at > export.started_at);
    let zip = world.bytes(&export.object_key.unwrap().parse().unwrap()).await;
    let report = world.verdict(zip);
    assert_eq!(report.exit_code, 0, "{report:#?}");
    let recorded = (
        world.recorded(pack, "audit_export.failed").await,
        world.recorded(pack, "audit_export.completed").await,
    );
    assert_eq!(recorded, (1, 1), "what failed stays on record");
    assert!(world.chain_is_ok(pack.org).await);
    assert!(!world.staged().await.contains(&run_id), "staged objects are left");
}

#[sqlx::test(migrations = false)]
async fn a_failed_pack_is_finished_from_whatever_place_it_is_sent_back_to(owner: PgPool) {
    let world = World::new(owner.clone()).await;
    let org = world.org().await;
    for from in [RetryFrom::Failed, RetryFrom::Step(2), RetryFrom::Step(1), RetryFrom::Start] {
        let run_id = failed(&world, &owner, org).await;
        assert_eq!(send_back(&world, run_id, from).await, RunState::Succeeded);
        assert_is_done(&world, run_id).await;
    }
}

#[sqlx::test(migrations = false)]
async fn a_pack_that_fails_again_says_why_anew(owner: PgPool) {
    let world = World::new(owner.clone()).await;
    let org = world.org().await;
    let run_id = failed(&world, &owner, org).await;
    let was = damage(&owner, org.0).await;
    assert_eq!(send_back(&world, run_id, RetryFrom::Failed).await, RunState::Failed);
    let pack = world.pack(run_id);
    assert_eq!(world.export(pack).await.status, Status::Failed);
    assert_eq!(world.recorded(pack, "audit_export.failed").await, 2);
    tamper(&owner, org.0.0, &was).await;
    assert_eq!(send_back(&world, run_id, RetryFrom::Failed).await, RunState::Succeeded);
    assert_eq!(world.export(pack).await.status, Status::Done);
}

#[sqlx::test(migrations = false)]
async fn a_deleted_pack_is_not_built_again(owner: PgPool) {
    let world = World::new(owner.clone()).await;
    let org = world.org().await;
    let run_id = failed(&world, &owner, org).await;
    let pack = world.pack(run_id);
    let mut tx = db::OrgTx::begin(&world.ports.pool, pack.org).await.unwrap();
    let cause = super::super::cause(run_id, world.clock.now());
    assert!(db::exports::delete(&mut tx, pack.org, pack.export, &cause).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(send_back(&world, run_id, RetryFrom::Start).await, RunState::Failed);
    assert_eq!(code(&world, run_id).await.as_deref(), Some("pack_gone"));
    assert_eq!(world.export(pack).await.status, Status::Deleted);
    assert!(world.artifacts(pack.export).await.is_empty());
}

/// Neither would know of the other's head: the one was collected while the other had failed.
#[sqlx::test(migrations = false)]
async fn a_pack_that_another_one_has_overtaken_is_collected_anew(owner: PgPool) {
    let world = World::new(owner.clone()).await;
    let client = Client::new(world.ports.pool.clone());
    let org = world.org().await;
    let run_id = failed(&world, &owner, org).await;
    let other = world.request(&client, org).await;
    work_until(&world, async || is_over(&client, other).await).await;

    assert_eq!(send_back(&world, run_id, RetryFrom::Failed).await, RunState::Succeeded);
    let report = follows(&world, run_id, other).await;
    assert_eq!(report.exit_code, 0, "{report:#?}");
    let past = client.past_steps(run_id).await.unwrap();
    assert!(past.iter().any(|step| step.name == "collect"), "{past:#?}");
}

/// An hour without storage, say, and all that failed in it are sent back in one go.
#[sqlx::test(migrations = false)]
async fn packs_that_are_sent_back_together_are_all_made_and_of_any_two_one_names_the_other(
    owner: PgPool,
) {
    let world = World::new(owner.clone()).await;
    let client = Client::new(world.ports.pool.clone());
    let org = world.org().await;
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(failed(&world, &owner, org).await);
    }
    let mut tx = world.ports.pool.begin().await.unwrap();
    let all = RunFilter { states: vec![RunState::Failed], ..RunFilter::default() };
    let redriven = client.operator("operator").redrive(&mut tx, &all, 100).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(redriven.run_ids, runs);
    work_until(&world, async || {
        for run_id in &runs {
            if !is_over(&client, *run_id).await {
                return false;
            }
        }
        true
    })
    .await;
    for run_id in &runs {
        let export = world.export(world.pack(*run_id)).await;
        assert_eq!((export.status, export.error_code), (Status::Done, None));
    }
    for (place, one) in runs.iter().enumerate() {
        for other in &runs[..place] {
            let directions = [follows(&world, *one, *other), follows(&world, *other, *one)];
            let [one, other] = directions.map(async |report| report.await.exit_code);
            assert!([one.await, other.await].contains(&0), "neither names the other");
        }
    }
}

/// What the verifier says of the newer pack beside the older one.
async fn follows(world: &World, newer: Uuid, older: Uuid) -> bundle::verify::Report {
    let zip = async |run_id| {
        let export = world.export(world.pack(run_id)).await;
        world.bytes(&export.object_key.unwrap().parse().unwrap()).await
    };
    let (older, newer) = (zip(older).await, zip(newer).await);
    let options = bundle::verify::Options {
        keys: world.ports.proof.keys.public(),
        against: vec![bundle::verify::Older {
            name: "other.zip".into(),
            report: world.verdict(older),
        }],
        ..bundle::verify::Options::default()
    };
    bundle::verify::verify(std::io::Cursor::new(newer), &options)
}
