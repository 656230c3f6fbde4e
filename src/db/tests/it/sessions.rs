//! Sessions of browsers: found while they live, and not a moment longer.

use chrono::Duration;
use db::sessions::{self, Lifetime};
use sqlx::PgPool;

use crate::support::{World, at};

const LIFETIME: Lifetime = Lifetime { idle: Duration::hours(2), whole: Duration::hours(5) };

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_session_is_found_until_it_is_idle_for_too_long_or_its_whole_time_is_over(pool: PgPool) {
    let world = World::new(pool).await;
    let mut conn = world.app.acquire().await.unwrap();
    sessions::begin(&mut conn, [1; 32], world.user, LIFETIME, at(0)).await.unwrap();
    sessions::begin(&mut conn, [2; 32], world.user, LIFETIME, at(0)).await.unwrap();
    for hours in 1..5 {
        let found = sessions::find(&mut conn, [1; 32], LIFETIME, at(hours)).await.unwrap();
        assert_eq!(found.map(|user| user.id), Some(world.user), "{hours}");
    }
    assert_eq!(sessions::find(&mut conn, [1; 32], LIFETIME, at(5)).await.unwrap(), None);
    assert_eq!(sessions::find(&mut conn, [2; 32], LIFETIME, at(2)).await.unwrap(), None);
    assert_eq!(sessions::find(&mut conn, [3; 32], LIFETIME, at(0)).await.unwrap(), None);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn what_has_ended_does_not_come_back_and_is_purged_in_batches(pool: PgPool) {
    let world = World::new(pool).await;
    let mut conn = world.app.acquire().await.unwrap();
    for n in 1..=5 {
        sessions::begin(&mut conn, [n; 32], world.user, LIFETIME, at(i64::from(n))).await.unwrap();
    }
    assert!(sessions::end(&mut conn, [5; 32]).await.unwrap());
    assert!(!sessions::end(&mut conn, [5; 32]).await.unwrap());
    assert_eq!(sessions::find(&mut conn, [5; 32], LIFETIME, at(5)).await.unwrap(), None);
    assert_eq!(sessions::purge(&mut conn, at(5), 2).await.unwrap(), 2);
    assert_eq!(sessions::purge(&mut conn, at(5), 2).await.unwrap(), 1);
    assert!(sessions::find(&mut conn, [4; 32], LIFETIME, at(5)).await.unwrap().is_some());
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn two_requests_at_once_keep_the_later_end(pool: PgPool) {
    let world = World::new(pool).await;
    let mut conn = world.app.acquire().await.unwrap();
    sessions::begin(&mut conn, [1; 32], world.user, LIFETIME, at(0)).await.unwrap();
    for now in [at(1) + Duration::minutes(5), at(1)] {
        sessions::find(&mut conn, [1; 32], LIFETIME, now).await.unwrap();
    }
    let late = at(3) + Duration::minutes(4);
    assert!(sessions::find(&mut conn, [1; 32], LIFETIME, late).await.unwrap().is_some());
}
