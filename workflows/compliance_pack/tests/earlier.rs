//! Every head that an earlier pack attested must still lie on the chain, or no pack is made.

use db::testing::tamper;
use engine::Client;
use evidence::chain::ChainId;
use evidence::ids::{OrgId, UserId};
use sqlx::PgPool;
use uuid::Uuid;

use super::is_over;
use crate::tests::{World, work_until};

async fn built(world: &World, client: &Client, org: (OrgId, UserId)) -> Uuid {
    let run_id = world.request(client, org).await;
    work_until(world, async || is_over(client, run_id).await).await;
    run_id
}

/// The code, and the engine's own words for operators.
async fn refused(world: &World, client: &Client, run_id: Uuid) -> (String, String) {
    let export = world.export(world.pack(run_id)).await;
    assert_eq!((export.status, export.object_key), (db::exports::Status::Failed, None));
    let attempts = client.attempts(run_id).await.unwrap();
    let error = attempts.iter().find_map(|attempt| attempt.error.clone()).unwrap();
    (export.error_code.unwrap(), error.message)
}

#[sqlx::test(migrations = false)]
async fn a_chain_that_was_rewritten_since_an_earlier_pack_makes_no_pack(owner: PgPool) {
    let world = World::new(owner.clone()).await;
    let client = Client::new(world.ports.pool.clone());
    let org = world.org().await;
    let first = world.pack(built(&world, &client, org).await);
    let attested = world.export(first).await.attested_seq.unwrap();
    // Whole in itself: every hash from here on is computed again, and the head with it.
    tamper::fork(&owner, ChainId::Org(org.0), 5).await;
    assert!(world.chain_is_ok(org.0).await);
    let run_id = built(&world, &client, org).await;
    let (code, told) = refused(&world, &client, run_id).await;
    assert_eq!(code, "chain_broken");
    let expected = format!("the pack {} attested entry {attested} with another hash", first.export);
    assert!(told.contains(&expected), "{told}");
}

#[sqlx::test(migrations = false)]
async fn a_chain_that_ends_before_an_earlier_packs_head_makes_no_pack(owner: PgPool) {
    let world = World::new(owner.clone()).await;
    let client = Client::new(world.ports.pool.clone());
    let org = world.org().await;
    let first = world.pack(built(&world, &client, org).await);
    let attested = world.export(first).await.attested_seq.unwrap();
    tamper::truncate(&owner, ChainId::Org(org.0), attested - 5).await;
    assert!(world.chain_is_ok(org.0).await);
    let run_id = built(&world, &client, org).await;
    let (code, told) = refused(&world, &client, run_id).await;
    assert_eq!(code, "chain_broken");
    assert!(
        told.contains(&format!("entry {attested} of the audit chain was not reached")),
        "{told}"
    );
}
