//! What people decide about findings.

use db::{Error, findings};
use evidence::finding::{Decision, Resolution, Status};
use sqlx::PgPool;

use crate::support::{World, at, showing};

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_accepted_risk_is_left_alone_by_scans_until_a_person_reopens_it(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(1, showing(&["a"])).await;
    let id = world.finding("a").await.id;
    let mut tx = world.tx().await;
    let cause = world.person(2);
    let finding = findings::decide(&mut tx, id, Decision::Accept, " known ", &cause).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(finding.status, Status::Accepted);
    assert_eq!(finding.resolution, Some(Resolution::AcceptedRisk));
    assert_eq!(finding.resolution_reason.as_deref(), Some("known"));
    assert_eq!(finding.resolved_by, Some(world.user.to_string()));
    assert_eq!(finding.resolved_at, Some(at(2)));
    assert_eq!(world.scan(3, showing(&[])).await.resolved, 0);
    world.scan(4, showing(&["a"])).await;
    assert_eq!(world.finding("a").await.last_seen_at, at(4));
    let mut tx = world.tx().await;
    let cause = world.person(5);
    let finding = findings::decide(&mut tx, id, Decision::Reopen, "no", &cause).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((finding.status, finding.open_since), (Status::Open, at(5)));
    assert_eq!((finding.resolved_at, finding.resolution_reason), (None, None));
    let mut tx = world.tx().await;
    let events = findings::events(&mut tx, world.org, finding.number).await.unwrap();
    assert_eq!(events.last().unwrap().reason.as_deref(), Some("no"));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_illegal_decision_changes_and_records_nothing(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(1, showing(&["a"])).await;
    world.scan(2, showing(&[])).await;
    let before = world.verify().await.verdict.head_seq;
    let id = world.finding("a").await.id;
    let mut tx = world.tx().await;
    let cause = world.person(3);
    let refused = findings::decide(&mut tx, id, Decision::Accept, "why", &cause).await;
    assert!(matches!(refused, Err(Error::Finding(_))), "{refused:?}");
    tx.commit().await.unwrap();
    assert_eq!(world.verify().await.verdict.head_seq, before);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn lists_are_filtered_and_paged_by_number(pool: PgPool) {
    let world = World::new(pool).await;
    world.scan(1, showing(&["a", "b", "c"])).await;
    world.scan(2, showing(&["a", "c"])).await;
    let mut tx = world.tx().await;
    let mut page = findings::Filter { limit: 2, ..Default::default() };
    let first = findings::list(&mut tx, world.org, &page).await.unwrap();
    assert_eq!(first.iter().map(|f| f.number).collect::<Vec<_>>(), [1, 2]);
    page.after_number = 2;
    let second = findings::list(&mut tx, world.org, &page).await.unwrap();
    assert_eq!(second.iter().map(|f| f.number).collect::<Vec<_>>(), [3]);
    let open = findings::Filter { status: Some(Status::Open), limit: 9, ..Default::default() };
    assert_eq!(findings::list(&mut tx, world.org, &open).await.unwrap().len(), 2);
    let by_number = findings::find_by_number(&mut tx, world.org, 2).await.unwrap().unwrap();
    assert_eq!(by_number.address, "b");
    assert_eq!(findings::find_by_number(&mut tx, world.org, 4).await.unwrap(), None);
}
