//! Connections that are used again.

use futures_util::poll;
use sqlx::{PgPool, Row as _};

use crate::support::World;

/// One connection: whoever comes next gets it, and is not held up by a question whether it is there.
async fn of_one(owner: &PgPool) -> PgPool {
    let connect = (*owner.connect_options()).clone();
    let options = db::pool::options().max_connections(1).min_connections(1);
    options.test_before_acquire(false).connect_with(connect).await.unwrap()
}

/// A transaction is asked for, and given up while the answer is on its way: the server takes its time.
async fn begin_and_leave(pool: &PgPool) {
    let mut begin = std::pin::pin!(pool.begin_with("begin; select pg_sleep(0.02)"));
    assert!(poll!(&mut begin).is_pending());
}

async fn is_in_a_transaction(pool: &PgPool) -> bool {
    let asked = sqlx::raw_sql("select now() <> statement_timestamp()").fetch_one(pool).await;
    asked.unwrap().get(0)
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn what_is_written_after_somebody_left_at_the_beginning_of_a_transaction_is_committed(
    owner: PgPool,
) {
    let app = of_one(&owner).await;
    for round in 0..20 {
        begin_and_leave(&app).await;
        assert!(!is_in_a_transaction(&app).await);
        sqlx::query("insert into users (id, iss, sub, created_at, seen_at) values ($1, 'x', $2, now(), now())")
            .bind(uuid::Uuid::from_u128(round + 1))
            .bind(round.to_string())
            .execute(&app)
            .await
            .unwrap();
        let seen: i64 =
            sqlx::query_scalar("select count(*) from users").fetch_one(&owner).await.unwrap();
        assert_eq!(u128::try_from(seen).unwrap(), round + 1);
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_transaction_that_fails_in_the_text_that_begins_it_is_not_the_next_ones(owner: PgPool) {
    let app = of_one(&owner).await;
    app.begin_with("begin; select 1 / 0").await.unwrap_err();
    assert!(!is_in_a_transaction(&app).await);
    let mut conn = app.acquire().await.unwrap();
    sqlx::raw_sql("begin; select 1 / 0").execute(&mut *conn).await.unwrap_err();
    drop(conn);
    assert!(!is_in_a_transaction(&app).await);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_transaction_of_an_organisation_sees_it_from_its_first_statement_on(pool: PgPool) {
    let world = World::new(pool).await;
    let mut tx = world.tx().await;
    let org: Option<uuid::Uuid> =
        sqlx::query_scalar("select driftpack_org()").fetch_one(&mut *tx).await.unwrap();
    assert_eq!(org, Some(world.org.0));
}
