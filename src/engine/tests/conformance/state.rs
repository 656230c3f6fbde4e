//! The state machine, the grants, the ledger: what the database itself refuses.

use engine::RunState;
use sqlx::PgPool;

use crate::order::Order;
use crate::world::World;

#[sqlx::test(migrations = false)]
async fn the_database_knows_the_same_moves_as_the_code(pool: PgPool) {
    let world = World::new(pool).await;
    for from in RunState::ALL {
        for to in RunState::ALL {
            let allowed: bool = sqlx::query_scalar("select engine.run_may_become($1, $2)")
                .bind(from.as_str())
                .bind(to.as_str())
                .fetch_one(&world.app)
                .await
                .unwrap();
            assert_eq!(allowed, from.may_become(to), "{from} to {to}");
        }
    }
}

#[sqlx::test(migrations = false)]
async fn the_database_refuses_a_move_that_may_not_be(pool: PgPool) {
    let world = World::new(pool).await;
    let run_id = world.start(Order::default()).await;
    let refused = sqlx::query(
        "update engine.runs set state = 'succeeded', output = '1', ended_at = now() where id = $1",
    )
    .bind(run_id)
    .execute(&world.owner)
    .await
    .unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().constraint(), Some("runs_moves"));
}

#[sqlx::test(migrations = false)]
async fn the_role_that_works_can_neither_delete_runs_nor_change_tables(pool: PgPool) {
    let world = World::new(pool).await;
    world.start(Order::default()).await;
    for forbidden in [
        "delete from engine.runs",
        "truncate engine.runs cascade",
        "update engine.attempts set attempt = 1",
        "alter table engine.runs disable trigger all",
        "delete from engine._migrations",
    ] {
        let refused = sqlx::query(forbidden).execute(&world.app).await.unwrap_err();
        let code = refused.as_database_error().unwrap().code().unwrap().into_owned();
        assert_eq!(code, "42501", "{forbidden}");
    }
}

#[sqlx::test(migrations = false)]
async fn migrating_twice_and_from_two_processes_at_once_changes_nothing(pool: PgPool) {
    let world = World::new(pool).await;
    let applied = world.number("select count(*) from engine._migrations").await;
    let role = "engine_test_app";
    let both =
        tokio::join!(engine::migrate(&world.owner, role), engine::migrate(&world.owner, role));
    assert!(both.0.is_ok() && both.1.is_ok(), "{both:?}");
    assert_eq!(world.number("select count(*) from engine._migrations").await, applied);
}
