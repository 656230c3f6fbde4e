//! Erasing a person: names and addresses are nowhere any more, and the chains verify as before.

use chrono::Duration;
use db::erasure::{Erased, erase, trace};
use db::idempotency::{self, Answer, Owner};
use db::invitations;
use db::sessions::{self, Lifetime};
use db::{OrgTx, members, users};
use evidence::chain::{ChainId, Status};
use evidence::ids::{OrgId, UserId};
use evidence::org::Role;
use sqlx::{AssertSqlSafe, PgPool};

use crate::support::{World, at, cause};

const EMAIL: &str = "Jo.Doe@acme.example";

async fn person(world: &World, iss: &str) -> UserId {
    let profile = users::Profile { iss, sub: "jo-subject", email: Some(EMAIL) };
    let mut conn = world.app.acquire().await.unwrap();
    let user = users::upsert(&mut conn, profile, at(1)).await.unwrap();
    users::set_name(&mut conn, user.id, Some("Jo Doe")).await.unwrap();
    users::set_platform_admin(&mut conn, user.id, true).await.unwrap();
    let lifetime = Lifetime { idle: Duration::days(1), whole: Duration::days(1) };
    sessions::begin(&mut conn, rand::random(), user.id, lifetime, at(1)).await.unwrap();
    user.id
}

async fn join(world: &World, org: OrgId, user: UserId, role: Role) {
    let mut tx = OrgTx::begin(&world.app, org).await.unwrap();
    members::set_role(&mut tx, org, user, role, &cause(2)).await.unwrap();
    tx.commit().await.unwrap();
}

async fn invite(world: &World, org: OrgId, by: UserId, email: &str) {
    let mut tx = OrgTx::begin(&world.app, org).await.unwrap();
    let draft = invitations::Draft { email, role: Role::Viewer, expires_at: at(1_000_000) };
    invitations::create(&mut tx, org, draft, by, &cause(3)).await.unwrap();
    tx.commit().await.unwrap();
}

async fn erased(world: &World) -> db::Result<Erased> {
    let trace = trace(&world.app, "JO.DOE@acme.example").await.unwrap();
    let mut tx = world.app.begin().await.unwrap();
    let erased = erase(&mut tx, &trace, &cause(4)).await?;
    tx.commit().await.unwrap();
    Ok(erased)
}

async fn chain_is_ok(world: &World, chain: ChainId) -> bool {
    let mut tx = world.app.begin().await.unwrap();
    db::scope_platform(&mut tx).await.unwrap();
    if let ChainId::Org(org) = chain {
        db::scope(&mut tx, org).await.unwrap();
    }
    let options = db::chain::Options::default();
    db::chain::verify(&mut tx, chain, &options).await.unwrap().verdict.status == Status::Ok
}

/// Tables with a cell that holds one of these words, whatever its column.
async fn naming(world: &World, words: &[&str]) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'",
    )
    .fetch_all(&world.owner)
    .await
    .unwrap();
    let mut found = Vec::new();
    for table in tables {
        for word in words {
            let sql = format!(
                "select exists (select from {table} t where strpos(lower(t::text), $1) > 0)"
            );
            let is_there = sqlx::query_scalar::<_, bool>(AssertSqlSafe(sql)).bind(word);
            if is_there.fetch_one(&world.owner).await.unwrap() {
                found.push(table.clone());
            }
        }
    }
    found.dedup();
    found
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn what_names_a_person_is_gone_everywhere_and_every_chain_verifies(pool: PgPool) {
    let world = World::new(pool).await;
    let (other, keeper, _) = World::org(&world.app, "other").await;
    let (third, inviter, _) = World::org(&world.app, "third").await;
    let jo = person(&world, "https://issuer").await;
    join(&world, world.org, world.user, Role::Owner).await;
    join(&world, world.org, jo, Role::Admin).await;
    join(&world, other, keeper, Role::Owner).await;
    join(&world, other, jo, Role::Owner).await;
    join(&world, third, inviter, Role::Owner).await;
    invite(&world, third, inviter, EMAIL).await;
    invite(&world, other, jo, "somebody.else@acme.example").await;
    let mut tx = world.tx().await;
    let body = Some(format!("{{\"email\":\"{EMAIL}\"}}"));
    let answer = Answer { request_hash: [1; 32], status: 201, body };
    idempotency::store(&mut tx, Owner::Org(world.org), "k", &answer, at(3)).await.unwrap();
    tx.commit().await.unwrap();
    let words = ["jo.doe", "jo doe", "jo-subject"];
    assert_eq!(naming(&world, &words).await.len(), 3);

    let done = erased(&world).await.unwrap();
    assert_eq!(done, Erased { users: 1, memberships: 2, invitations: 1, orgs: 3 });
    assert_eq!(naming(&world, &words).await, Vec::<String>::new());
    let mut conn = world.app.acquire().await.unwrap();
    let left = users::find(&mut conn, jo).await.unwrap().unwrap();
    assert_eq!((left.iss.as_str(), left.sub, left.email), ("erased", jo.to_string(), None));
    assert!(!left.is_platform_admin);
    drop(conn);
    for chain in
        [ChainId::Org(world.org), ChainId::Org(other), ChainId::Org(third), ChainId::Platform]
    {
        assert!(chain_is_ok(&world, chain).await, "{chain}");
        let told: i64 = sqlx::query_scalar(
            "select count(*) from admin_audit_log where chain = $1 and action = 'member.erased'",
        )
        .bind(chain.as_uuid())
        .fetch_one(&world.owner)
        .await
        .unwrap();
        assert_eq!(told, 1, "{chain}");
    }
    // Again: there is nothing any more. Who signs in with that address is somebody new.
    assert!(trace(&world.app, EMAIL).await.unwrap().is_empty());
    assert_ne!(person(&world, "https://issuer").await, jo);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_only_owner_is_not_erased_and_nothing_is(pool: PgPool) {
    let world = World::new(pool).await;
    let one = person(&world, "https://issuer").await;
    // The same person by another issuer does not make a second owner.
    let two = person(&world, "https://other-issuer").await;
    join(&world, world.org, one, Role::Owner).await;
    join(&world, world.org, two, Role::Owner).await;
    let refused = erased(&world).await;
    assert!(matches!(refused, Err(db::Error::LastOwner)), "{refused:?}");
    let left = trace(&world.app, EMAIL).await.unwrap();
    assert_eq!((left.users.len(), left.orgs.len()), (2, 1));
    join(&world, world.org, world.user, Role::Owner).await;
    let done = erased(&world).await.unwrap();
    assert_eq!((done.users, done.memberships), (2, 2));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_invitation_says_nothing_else_but_that_its_address_was_erased(pool: PgPool) {
    let world = World::new(pool).await;
    join(&world, world.org, world.user, Role::Owner).await;
    invite(&world, world.org, world.user, "a@acme.example").await;
    for change in [
        "email = 'b@acme.example'",
        "role = 'owner'",
        "email = 'erased-' || gen_random_uuid() || '@invalid'",
    ] {
        let mut tx = OrgTx::begin(&world.owner, world.org).await.unwrap();
        let sql = AssertSqlSafe(format!("update invitations set {change}"));
        let refused = sqlx::query(sql).execute(&mut *tx).await.unwrap_err();
        assert!(refused.to_string().contains("it only ends, and once"), "{refused}");
    }
    // The server's role writes no address itself.
    let mut tx = world.tx().await;
    let refused = sqlx::query("update invitations set email = 'x@y'").execute(&mut *tx).await;
    assert!(refused.unwrap_err().to_string().contains("permission denied"));
}
