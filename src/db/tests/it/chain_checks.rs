//! Checks of the chains: what is known from before, what is an alarm, and who is told.

use db::chain_checks::{self, Checker, Figures, Found, Look, State};
use db::testing::tamper;
use db::{Cause, OrgTx};
use evidence::action::{Action, Actor, Outcome};
use evidence::chain::{BadKind, ChainId, Draft, Extent, Status};
use evidence::ids::v7;
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::{World, at, cause};

fn checker(hours: i64) -> Checker {
    Checker { run: Uuid::from_u128(rand::random()), now: at(hours) }
}

impl World {
    fn chain(&self) -> ChainId {
        ChainId::Org(self.org)
    }

    async fn append_to(&self, chain: ChainId, entries: usize) {
        for _ in 0..entries {
            let mut tx = self.tx().await;
            let Cause { actor, .. } = cause(1);
            let draft = Draft {
                id: v7(at(1), rand::random()),
                actor,
                action: Action::ScanIngested,
                detail: serde_json::Map::new(),
                origin: "test".to_owned(),
                outcome: Outcome::Success,
            };
            db::chain::append(&mut tx, chain, draft).await.unwrap();
            tx.commit().await.unwrap();
        }
    }

    /// One check, from reading to telling; how much it read.
    async fn check(&self, chain: ChainId, extent: Extent, checker: Checker) -> (State, Extent) {
        let look = chain_checks::verify(&self.app, chain, extent, checker.run).await.unwrap();
        let found = found(look);
        let mut tx = self.app.begin().await.unwrap();
        let state = chain_checks::record(&mut tx, chain, &found, checker).await.unwrap();
        tx.commit().await.unwrap();
        if state.is_news() {
            let mut tx = self.app.begin().await.unwrap();
            let actor = Actor::system("chain_check");
            let cause = Cause::new(actor, checker.run.to_string(), checker.now);
            chain_checks::announce(&mut tx, chain, &cause).await.unwrap();
            tx.commit().await.unwrap();
        }
        (self.state(chain).await, found.extent)
    }

    async fn state(&self, chain: ChainId) -> State {
        let mut tx = self.app.begin().await.unwrap();
        match chain {
            ChainId::Org(org) => db::scope(&mut tx, org).await.unwrap(),
            ChainId::Platform => db::scope_platform(&mut tx).await.unwrap(),
        }
        chain_checks::find(&mut tx, chain).await.unwrap().unwrap()
    }

    /// What the platform's chain says of checks: outcome, and the chain's status.
    async fn told(&self) -> Vec<(String, String)> {
        sqlx::query_as(
            "select outcome, detail::json ->> 'status' from admin_audit_log
              where chain = '00000000-0000-0000-0000-000000000000' and action = 'audit_log.verified'
              order by seq",
        )
        .fetch_all(&self.owner)
        .await
        .unwrap()
    }
}

fn found(look: Look) -> Found {
    match look {
        Look::Found(found) => found,
        Look::Known(state) => panic!("this run has a verdict: {state:?}"),
    }
}

fn words(told: &[(String, String)]) -> Vec<(&str, &str)> {
    told.iter().map(|(outcome, status)| (outcome.as_str(), status.as_str())).collect()
}

fn bad(state: &State) -> (Option<Status>, Option<(i64, BadKind)>) {
    (state.status, state.first_bad.map(|bad| (bad.seq, bad.kind)))
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_partial_check_reads_the_last_verified_entry_and_what_came_since(pool: PgPool) {
    let world = World::new(pool).await;
    let chain = world.chain();
    let (first, extent) = world.check(chain, Extent::Partial, checker(1)).await;
    let (seq, _) = first.verified.unwrap();
    assert_eq!((first.status, extent), (Some(Status::Ok), Extent::Full), "nothing was known");
    assert_eq!((first.read_whole_at, first.alarm), (Some(at(1)), false));
    world.append_to(chain, 3).await;
    let (second, extent) = world.check(chain, Extent::Partial, checker(2)).await;
    assert_eq!((second.verified.unwrap().0, extent), (seq + 3, Extent::Partial));
    assert_eq!((second.checked_at, second.read_whole_at), (Some(at(2)), Some(at(1))));
    let mut tx = world.tx().await;
    let history = chain_checks::history(&mut tx, chain, 10).await.unwrap();
    let read: Vec<_> = history.iter().map(|check| (check.extent, check.checked)).collect();
    assert_eq!(read, [(Extent::Partial, 4), (Extent::Full, u64::try_from(seq).unwrap())]);
    assert!(world.told().await.is_empty());
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn every_fault_is_found_by_the_next_check_and_told_once(pool: PgPool) {
    let world = World::new(pool).await;
    // The chain has ten entries, all of them verified; two more come before the next check.
    let cases = [
        ("edit", 11, (Status::Broken, (11, BadKind::Content))),
        ("edit", 10, (Status::Broken, (10, BadKind::Content))),
        ("remove", 10, (Status::Broken, (10, BadKind::Gap))),
        ("remove", 12, (Status::Truncated, (12, BadKind::Head))),
        ("truncate", 8, (Status::Truncated, (8, BadKind::Gap))),
        ("truncate", 10, (Status::Truncated, (10, BadKind::Gap))),
        ("fork", 7, (Status::Broken, (10, BadKind::Content))),
        ("fork", 10, (Status::Broken, (10, BadKind::Content))),
    ];
    for (index, (what, seq, (status, first_bad))) in cases.into_iter().enumerate() {
        let (org, user, source) = World::org(&world.app, &format!("org-{index}")).await;
        let (owner, app) = (world.owner.clone(), world.app.clone());
        let other = World { owner: owner.clone(), app, org, user, source };
        let chain = other.chain();
        other.append_to(chain, 8).await;
        let (state, _) = other.check(chain, Extent::Partial, checker(1)).await;
        assert_eq!(state.verified.unwrap().0, 10);
        other.append_to(chain, 2).await;
        match what {
            "edit" => tamper::edit(&owner, chain, seq).await,
            "remove" => tamper::remove(&owner, chain, seq).await,
            "truncate" => tamper::truncate(&owner, chain, seq).await,
            _ => tamper::fork(&owner, chain, seq).await,
        }
        for night in 2..4 {
            let (state, extent) = other.check(chain, Extent::Partial, checker(night)).await;
            assert_eq!(bad(&state), (Some(status), Some(first_bad)), "{what} {seq}");
            assert_eq!((state.alarm, state.alarm_since), (true, Some(at(2))), "{what} {seq}");
            assert_eq!((state.verified.unwrap().0, extent), (10, Extent::Full), "{what} {seq}");
        }
        assert_eq!(world.told().await.len(), index + 1, "{what} {seq}");
    }
    let mut tx = world.app.begin().await.unwrap();
    db::scope_platform(&mut tx).await.unwrap();
    assert_eq!(chain_checks::current(&mut tx, 100).await.unwrap().len(), cases.len());
    assert_eq!(chain_checks::current(&mut tx, 3).await.unwrap().len(), 3);
    let (alarms, _) = chain_checks::figures(&mut tx).await.unwrap();
    assert_eq!(alarms, Figures { broken: 5, truncated: 3, ..Figures::default() });
    drop(tx);
    let (platform, _) = world.check(ChainId::Platform, Extent::Full, checker(5)).await;
    assert_eq!(platform.status, Some(Status::Ok), "{platform:?}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_old_fault_is_found_by_a_full_check_and_not_forgotten_by_partial_ones(pool: PgPool) {
    let world = World::new(pool).await;
    let chain = world.chain();
    world.append_to(chain, 4).await;
    world.check(chain, Extent::Partial, checker(1)).await;
    let backup = "create table backup as select * from admin_audit_log";
    sqlx::query(backup).execute(&world.owner).await.unwrap();
    tamper::edit(&world.owner, chain, 2).await;
    let (night, _) = world.check(chain, Extent::Partial, checker(2)).await;
    assert_eq!(night.status, Some(Status::Ok), "it begins behind the fault");
    let (week, _) = world.check(chain, Extent::Full, checker(3)).await;
    assert_eq!(bad(&week), (Some(Status::Broken), Some((2, BadKind::Content))));
    let (night, extent) = world.check(chain, Extent::Partial, checker(4)).await;
    assert_eq!((bad(&night), extent), (bad(&week), Extent::Full));
    assert_eq!(words(&world.told().await), [("failure", "broken")]);

    // A second fault, before the first one, is another break.
    tamper::remove(&world.owner, chain, 1).await;
    let (worse, _) = world.check(chain, Extent::Partial, checker(5)).await;
    assert_eq!(bad(&worse), (Some(Status::Broken), Some((1, BadKind::Gap))));
    assert_eq!(worse.alarm_since, Some(at(3)));
    assert_eq!(words(&world.told().await), [("failure", "broken"), ("failure", "broken")]);

    restore(&world).await;
    let (right, _) = world.check(chain, Extent::Partial, checker(6)).await;
    assert_eq!((right.status, right.alarm, right.alarm_since), (Some(Status::Ok), false, None));
    assert_eq!(words(&world.told().await)[2..], [("success", "ok")]);
}

/// What a person does who has a backup.
async fn restore(world: &World) {
    let mut tx = world.owner.begin().await.unwrap();
    for sql in [
        "set local session_replication_role = replica",
        "delete from admin_audit_log where chain in (select org.id from orgs as org)",
        "insert into admin_audit_log select * from backup
          where chain <> '00000000-0000-0000-0000-000000000000'",
    ] {
        sqlx::query(sql).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_check_that_was_overtaken_moves_nothing_back_and_one_that_is_kept_is_kept_once(
    pool: PgPool,
) {
    let world = World::new(pool).await;
    let (chain, slow) = (world.chain(), checker(1));
    let early = chain_checks::verify(&world.app, chain, Extent::Full, slow.run).await.unwrap();
    let early = found(early);
    world.append_to(chain, 2).await;
    let (ahead, _) = world.check(chain, Extent::Partial, checker(2)).await;
    for _ in 0..2 {
        let mut tx = world.app.begin().await.unwrap();
        let state = chain_checks::record(&mut tx, chain, &early, slow).await.unwrap();
        assert_eq!(state.verified, ahead.verified);
        tx.commit().await.unwrap();
    }
    let again = chain_checks::verify(&world.app, chain, Extent::Full, slow.run).await.unwrap();
    let Look::Known(again) = again else { panic!("{again:?}") };
    assert_eq!(again.status, Some(Status::Ok), "this run has come to its verdict");
    let mut tx = world.tx().await;
    assert_eq!(chain_checks::history(&mut tx, chain, 10).await.unwrap().len(), 2);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_platform_chain_with_an_alarm_takes_no_entry_and_is_told_later(pool: PgPool) {
    let world = World::new(pool).await;
    let chain = world.chain();
    world.append_to(ChainId::Platform, 2).await;
    let backup = "create table backup as select * from admin_audit_log";
    sqlx::query(backup).execute(&world.owner).await.unwrap();
    tamper::edit(&world.owner, ChainId::Platform, 3).await;
    let (platform, _) = world.check(ChainId::Platform, Extent::Partial, checker(1)).await;
    assert_eq!(bad(&platform), (Some(Status::Broken), Some((3, BadKind::Content))));
    tamper::edit(&world.owner, chain, 2).await;
    let (state, _) = world.check(chain, Extent::Partial, checker(1)).await;
    assert!(state.alarm && state.recorded_seq.is_none() && state.is_news(), "{state:?}");

    let mut tx = world.owner.begin().await.unwrap();
    for sql in [
        "set local session_replication_role = replica",
        "update admin_audit_log as log set canonical = backup.canonical from backup
          where (log.chain, log.seq) = (backup.chain, backup.seq)
            and log.chain = '00000000-0000-0000-0000-000000000000'",
    ] {
        sqlx::query(sql).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    let (platform, _) = world.check(ChainId::Platform, Extent::Partial, checker(2)).await;
    assert_eq!((platform.status, platform.alarm), (Some(Status::Ok), false));
    let (state, _) = world.check(chain, Extent::Partial, checker(2)).await;
    assert!(state.alarm && state.recorded_seq.is_some(), "{state:?}");
    assert_eq!(words(&world.told().await), [("failure", "broken")]);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_empty_platform_chain_is_an_alarm_only_where_there_are_organisations(pool: PgPool) {
    let app = db::testing::as_app(&pool).await;
    let run = Uuid::from_u128(1);
    let look = async || {
        let look = chain_checks::verify(&app, ChainId::Platform, Extent::Full, run).await;
        found(look.unwrap())
    };
    let fresh = look().await;
    assert_eq!(fresh.verdict.status, Status::Empty);
    let mut tx = app.begin().await.unwrap();
    let checker = Checker { run: Uuid::from_u128(2), now: at(1) };
    let state = chain_checks::record(&mut tx, ChainId::Platform, &fresh, checker).await.unwrap();
    assert!(!state.alarm);
    tx.commit().await.unwrap();
    World::org(&app, "acme").await;
    assert_eq!(look().await.verdict.status, Status::Ok);
    let wiped = "set session_replication_role = replica;
                 delete from admin_audit_log where chain = '00000000-0000-0000-0000-000000000000';
                 delete from audit_chain_heads where chain = '00000000-0000-0000-0000-000000000000'";
    sqlx::raw_sql(wiped).execute(&mut *pool.acquire().await.unwrap()).await.unwrap();
    assert_eq!(look().await.verdict.status, Status::Truncated);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn rounds_are_counted_once_and_only_the_platform_sees_every_chain(pool: PgPool) {
    let world = World::new(pool).await;
    let chain = world.chain();
    tamper::edit(&world.owner, chain, 2).await;
    world.check(chain, Extent::Full, checker(1)).await;
    let figures = Figures { ok: 4, broken: 1, ..Figures::default() };
    let (one, two) = (checker(1), checker(2));
    for round in [one, one, two] {
        let mut tx = world.app.begin().await.unwrap();
        chain_checks::close_round(&mut tx, (Extent::Partial, figures), at(0), round).await.unwrap();
        tx.commit().await.unwrap();
    }
    let mut tx = world.app.begin().await.unwrap();
    db::scope_platform(&mut tx).await.unwrap();
    let (alarms, rounds) = chain_checks::figures(&mut tx).await.unwrap();
    assert_eq!(alarms, Figures { broken: 1, ..Figures::default() });
    let [round] = &rounds[..] else { panic!("{rounds:?}") };
    assert_eq!((round.extent, round.ended_at), (Extent::Partial, at(2)));
    assert_eq!(round.verdicts, Figures { ok: 8, broken: 2, ..Figures::default() });
    drop(tx);
    let (stranger, ..) = World::org(&world.app, "other").await;
    let mut tx = OrgTx::begin(&world.app, stranger).await.unwrap();
    assert!(chain_checks::current(&mut tx, 10).await.unwrap().is_empty());
    assert_eq!(chain_checks::figures(&mut tx).await.unwrap(), (Figures::default(), vec![]));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn what_was_verified_stays_known_and_only_old_checks_without_a_fault_go(pool: PgPool) {
    let world = World::new(pool).await;
    let chain = world.chain();
    world.check(chain, Extent::Full, checker(1)).await;
    tamper::edit(&world.owner, chain, 2).await;
    // Both are older than 90 days; these two are not.
    world.check(chain, Extent::Full, checker(2)).await;
    let mut tx = world.tx().await;
    let fresh = "insert into audit_chain_checks
                 select chain, now(), checked_by, extent, status, checked, verified_from_seq, head_seq,
                        head_hash, first_bad_seq, first_bad_kind, message from audit_chain_checks";
    let moved = "update audit_chain_checks set checked_at = now() - interval '91 days'";
    let rows = sqlx::query(fresh).execute(&mut *tx).await.unwrap().rows_affected();
    assert_eq!(rows, 2);
    tx.commit().await.unwrap();
    let mut old = world.owner.begin().await.unwrap();
    for sql in [
        "set local session_replication_role = replica",
        &format!("{moved} where checked_at <> (select max(checked_at) from audit_chain_checks)"),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut *old).await.unwrap();
    }
    old.commit().await.unwrap();
    let mut tx = world.app.begin().await.unwrap();
    assert_eq!(chain_checks::purge(&mut tx, chain).await.unwrap(), 1);
    tx.commit().await.unwrap();
    for sql in [
        "update audit_chain_states set verified_seq = 1",
        "update audit_chain_states set verified_hash = decode(repeat('ab', 32), 'hex')",
        "delete from audit_chain_states",
        "truncate audit_chain_states",
        "update audit_chain_checks set status = 'ok'",
        "delete from audit_chain_checks",
        "truncate audit_chain_checks",
        "truncate audit_chain_rounds",
    ] {
        for pool in [&world.owner, &world.app] {
            let mut tx = OrgTx::begin(pool, world.org).await.unwrap();
            assert!(sqlx::query(sql).execute(&mut *tx).await.is_err(), "{sql}");
        }
    }
}
