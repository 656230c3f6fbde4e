//! A database in which every promise was kept, for tests that break one.

use chaos::{check, schema};
use sqlx::{PgConnection, PgPool};

/// The engine's tables and the trial's, with a few runs whose history is in order.
pub(crate) async fn database(owner: &PgPool) {
    sqlx::raw_sql(
        "do $$ begin create role chaos_app login;
         exception when duplicate_object or unique_violation then null; end $$",
    )
    .execute(owner)
    .await
    .unwrap();
    schema::create(owner).await.unwrap();
    sqlx::raw_sql(include_str!("sound.sql")).execute(owner).await.unwrap();
}

/// The kinds of violations that the checker finds.
pub(crate) async fn found(conn: &mut PgConnection) -> Vec<&'static str> {
    let (verdicts, _) = check::check(conn).await.unwrap();
    verdicts.iter().filter(|verdict| verdict.violations > 0).map(|verdict| verdict.kind).collect()
}

#[sqlx::test(migrations = false)]
async fn a_sound_database_is_found_to_be_sound(pool: PgPool) {
    database(&pool).await;
    let mut conn = pool.acquire().await.unwrap();
    assert_eq!(found(&mut conn).await, Vec::<&str>::new());
}
