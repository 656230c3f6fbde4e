//! Row security: a forgotten `where org_id` leaks nothing.

use db::api_keys::Hmacs;
use db::{OrgTx, api_keys, members};
use evidence::action::Actor;
use evidence::org::{Role, Scope};
use sqlx::PgPool;

use crate::support::{World, at, cause, ingest, showing};

/// Every table with an organisation's rows, by the column that says whose they are.
async fn tables(owner: &PgPool) -> Vec<(String, String)> {
    sqlx::query_as(
        "select table_name::text, column_name::text
           from information_schema.columns
           join pg_class on oid = table_name::regclass and relkind = 'r'
          where table_schema = 'public' and column_name in ('org_id', 'chain')
          order by 1",
    )
    .fetch_all(owner)
    .await
    .unwrap()
}

/// Two organisations with something in most tables.
async fn two(owner: PgPool) -> (World, World) {
    let one = World::new(owner.clone()).await;
    let (org, user, source) = World::org(&one.app, "other").await;
    let two = World { owner, app: one.app.clone(), org, user, source };
    for world in [&one, &two] {
        world.scan(1, showing(&["a"])).await;
        let mut tx = world.tx().await;
        members::set_role(&mut tx, world.org, world.user, Role::Owner, &cause(1)).await.unwrap();
        let draft = api_keys::Draft {
            name: "ci",
            key_hmac: world.org.0.as_bytes().repeat(2).try_into().unwrap(),
            scopes: &[Scope::Read],
            created_by: world.user,
            expires_at: None,
        };
        api_keys::create(&mut tx, world.org, draft, &cause(1)).await.unwrap();
        tx.commit().await.unwrap();
    }
    (one, two)
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn every_table_with_an_organisations_rows_forces_row_security(pool: PgPool) {
    let tables = tables(&pool).await;
    assert!(tables.len() >= 15, "{tables:?}");
    for (table, column) in tables {
        let (secured, forced, key): (bool, bool, String) = sqlx::query_as(
            "select relrowsecurity, relforcerowsecurity, attname::text
               from pg_class
               join pg_index on indrelid = pg_class.oid and indisprimary
               join pg_attribute a on a.attrelid = pg_class.oid and a.attnum = indkey[0]
              where pg_class.oid = $1::text::regclass",
        )
        .bind(&table)
        .fetch_one(&pool)
        .await
        .unwrap();
        assert!(secured && forced, "{table}");
        assert_eq!(key, column, "{table}");
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_forgotten_where_org_id_leaks_nothing(pool: PgPool) {
    let (one, two) = two(pool).await;
    let mut filled = 0;
    for (table, column) in tables(&one.owner).await {
        let count = |org: Option<evidence::ids::OrgId>| {
            let sql =
                format!("select count(*), count(*) filter (where {column} <> $1) from {table}");
            let (app, nobody) = (one.app.clone(), one.org);
            async move {
                let mut tx = app.begin().await.unwrap();
                if let Some(org) = org {
                    db::scope(&mut tx, org).await.unwrap();
                }
                sqlx::query_as::<_, (i64, i64)>(sqlx::AssertSqlSafe(sql))
                    .bind(org.unwrap_or(nobody).0)
                    .fetch_one(&mut *tx)
                    .await
                    .unwrap()
            }
        };
        assert_eq!(count(None).await, (0, 0), "{table} without a scope");
        for org in [one.org, two.org] {
            let (seen, foreign) = count(Some(org)).await;
            assert_eq!(foreign, 0, "{table}");
            filled += usize::from(seen > 0);
        }
    }
    assert!(filled >= 20, "the test needs rows to be about something: {filled}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn rows_of_another_organisation_can_be_neither_written_nor_changed(pool: PgPool) {
    let (one, two) = two(pool).await;
    let mut tx = one.tx().await;
    let renamed = sqlx::query("update state_sources set name = 'mine'").execute(&mut *tx).await;
    assert_eq!(renamed.unwrap().rows_affected(), 1);
    let planned = sqlx::query("update orgs set plan = 'free'").execute(&mut *tx).await;
    assert_eq!(planned.unwrap().rows_affected(), 1);
    let foreign = sqlx::query(
        "insert into idempotency_keys values ($1, 'k', decode(repeat('00', 32), 'hex'), 200, '', now())",
    )
    .bind(two.org.0)
    .execute(&mut *tx)
    .await;
    assert!(foreign.unwrap_err().to_string().contains("row-level security"));
    let mut tx = one.tx().await;
    let refused = db::scans::ingest(&mut tx, ingest(two.source, 2, showing(&[]))).await;
    assert!(matches!(refused, Err(db::Error::NotFound(_))), "{refused:?}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_connection_that_goes_back_to_its_pool_works_for_nobody(pool: PgPool) {
    let world = World::new(pool).await;
    let mut conn = world.app.acquire().await.unwrap();
    let mut tx = sqlx::Connection::begin(&mut *conn).await.unwrap();
    db::scope(&mut tx, world.org).await.unwrap();
    tx.commit().await.unwrap();
    let seen: i64 = sqlx::query_scalar("select count(*) from state_sources")
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    assert_eq!(seen, 0);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_key_finds_its_own_row_and_a_person_their_own_memberships(pool: PgPool) {
    let (one, two) = two(pool).await;
    let mut tx = one.app.begin().await.unwrap();
    let hmac = hmacs(two.org.0.as_bytes().repeat(2).try_into().unwrap(), None);
    let key = api_keys::find_by_hmac(&mut tx, &hmac, at(2)).await.unwrap().unwrap();
    assert_eq!(key.org_id, two.org);
    assert!(key.scopes.contains(Scope::Read) && !key.scopes.contains(Scope::Write));
    let visible: i64 =
        sqlx::query_scalar("select count(*) from api_keys").fetch_one(&mut *tx).await.unwrap();
    assert_eq!(visible, 1);
    drop(tx);
    let mut tx = one.app.begin().await.unwrap();
    let memberships = members::of_user(&mut tx, one.user).await.unwrap();
    assert_eq!(memberships.len(), 1);
    assert_eq!((memberships[0].org_id, memberships[0].role), (one.org, Role::Owner));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_invitation_can_be_seen_by_its_organisation_and_by_whose_address_it_is(pool: PgPool) {
    let (one, two) = two(pool).await;
    for world in [&one, &two] {
        let mut tx = world.tx().await;
        let email = format!("Jo-{}@Example.com", if world.org == one.org { 1 } else { 2 });
        let draft =
            db::invitations::Draft { email: &email, role: Role::Viewer, expires_at: at(10) };
        let made = db::invitations::create(&mut tx, world.org, draft, world.user, &cause(2))
            .await
            .unwrap();
        assert_eq!(made.email, email.to_ascii_lowercase());
        tx.commit().await.unwrap();
    }
    let visible = async |email: Option<&str>| {
        let mut tx = one.app.begin().await.unwrap();
        if let Some(email) = email {
            let asked = sqlx::query("select driftpack_is_invited($1, $2)").bind(email).bind(at(3));
            asked.fetch_one(&mut *tx).await.unwrap();
        }
        let seen = sqlx::query_scalar::<_, String>("select email from invitations");
        seen.fetch_all(&mut *tx).await.unwrap()
    };
    assert_eq!(visible(None).await, Vec::<String>::new());
    assert_eq!(visible(Some("")).await, Vec::<String>::new());
    assert_eq!(visible(Some("jo-2@example.com")).await, ["jo-2@example.com"]);
    // U+212A and U+017F fold to k and s elsewhere; here they are other letters.
    assert_eq!(db::invitations::fold("\u{212a}\u{17f}A"), "\u{212a}\u{17f}a");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_invitation_that_has_ended_says_nothing_else_any_more(pool: PgPool) {
    let (one, _) = two(pool).await;
    let mut tx = one.tx().await;
    let draft = db::invitations::Draft { email: "a@b.c", role: Role::Viewer, expires_at: at(10) };
    let made = db::invitations::create(&mut tx, one.org, draft, one.user, &cause(2)).await.unwrap();
    db::invitations::revoke(&mut tx, one.org, made.id, one.user, &cause(3)).await.unwrap();
    tx.commit().await.unwrap();
    for change in ["status = 'pending', ended_at = null", "role = 'owner'", "email = 'x@y.z'"] {
        let sql = format!("update invitations set {change}");
        let changed = sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&one.owner).await;
        assert!(changed.unwrap_err().to_string().contains("it only ends, and once"), "{change}");
    }
}

fn hmacs(in_force: [u8; 32], accepted: Option<[u8; 32]>) -> Hmacs {
    Hmacs { in_force, accepted }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_key_is_found_under_two_peppers_and_stored_again_under_the_one_in_force(pool: PgPool) {
    let (one, two) = two(pool).await;
    let old: [u8; 32] = one.org.0.as_bytes().repeat(2).try_into().unwrap();
    let new = [7; 32];
    // Servers on both sides of the exchange, each with its own pepper in force.
    let (before, after) = (hmacs(old, Some(new)), hmacs(new, Some(old)));
    for (hmacs, stored) in
        [(&before, old), (&after, new), (&after, new), (&before, old), (&after, new)]
    {
        let mut tx = two.app.begin().await.unwrap();
        let key = api_keys::find_by_hmac(&mut tx, hmacs, at(2)).await.unwrap().unwrap();
        assert_eq!(key.org_id, one.org);
        db::scope(&mut tx, key.org_id).await.unwrap();
        api_keys::restore(&mut tx, key.org_id, key.id, hmacs).await.unwrap();
        tx.commit().await.unwrap();
        let found: Vec<u8> = sqlx::query_scalar("select key_hmac from api_keys where org_id = $1")
            .bind(one.org.0)
            .fetch_one(&one.owner)
            .await
            .unwrap();
        assert_eq!(found, stored);
    }
    let mut tx = two.app.begin().await.unwrap();
    for (hmacs, is_found) in [(hmacs(old, None), false), (hmacs(new, None), true)] {
        let key = api_keys::find_by_hmac(&mut tx, &hmacs, at(2)).await.unwrap();
        assert_eq!(key.is_some(), is_found);
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_revoked_key_is_not_found_and_use_is_noted_once_a_minute(pool: PgPool) {
    let (one, _) = two(pool).await;
    let hmac = hmacs(one.org.0.as_bytes().repeat(2).try_into().unwrap(), None);
    let mut tx = OrgTx::begin(&one.app, one.org).await.unwrap();
    let id = api_keys::list(&mut tx, one.org).await.unwrap()[0].id;
    for (time, noted) in [
        (at(1), at(1)),
        (at(1) + chrono::Duration::seconds(59), at(1)),
        (at(1) + chrono::Duration::seconds(60), at(1) + chrono::Duration::seconds(60)),
    ] {
        api_keys::touch(&mut tx, one.org, id, time).await.unwrap();
        let key = api_keys::find_by_hmac(&mut tx, &hmac, at(2)).await.unwrap().unwrap();
        assert_eq!(key.last_used_at, Some(noted));
    }
    let cause = db::Cause::new(Actor::user(one.user), "test", at(2));
    assert!(api_keys::revoke(&mut tx, one.org, id, &cause).await.unwrap());
    assert!(!api_keys::revoke(&mut tx, one.org, id, &cause).await.unwrap());
    assert_eq!(api_keys::find_by_hmac(&mut tx, &hmac, at(2)).await.unwrap(), None);
}
