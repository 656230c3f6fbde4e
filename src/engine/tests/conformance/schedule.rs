//! Schedules: one run per tick, across replicas and downtime.

use std::time::Duration;

use engine::testing::VirtualClock;
use engine::{Clock, Misfire, Schedule};
use sqlx::PgPool;

use crate::order::{Order, Ports};
use crate::world::{Running, World};

fn hourly() -> Schedule<Ports> {
    Schedule::new("orders.hourly", "0 * * * *", "UTC", |_| Order::default())
}

/// How soon a worker looks without a wake-up.
const SWEEP: Duration = Duration::from_secs(1);

/// Waits until the database answers `sql` with `expected`.
async fn until(world: &World, sql: &'static str, expected: i64) {
    let reached = async {
        while world.number(sql).await != expected {
            Clock::system().sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(15), reached).await;
    assert!(
        waited.is_ok(),
        "{sql}: {} instead of {expected}; {:?}",
        world.number(sql).await,
        runs(world).await
    );
}

/// How the runs stand, for whoever reads why a test failed.
async fn runs(world: &World) -> Vec<String> {
    sqlx::query_scalar(
        "select format('%s epoch %s wake %s lease %s at %s', state, epoch, wake_at, lease_until, now())
           from engine.runs order by created_at",
    )
    .fetch_all(&world.owner)
    .await
    .expect("a look at the runs")
}

const RUNS: &str = "select count(*) from engine.runs";
const NEXT: &str = "select extract(epoch from min(next_at))::bigint from engine.schedules";

const LIVE: &str = "select count(*) from engine.runs where state <> 'succeeded'";

/// Moves the clock to the next tick and waits until it has been dealt with, run included: a leap of the clock
/// ends every lease.
async fn tick(world: &World, clock: &VirtualClock) {
    let next = world.number(NEXT).await;
    clock.set(chrono::DateTime::from_timestamp(next, 0).unwrap());
    until(world, NEXT, next + 3600).await;
    until(world, LIVE, 0).await;
}

#[sqlx::test(migrations = false)]
async fn a_tick_starts_exactly_one_run_across_replicas(pool: PgPool) {
    let (world, clock) = World::frozen(pool).await;
    let ports = Ports::new(world.app.clone());
    let replicas: Vec<_> = (0..3)
        .map(|_| Running::spawn(world.worker(ports.clone()).register::<Order>().schedule(hourly())))
        .collect();
    until(&world, "select count(*) from engine.schedules", 1).await;
    for _ in 0..4 {
        tick(&world, &clock).await;
    }
    until(&world, RUNS, 4).await;
    assert_eq!(world.number("select missed from engine.schedules").await, 0);
    for replica in replicas {
        replica.stop().await;
    }
    assert_eq!(world.number(RUNS).await, 4);
}

#[sqlx::test(migrations = false)]
async fn a_schedule_whose_declarers_are_gone_is_taken_over_by_those_who_are_left(pool: PgPool) {
    let (world, clock) = World::frozen(pool).await;
    let ports = Ports::new(world.app.clone());
    let left = Running::spawn(world.worker(ports).register::<Order>().schedule(hourly()));
    until(&world, "select count(*) from engine.schedules", 1).await;
    // A newer version declared other times, and its processes went away.
    sqlx::query("update engine.schedules set cron = '30 * * * *', next_at = next_at + '30 min'")
        .execute(&world.owner)
        .await
        .unwrap();
    clock.set(chrono::DateTime::from_timestamp(world.number(NEXT).await, 0).unwrap());
    Clock::system().sleep(Duration::from_millis(500)).await;
    assert_eq!(world.number(RUNS).await, 0, "those who declared it may still be there");
    clock.advance(Duration::from_mins(3));
    until(&world, "select count(*) from engine.schedules where cron = '0 * * * *'", 1).await;
    tick(&world, &clock).await;
    assert_eq!(world.number(RUNS).await, 1);
    left.stop().await;
}

/// A worker that declared the schedule, was away for ten hours and a half, and is back.
async fn after_downtime(pool: PgPool, misfire: Misfire) -> World {
    let (world, clock) = World::frozen(pool).await;
    let ports = Ports::new(world.app.clone());
    let builder =
        || world.worker(ports.clone()).register::<Order>().schedule(hourly().misfire(misfire));
    let first = Running::spawn(builder());
    until(&world, "select count(*) from engine.schedules", 1).await;
    first.stop().await;
    clock.advance(Duration::from_mins(630));
    let second = Running::spawn(builder());
    let next = (clock.now() + chrono::TimeDelta::minutes(30)).timestamp();
    until(&world, NEXT, next).await;
    second.stop().await;
    world
}

#[sqlx::test(migrations = false)]
async fn missed_ticks_become_one_run_and_are_counted(pool: PgPool) {
    let world = after_downtime(pool, Misfire::Once).await;
    assert_eq!(world.number(RUNS).await, 1);
    assert_eq!(world.number("select missed from engine.schedules").await, 9);
}

#[sqlx::test(migrations = false)]
async fn missed_ticks_can_be_skipped(pool: PgPool) {
    let world = after_downtime(pool, Misfire::Skip).await;
    assert_eq!(world.number(RUNS).await, 0);
    assert_eq!(world.number("select missed from engine.schedules").await, 10);
}

#[sqlx::test(migrations = false)]
async fn a_schedule_that_cannot_be_understood_is_refused_with_its_name(pool: PgPool) {
    let world = World::new(pool).await;
    for (cron, zone) in [("every day", "UTC"), ("0 3 * * *", "Mars/Olympus"), ("61 * * * *", "UTC")]
    {
        let schedule = Schedule::new("nightly", cron, zone, |_| Order::default());
        let built = world
            .worker(Ports::new(world.app.clone()))
            .register::<Order>()
            .schedule(schedule)
            .build();
        let message = built.err().unwrap().to_string();
        assert!(message.starts_with("schedule nightly: "), "{message}");
    }
}

#[sqlx::test(migrations = false)]
async fn missed_ticks_can_each_have_their_run_up_to_a_number(pool: PgPool) {
    let world = after_downtime(pool, Misfire::All(4)).await;
    assert_eq!(world.number(RUNS).await, 4);
    assert_eq!(world.number("select missed from engine.schedules").await, 6);
    let latest = world.number(
        "select extract(epoch from max(to_timestamp(('x' || substr(replace(id::text, '-', ''), 1, 12))::bit(48)::bigint
                                                    / 1000.0)))::bigint from engine.runs",
    );
    let last = world.number("select extract(epoch from last_at)::bigint from engine.schedules");
    assert_eq!(latest.await, last.await, "a run's id holds its tick");
}

#[sqlx::test(migrations = false)]
async fn a_paused_schedule_does_not_fire_and_counts_what_it_misses(pool: PgPool) {
    let (world, clock) = World::frozen(pool).await;
    let ports = Ports::new(world.app.clone());
    let worker = Running::spawn(world.worker(ports).register::<Order>().schedule(hourly()));
    until(&world, "select count(*) from engine.schedules", 1).await;
    let operator = world.client.operator("kim");
    let mut conn = world.app.acquire().await.unwrap();
    assert!(operator.pause_schedule(&mut conn, "orders.hourly").await.unwrap());
    assert!(!operator.pause_schedule(&mut conn, "orders.hourly").await.unwrap());
    clock.advance(Duration::from_mins(150));
    assert!(operator.resume_schedule(&mut conn, "orders.hourly").await.unwrap());
    assert!(!operator.resume_schedule(&mut conn, "orders.hourly").await.unwrap());
    let schedule = &world.client.schedules().await.unwrap()[0];
    assert_eq!((schedule.missed, schedule.paused_at), (2, None));
    assert_eq!(schedule.next_at, Some(clock.now() + chrono::TimeDelta::minutes(30)));
    tick(&world, &clock).await;
    assert_eq!(world.number(RUNS).await, 1);
    assert_eq!(world.number("select count(*) from engine.actions").await, 2);
    let unknown = operator.pause_schedule(&mut conn, "nightly").await.unwrap_err();
    assert!(unknown.to_string().starts_with("there is no schedule \"nightly\""));
    worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_backfill_starts_each_tick_once_and_run_now_one_more(pool: PgPool) {
    let (world, clock) = World::frozen(pool).await;
    let ports = Ports::new(world.app.clone());
    let worker = || world.worker(ports.clone()).register::<Order>().schedule(hourly());
    let workers = [Running::spawn(worker()), Running::spawn(worker())];
    until(&world, "select count(*) from engine.schedules", 1).await;
    tick(&world, &clock).await;
    let operator = world.client.operator("kim");
    let mut conn = world.app.acquire().await.unwrap();
    // The last five hours: the latest tick has its run.
    let span = (clock.now() - chrono::TimeDelta::hours(5), clock.now());
    for _ in 0..2 {
        let asked = operator.backfill_schedule(&mut conn, "orders.hourly", span).await.unwrap();
        assert_eq!(asked.len(), 5);
        clock.advance(SWEEP);
        until(&world, RUNS, 5).await;
        until(&world, "select count(*) from engine.asked_ticks", 0).await;
    }
    operator.run_schedule_now(&mut conn, "orders.hourly").await.unwrap();
    clock.advance(SWEEP);
    until(&world, RUNS, 6).await;
    until(&world, LIVE, 0).await;
    let long = (clock.now() - chrono::TimeDelta::days(400), clock.now());
    let refused = operator.backfill_schedule(&mut conn, "orders.hourly", long).await.unwrap_err();
    assert!(refused.to_string().contains("take shorter spans"), "{refused}");
    for worker in workers {
        worker.stop().await;
    }
}
