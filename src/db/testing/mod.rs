//! Databases for tests, here and in other packages.

pub mod tamper;

use sqlx::postgres::PgPool;

/// The pool's database with the application's tables, as their owner.
pub async fn migrated(pool: PgPool) -> PgPool {
    crate::migrate(&pool).await.expect("an empty database can be migrated");
    pool
}

/// A second pool on the same database whose connections are the server's role: row security and
/// grants hold as in production.
pub async fn as_app(pool: &PgPool) -> PgPool {
    crate::pool::options()
        .max_connections(20)
        .after_connect(|conn, _| {
            Box::pin(
                async move { sqlx::query("set role driftpack_app").execute(conn).await.map(drop) },
            )
        })
        .connect_with((*pool.connect_options()).clone())
        .await
        .expect("the database of the test is there")
}
