//! Findings whose resources get other addresses.

use db::findings;
use evidence::finding::{EventKind, Status};
use sqlx::PgPool;

use crate::support::{World, at, moved, showing};

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_drift_may_stand_where_a_finding_moved_away_from(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(1, showing(&["aws_instance.web"])).await;
    let mut seen = showing(&["aws_instance.web", "aws_instance.web_old"]);
    seen.moves = vec![moved("aws_instance.web", "aws_instance.web_old")];
    let done = world.scan(2, seen).await;
    assert_eq!((done.opened, done.moved, done.resolved), (1, 1, 0));
    assert_eq!(world.finding("aws_instance.web_old").await.number, 1);
    assert_eq!(world.finding("aws_instance.web").await.number, 2);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_index_that_is_taken_out_of_a_list_shifts_the_findings_behind_it(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(1, showing(&["web[1]", "web[2]", "web[3]"])).await;
    let mut seen = showing(&["web[0]", "web[1]", "web[2]", "web[3]"]);
    seen.moves =
        vec![moved("web[1]", "web[0]"), moved("web[2]", "web[1]"), moved("web[3]", "web[2]")];
    let done = world.scan(2, seen).await;
    assert_eq!((done.opened, done.moved, done.resolved), (1, 3, 0));
    for (address, number) in [("web[0]", 1), ("web[1]", 2), ("web[2]", 3), ("web[3]", 4)] {
        assert_eq!(world.finding(address).await.number, number, "{address}");
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn two_moves_to_one_address_lose_no_finding(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(1, showing(&["a", "b", "c"])).await;
    // `b` cannot have `x`, so it stays, and `c` cannot have `b`.
    let mut seen = showing(&["x", "b", "c"]);
    seen.moves = vec![moved("a", "x"), moved("b", "x"), moved("c", "b")];
    let done = world.scan(2, seen).await;
    assert_eq!((done.moved, done.opened, done.resolved), (1, 0, 0));
    for (address, number) in [("x", 1), ("b", 2), ("c", 3)] {
        assert_eq!(world.finding(address).await.number, number, "{address}");
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_long_chain_of_moves_that_are_blocked_one_by_one_is_undone(pool: PgPool) {
    let world = World::new(pool).await;
    let names: Vec<String> = (0..5000).map(|n| format!("r{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    world.scan(1, showing(&names)).await;
    let mut seen = showing(&names);
    // The last one stays, so nobody can move.
    seen.moves = names.windows(2).map(|pair| moved(pair[0], pair[1])).collect();
    let done = world.scan(2, seen).await;
    assert_eq!((done.moved, done.opened, done.resolved), (0, 0, 0));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_accepted_finding_moves_and_stays_accepted(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(1, showing(&["a"])).await;
    let (id, number) = (world.finding("a").await.id, world.finding("a").await.number);
    let mut tx = world.tx().await;
    let decision = evidence::finding::Decision::Accept;
    findings::decide(&mut tx, id, decision, "known", &world.person(2)).await.unwrap();
    tx.commit().await.unwrap();
    let mut seen = showing(&["b"]);
    seen.moves = vec![moved("a", "b")];
    world.scan(3, seen).await;
    let mut tx = world.tx().await;
    let events = findings::events(&mut tx, world.org, number).await.unwrap();
    let last = events.last().unwrap();
    assert_eq!((last.kind, last.status), (EventKind::Moved, Status::Accepted));
    assert_eq!((last.address.as_str(), last.occurred_at), ("b", at(3)));
}
