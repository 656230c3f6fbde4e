//! The stored audit chain: appending at once from many sides, and noticing every change.

use db::chain::{self, Filter, Options};
use db::{Error, OrgTx};
use evidence::action::{Action, Outcome};
use evidence::chain::{BadKind, ChainId, Draft, Status};
use evidence::ids::OrgId;
use evidence::ids::v7;
use futures_util::TryStreamExt;
use futures_util::future::join_all;
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::{World, at, cause, period};

fn entry() -> Draft {
    let cause = cause(1);
    Draft {
        id: v7(cause.now, rand::random()),
        actor: cause.actor,
        action: Action::AuditLogVerified,
        detail: serde_json::Map::from_iter([("é\n".to_owned(), "\u{202e}\"\\".into())]),
        origin: "test".to_owned(),
        outcome: Outcome::Success,
    }
}

async fn append(world: &World, chain: ChainId) {
    let mut tx = world.tx().await;
    chain::append(&mut tx, chain, entry()).await.unwrap();
    tx.commit_sharing_flush().await.unwrap();
}

/// What somebody with the owner's rights and no scruples does.
async fn tamper(world: &World, sql: &str) {
    let mut tx = world.owner.begin().await.unwrap();
    sqlx::query("set local session_replication_role = replica").execute(&mut *tx).await.unwrap();
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    let done = sqlx::query(sql).bind(world.org.0).execute(&mut *tx).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
    tx.commit().await.unwrap();
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn sixteen_writers_make_one_chain_without_gaps(pool: PgPool) {
    let world = World::new(pool).await;
    let before = world.verify().await.verdict.head_seq.unwrap();
    let chain = ChainId::Org(world.org);
    join_all((0..16).map(|_| async {
        for _ in 0..50 {
            append(&world, chain).await;
        }
    }))
    .await;
    let verdict = world.verify().await.verdict;
    assert_eq!(verdict.status, Status::Ok, "{}", verdict.message);
    assert_eq!(verdict.head_seq, Some(before + 800));
    assert_eq!(verdict.checked, u64::try_from(before).unwrap() + 800);
    let backwards: i64 = sqlx::query_scalar(
        "select count(*) from (
           select created_at < lag(created_at) over (partition by chain order by seq) as back
             from admin_audit_log) entry where back",
    )
    .fetch_one(&world.owner)
    .await
    .unwrap();
    assert_eq!(backwards, 0);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_organisation_begins_its_chain_with_its_creation(pool: PgPool) {
    let world = World::new(pool).await;
    let mut tx = world.tx().await;
    let first = chain::find(&mut tx, ChainId::Org(world.org), 1).await.unwrap().unwrap();
    assert_eq!((first.action.as_str(), first.prev_hash), ("org.created", None));
    assert_eq!(evidence::chain::hash(&first.canonical).as_slice(), first.hash);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_platform_chain_begins_with_itself_and_leaves_the_scope_as_it_was(pool: PgPool) {
    let world = World::new(pool).await;
    let mut tx = world.tx().await;
    chain::append(&mut tx, ChainId::Platform, entry()).await.unwrap();
    let org: Option<Uuid> =
        sqlx::query_scalar("select driftpack_org()").fetch_one(&mut *tx).await.unwrap();
    assert_eq!(org, Some(world.org.0));
    tx.commit().await.unwrap();
    let mut tx = world.app.begin().await.unwrap();
    db::scope_platform(&mut tx).await.unwrap();
    let options = Options::default();
    let verified = chain::verify(&mut tx, ChainId::Platform, &options).await.unwrap();
    assert_eq!(verified.verdict.status, Status::Ok, "{}", verified.verdict.message);
    let filter = Filter { limit: 9, ..Filter::default() };
    let actions: Vec<_> = chain::list(&mut tx, ChainId::Platform, &filter).await.unwrap();
    let actions: Vec<_> = actions.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["platform.created", "org.created", "audit_log.verified"]);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn every_kind_of_change_is_noticed(pool: PgPool) {
    let cases = [
        (
            "update admin_audit_log set canonical = replace(canonical, 'test', 'tost')
           where chain = $1 and seq = 2",
            BadKind::Content,
        ),
        (
            "update admin_audit_log set actor_id = 'somebody' where chain = $1 and seq = 2",
            BadKind::Columns,
        ),
        (
            "update admin_audit_log set created_at = created_at + interval '1 microsecond'
           where chain = $1 and seq = 2",
            BadKind::Columns,
        ),
        (
            "update admin_audit_log set created_at = 'infinity' where chain = $1 and seq = 2",
            BadKind::Columns,
        ),
        ("delete from admin_audit_log where chain = $1 and seq = 2", BadKind::Gap),
    ];
    let world = World::new(pool).await;
    append(&world, ChainId::Org(world.org)).await;
    for (index, (sql, kind)) in cases.into_iter().enumerate() {
        let (org, user, source) = World::org(&world.app, &format!("org-{index}")).await;
        let (owner, app) = (world.owner.clone(), world.app.clone());
        let other = World { owner, app, org, user, source };
        append(&other, ChainId::Org(org)).await;
        tamper(&other, sql).await;
        let verdict = other.verify().await.verdict;
        assert_eq!(verdict.status, Status::Broken, "{sql}");
        let bad = verdict.first_bad.unwrap();
        assert_eq!(bad.kind, kind, "{sql}");
    }
    assert_eq!(world.verify().await.verdict.status, Status::Ok);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_cut_tail_is_noticed_by_the_head_and_by_who_remembers_more(pool: PgPool) {
    let world = World::new(pool).await;
    let chain = ChainId::Org(world.org);
    append(&world, chain).await;
    let head = world.verify().await.verdict.head_seq.unwrap();
    let mut tx = world.tx().await;
    let options = Options { expected_min_seq: Some(head + 1), ..Options::default() };
    let verified = chain::verify(&mut tx, chain, &options).await.unwrap();
    assert_eq!(verified.verdict.status, Status::Truncated);
    drop(tx);
    tamper(
        &world,
        "delete from admin_audit_log where chain = $1 and seq =
                    (select max(seq) from admin_audit_log where chain = $1)",
    )
    .await;
    assert_eq!(world.verify().await.verdict.status, Status::Truncated);
    // The next entry would follow one that is not there.
    append(&world, chain).await;
    let verdict = world.verify().await.verdict;
    assert_eq!(verdict.status, Status::Broken);
    assert_eq!(verdict.first_bad.map(|bad| (bad.seq, bad.kind)), Some((head, BadKind::Gap)));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_head_that_lies_is_broken_and_takes_no_entry(pool: PgPool) {
    let world = World::new(pool).await;
    for (index, sql) in [
        "update audit_chain_heads set seq = seq - 1 where chain = $1",
        "update audit_chain_heads set seq = 0, hash = null where chain = $1",
        "update audit_chain_heads set seq = 9223372036854775807 where chain = $1",
    ]
    .into_iter()
    .enumerate()
    {
        let (org, user, source) = World::org(&world.app, &format!("org-{index}")).await;
        let other = World { owner: world.owner.clone(), app: world.app.clone(), org, user, source };
        tamper(&other, sql).await;
        assert_ne!(other.verify().await.verdict.status, Status::Ok, "{sql}");
        let mut tx = other.tx().await;
        let refused = chain::append(&mut tx, ChainId::Org(org), entry()).await;
        assert!(matches!(refused, Err(Error::BrokenChain(_))), "{sql}: {refused:?}");
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_hash_of_an_earlier_entry_is_told_whatever_the_head_is(pool: PgPool) {
    let world = World::new(pool).await;
    let chain = ChainId::Org(world.org);
    let mut tx = world.tx().await;
    let sealed = chain::append(&mut tx, chain, entry()).await.unwrap();
    tx.commit().await.unwrap();
    append(&world, chain).await;
    let mut tx = world.tx().await;
    let options = Options { at_seq: Some(sealed.seq), ..Options::default() };
    let verified = chain::verify(&mut tx, chain, &options).await.unwrap();
    assert_eq!(verified.at.map(|at| (at.seq, at.hash)), Some((sealed.seq, sealed.hash)));
    let since = Options { since: Some((sealed.seq, sealed.hash)), ..Options::default() };
    let verified = chain::verify(&mut tx, chain, &since).await.unwrap();
    assert_eq!((verified.verdict.status, verified.verdict.checked), (Status::Ok, 2));
    let other = Options { since: Some((sealed.seq, [9; 32])), ..Options::default() };
    let bad = chain::verify(&mut tx, chain, &other).await.unwrap().verdict.first_bad.unwrap();
    assert_eq!((bad.seq, bad.kind), (sealed.seq, BadKind::Content));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn nobody_changes_the_log_not_even_its_owner(pool: PgPool) {
    let world = World::new(pool).await;
    let refused = [
        "update admin_audit_log set detail = '{}'",
        "delete from admin_audit_log",
        "truncate admin_audit_log",
        "delete from audit_chain_heads",
        "truncate audit_chain_heads",
        "update audit_chain_heads set seq = seq + 2",
        "update audit_chain_heads set seq = 1",
        "update finding_events set status = 'open'",
        "delete from finding_events",
        "truncate finding_events",
        "truncate findings cascade",
        "update findings set risk_level = 'critical'",
        "truncate scans cascade",
        "truncate scan_noise",
        "delete from scan_noise",
        "update scan_sightings set findings = '{}'",
        "truncate scan_sightings",
        "update state_source_versions set name = 'x'",
        "delete from state_source_versions",
        "truncate state_source_versions",
        "update custom_rule_versions set reason = 'x'",
        "delete from custom_rule_versions",
        "truncate custom_rule_versions",
        "update org_plan_versions set plan = 'free'",
        "delete from org_plan_versions",
        "truncate org_plan_versions",
    ];
    let mut tx = world.tx().await;
    let ignore = crate::support::rule("ignored", evidence::risk::CustomLevel::Ignore);
    db::rules::create(&mut tx, world.org, &ignore, &cause(0)).await.unwrap();
    tx.commit().await.unwrap();
    world.scan(1, crate::support::showing(&["a", "ignored"])).await;
    let mut partial = crate::support::showing(&["a"]);
    partial.status = evidence::scan::ScanStatus::Partial;
    world.scan(2, partial).await;
    for sql in refused {
        for pool in [&world.owner, &world.app] {
            let mut tx = OrgTx::begin(pool, world.org).await.unwrap();
            let result = sqlx::query(sql).execute(&mut *tx).await;
            assert!(result.is_err(), "{sql}");
        }
    }
    assert_eq!(world.verify().await.verdict.status, Status::Ok);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_chain_that_is_not_there_is_empty_and_cannot_be_appended_to(pool: PgPool) {
    let world = World::new(pool).await;
    let nobody = OrgId(v7(at(0), [1; 10]));
    let mut tx = OrgTx::begin(&world.app, nobody).await.unwrap();
    let chain = ChainId::Org(nobody);
    let verified = chain::verify(&mut tx, chain, &Options::default()).await.unwrap();
    assert_eq!(verified.verdict.status, Status::Empty);
    let refused = chain::append(&mut tx, chain, entry()).await;
    assert!(matches!(refused, Err(Error::NoChain(_))));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_entry_that_is_appended_meanwhile_breaks_no_chain_that_is_read_at_one_moment(
    pool: PgPool,
) {
    let world = World::new(pool).await;
    let chain = ChainId::Org(world.org);
    let before = world.verify().await.verdict;
    let mut tx = OrgTx::begin_reading(&world.app, world.org).await.unwrap();
    let verification = chain::Verification::begin(&mut tx, chain, &Options::default()).await;
    let mut verification = verification.unwrap();
    append(&world, chain).await;
    let _lines: Vec<_> = verification.lines(&mut tx, period(0, 9)).try_collect().await.unwrap();
    assert_eq!(verification.finish().verdict, before);
    assert!(chain::append(&mut tx, chain, entry()).await.is_err(), "it changes nothing");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_lines_of_a_period_are_the_entries_of_the_period(pool: PgPool) {
    let world = World::new(pool).await;
    let chain = ChainId::Org(world.org);
    append(&world, chain).await;
    let mut tx = world.tx().await;
    let filter = Filter { limit: 100, ..Filter::default() };
    let entries = chain::list(&mut tx, chain, &filter).await.unwrap();
    // Half-open: from the second entry's time on, up to but not including the last one's.
    let (from, to) = (entries[1].created_at, entries.last().unwrap().created_at);
    let part = evidence::time::Period::new(from, to).unwrap();
    let options = Options::default();
    let mut verification = chain::Verification::begin(&mut tx, chain, &options).await.unwrap();
    let lines: Vec<String> = verification.lines(&mut tx, part).try_collect().await.unwrap();
    let verdict = verification.finish().verdict;
    assert_eq!((verdict.status, verdict.checked), (Status::Ok, entries.len() as u64));
    let expected: Vec<String> = entries
        .iter()
        .filter(|entry| part.contains(entry.created_at))
        .map(|entry| format!("{}\n", entry.canonical))
        .collect();
    assert!(!expected.is_empty());
    assert_eq!(lines, expected);
    let range = db::section::audit_range(&mut tx, chain, part).await.unwrap();
    assert_eq!((range.first_seq, range.entries), (Some(2), expected.len() as u64));
    let nothing = db::section::audit_range(&mut tx, chain, period(-9, -8)).await.unwrap();
    assert_eq!((nothing.first_seq, nothing.last_seq, nothing.entries), (None, None, 0));
}
