//! The key of a pack: chosen by validity, waited for where there is none, and dated by an authority that may be anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bundle::keyring::Keyring;
use bundle::keys::{PublicKeys, SigningKey};
use bundle::testing::Authority as OpenSsl;
use chrono::Duration;
use engine::Client;
use evidence::pack;
use sqlx::PgPool;

use super::is_over;
use crate::tests::{World, work_until};
use crate::{Authority, Ports, Proof};

fn ring(keys: Vec<SigningKey>) -> Keyring {
    Keyring::new(keys, PublicKeys::default()).unwrap()
}

#[sqlx::test(migrations = false)]
async fn a_pack_waits_for_a_valid_key_and_is_signed_by_it(owner: PgPool) {
    let world = World::new(owner).await;
    let client = Client::new(world.ports.pool.clone());
    let (now, keys) = (world.clock.now(), &world.ports.proof.keys);
    let expired = SigningKey::generate([8; 32]).valid(None, Some(now - Duration::days(1)));
    keys.replace(ring(vec![expired.clone()]));
    let run_id = world.request(&client, world.org().await).await;
    let failed = async || client.attempts(run_id).await.unwrap().iter().any(|a| a.error.is_some());
    work_until(&world, failed).await;
    let attempts = client.attempts(run_id).await.unwrap();
    let error = attempts.iter().find_map(|attempt| attempt.error.clone()).unwrap();
    assert_eq!(error.code.as_deref(), Some("no_valid_signing_key"), "{error:?}");
    assert!(error.message.contains("signing-key create"), "{error:?}");
    assert!(error.message.contains(&expired.id()), "{error:?}");
    assert!(!is_over(&client, run_id).await, "it can be tried again");

    let valid = SigningKey::generate([9; 32]).valid(Some(now - Duration::days(1)), None);
    keys.replace(ring(vec![expired, valid.clone()]));
    world.clock.advance(std::time::Duration::from_mins(2));
    work_until(&world, async || is_over(&client, run_id).await).await;
    let export = world.export(world.pack(run_id)).await;
    let report = world.verdict(world.bytes(&export.object_key.unwrap().parse().unwrap()).await);
    assert_eq!(report.exit_code, 0, "{report:#?}");
    assert_eq!(report.pack.unwrap().signed_by, Some(valid.id()));
}

/// The world with an authority of OpenSSL's, and how often that was asked.
fn dated(world: World) -> (World, Arc<AtomicU32>) {
    let (openssl, asked) = (Arc::new(OpenSsl::new()), Arc::new(AtomicU32::new(0)));
    let count = asked.clone();
    let ask = move |request: Vec<u8>| -> futures_util::future::BoxFuture<'static, _> {
        count.fetch_add(1, Ordering::Relaxed);
        let answer = openssl.answer(&request);
        Box::pin(async move { Ok(answer) })
    };
    let authority = Authority { name: "https://tsa.example/tsr".to_owned(), ask: Arc::new(ask) };
    let proof = Proof { keys: world.ports.proof.keys.clone(), authority: Some(authority) };
    let ports = Arc::new(Ports { proof, ..(*world.ports).clone() });
    (World { ports, ..world }, asked)
}

/// Each token has a number and a time of its own: sealing again must not ask again.
#[sqlx::test(migrations = false)]
async fn a_stamped_pack_that_is_sealed_again_has_the_same_bytes(owner: PgPool) {
    let (world, asked) = dated(World::new(owner.clone()).await);
    let client = Client::new(world.ports.pool.clone());
    let barrier = world.folder.path().join("artifacts");
    std::os::unix::fs::symlink("/sys/kernel", &barrier).unwrap();
    let run_id = world.request(&client, world.org().await).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let stuck = async || {
            let steps = client.steps(run_id).await.unwrap();
            steps.iter().any(|step| step.name == "publish_object" && step.attempts > 0)
        };
        work_until(&world, stuck).await;
        let steps = client.steps(run_id).await.unwrap();
        let seal = steps.iter().find(|step| step.name == "seal").unwrap();
        seen.push(seal.output.as_ref().unwrap()["sha256"].clone());
        super::rewind(&owner, run_id, 5).await;
    }
    std::fs::remove_file(&barrier).unwrap();
    work_until(&world, async || is_over(&client, run_id).await).await;
    let export = world.export(world.pack(run_id)).await;
    assert!(seen.iter().all(|sha256| *sha256 == hex::encode(export.sha256.unwrap())), "{seen:?}");
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let entries = export.entries.unwrap().0;
    assert_eq!(entries.last().unwrap().name, pack::TIME_STAMP);
}
