//! Organisations, people and repeated requests.

use db::idempotency::{self, Answer, Owner};
use db::users::{Profile, upsert};
use db::{Error, OrgTx, members, orgs};
use evidence::org::{Plan, Role};
use sqlx::PgPool;

use crate::support::{World, at, cause};

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_slug_belongs_to_one_organisation_and_is_checked(pool: PgPool) {
    let world = World::new(pool).await;
    for slug in ["", "-a", "a-", "A", "a b", "é", &"a".repeat(64)] {
        let mut tx = world.app.begin().await.unwrap();
        let refused = orgs::create(&mut tx, slug, "name", Plan::Free, &cause(0)).await;
        assert!(matches!(refused, Err(Error::Invalid { field: "slug", .. })), "{slug}");
    }
    let mut tx = world.app.begin().await.unwrap();
    let refused = orgs::create(&mut tx, "acme", "name", Plan::Free, &cause(0)).await;
    assert!(matches!(refused, Err(Error::Taken { .. })), "{refused:?}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_change_of_plan_is_kept_and_recorded_once(pool: PgPool) {
    let world = World::new(pool).await;
    for _ in 0..2 {
        let mut tx = world.app.begin().await.unwrap();
        orgs::set_plan(&mut tx, world.org, Plan::Team, &cause(1)).await.unwrap();
        tx.commit().await.unwrap();
    }
    let mut tx = world.tx().await;
    assert_eq!(orgs::find(&mut tx, world.org).await.unwrap().unwrap().plan, Plan::Team);
    let plans: Vec<String> =
        sqlx::query_scalar("select plan from org_plan_versions order by version")
            .fetch_all(&mut *tx)
            .await
            .unwrap();
    assert_eq!(plans, ["enterprise", "team"]);
    drop(tx);
    assert_eq!(world.verify().await.verdict.head_seq, Some(3));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_person_keeps_their_id_and_their_address_follows_the_token(pool: PgPool) {
    let world = World::new(pool).await;
    let mut conn = world.app.acquire().await.unwrap();
    let mut profile = Profile { iss: "https://issuer", sub: "x", email: Some("a@example.org") };
    let first = upsert(&mut conn, profile, at(1)).await.unwrap();
    profile.email = Some("b@example.org");
    let second = upsert(&mut conn, profile, at(2)).await.unwrap();
    assert_eq!(first.id, second.id);
    assert_eq!(second.email.as_deref(), Some("b@example.org"));
    assert_eq!(upsert(&mut conn, profile, at(3)).await.unwrap(), second);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_last_owner_stays_even_when_two_leave_at_once(pool: PgPool) {
    let world = World::new(pool).await;
    let mut tx = world.tx().await;
    let profile = Profile { iss: "https://issuer", sub: "second", email: None };
    let second = upsert(&mut tx, profile, at(0)).await.unwrap().id;
    for user in [world.user, second] {
        members::set_role(&mut tx, world.org, user, Role::Owner, &cause(1)).await.unwrap();
    }
    tx.commit().await.unwrap();
    let leave = async |user| {
        let mut tx = OrgTx::begin(&world.app, world.org).await.unwrap();
        let left = members::remove(&mut tx, world.org, user, user, &cause(2)).await;
        tx.commit().await.unwrap();
        left
    };
    let (one, two) = tokio::join!(leave(world.user), leave(second));
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    let mut tx = world.tx().await;
    let left = members::list(&mut tx, world.org).await.unwrap();
    assert_eq!(left.len(), 1);
    let last = left[0].user_id;
    let refused = members::set_role(&mut tx, world.org, last, Role::Viewer, &cause(3)).await;
    assert!(matches!(refused, Err(Error::LastOwner)));
    assert_eq!(members::find_role(&mut tx, world.org, last).await.unwrap(), Some(Role::Owner));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn two_requests_with_one_key_get_one_answer(pool: PgPool) {
    let world = World::new(pool).await;
    let request = async |owner: Owner, body: &str| {
        let mut tx = OrgTx::begin(&world.app, world.org).await.unwrap();
        let found = idempotency::find(&mut tx, owner, "key", at(1)).await.unwrap();
        if let Some(answer) = found {
            return answer.body;
        }
        let answer = Answer { request_hash: [1; 32], status: 202, body: Some(body.to_owned()) };
        idempotency::store(&mut tx, owner, "key", &answer, at(1)).await.unwrap();
        tx.commit().await.unwrap();
        answer.body
    };
    let org = Owner::Org(world.org);
    let (one, two) = tokio::join!(request(org, "one"), request(org, "two"));
    assert_eq!(one, two);
    let platform = Owner::Platform;
    let (three, four) = tokio::join!(request(platform, "three"), request(platform, "four"));
    assert_eq!(three, four);
    assert_ne!(one, three, "keys of the platform are its own");
    let mut tx = world.tx().await;
    let day_later = at(1) + idempotency::KEPT;
    for owner in [org, platform] {
        assert_eq!(idempotency::find(&mut tx, owner, "key", day_later).await.unwrap(), None);
    }
}
