//! State sources and custom rules, and the versions that they leave.

use db::{Error, OrgTx, rules, state_sources};
use evidence::risk::{CustomLevel, RiskLevel};
use evidence::scan::SourceKind;
use sqlx::PgPool;

use crate::support::{World, at, cause};

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_source_that_two_use_first_at_once_is_made_once(pool: PgPool) {
    let world = World::new(pool).await;
    let first_use = async || {
        let mut tx = OrgTx::begin(&world.app, world.org).await.unwrap();
        let source =
            state_sources::ensure(&mut tx, world.org, "x", SourceKind::Upload, &cause(1)).await;
        tx.commit().await.unwrap();
        source.unwrap().id
    };
    let (one, two, three) = tokio::join!(first_use(), first_use(), first_use());
    assert_eq!((one, two), (two, three));
    assert_eq!(world.verify().await.verdict.head_seq, Some(3));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn every_change_of_a_source_leaves_a_version_and_an_entry(pool: PgPool) {
    let world = World::new(pool).await;
    let mut tx = world.tx().await;
    let id = world.source;
    let source = state_sources::find(&mut tx, world.org, id).await.unwrap().unwrap();
    let mut settings = source.settings();
    let same = state_sources::update(&mut tx, world.org, id, &settings, &cause(1)).await.unwrap();
    assert_eq!(same, source);
    settings.active = false;
    let changed =
        state_sources::update(&mut tx, world.org, id, &settings, &cause(2)).await.unwrap();
    assert_eq!((changed.version, changed.active, changed.updated_at), (2, false, at(2)));
    assert!(state_sources::delete(&mut tx, world.org, id, &cause(3)).await.unwrap());
    assert!(!state_sources::delete(&mut tx, world.org, id, &cause(4)).await.unwrap());
    assert_eq!(state_sources::list(&mut tx, world.org).await.unwrap(), []);
    // The name is free again.
    let again = state_sources::create(&mut tx, world.org, &settings, &cause(5)).await.unwrap();
    assert_ne!(again.id, id);
    let taken = state_sources::create(&mut tx, world.org, &settings, &cause(6)).await;
    assert!(matches!(taken, Err(Error::Taken { .. })));
    drop(tx);
    assert_eq!(world.verify().await.verdict.head_seq, Some(2));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_token_without_an_address_leaves_the_known_one(pool: PgPool) {
    let world = World::new(pool).await;
    let mut tx = world.tx().await;
    for (email, hours, known) in [
        (Some("a@b.example"), 1, "a@b.example"),
        (None, 2, "a@b.example"),
        (None, 9, "a@b.example"),
        (Some("c@b.example"), 9, "c@b.example"),
    ] {
        let profile = db::users::Profile { iss: "https://issuer", sub: "acme", email };
        let user = db::users::upsert(&mut tx, profile, at(hours)).await.unwrap();
        assert_eq!(user.email.as_deref(), Some(known));
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn texts_that_people_wrote_stand_in_the_audit_log_as_their_hashes(pool: PgPool) {
    let world = World::new(pool).await;
    let mut tx = world.tx().await;
    let rule = crate::support::rule("x", CustomLevel::Ignore);
    rules::create(&mut tx, world.org, &rule, &cause(1)).await.unwrap();
    let filter = db::chain::Filter { limit: 100, ..Default::default() };
    let chain = evidence::chain::ChainId::Org(world.org);
    let entries = db::chain::list(&mut tx, chain, &filter).await.unwrap();
    let detail = &entries.last().unwrap().detail;
    let hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&rule.reason));
    assert!(detail.contains(&hash) && detail.contains("\"position\":1"), "{detail}");
    assert!(!detail.contains(&rule.reason), "{detail}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn rules_that_cannot_work_are_refused(pool: PgPool) {
    let world = World::new(pool).await;
    let good = rules::Settings {
        name: "r".to_owned(),
        position: 0,
        resource_pattern: "*".to_owned(),
        attribute_pattern: None,
        drift_type: None,
        risk_level: CustomLevel::Risk(RiskLevel::Low),
        reason: "why not".to_owned(),
        enabled: true,
    };
    let mut tx = world.tx().await;
    for bad in [
        rules::Settings { resource_pattern: String::new(), ..good.clone() },
        rules::Settings { reason: String::new(), ..good.clone() },
        rules::Settings { name: "\u{0}".to_owned(), ..good.clone() },
    ] {
        let refused = rules::create(&mut tx, world.org, &bad, &cause(1)).await;
        assert!(matches!(refused, Err(Error::Invalid { .. } | Error::Rule(_))), "{bad:?}");
    }
    let rule = rules::create(&mut tx, world.org, &good, &cause(1)).await.unwrap();
    assert_eq!(rule.settings(), good);
    assert_eq!(rules::list(&mut tx, world.org).await.unwrap(), [rule]);
}
