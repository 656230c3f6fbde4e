//! Continuity with packs that left the house before.

use super::super::{Older, Options, Outcome, Report, Status};
use super::{pinned, report};
use crate::attestation::Previous;
use crate::keys::{PublicKey, SigningKey};
use crate::testing::{Sample, chain, earlier, sample};

fn against(now: &Sample, older: &Report) -> Report {
    let older = Older { name: "older.zip".to_owned(), report: older.clone() };
    let options =
        Options { keys: vec![now.key.public()], against: vec![older], ..Options::default() };
    report(&now.zip(), &options)
}

fn named(head: i64, hash_hex: String) -> Vec<Previous> {
    let export_id = pinned(&earlier(head)).pack.unwrap().export_id;
    vec![Previous { export_id, seq: head, hash_hex }]
}

#[test]
fn a_head_that_is_named_with_the_same_hash_is_ok() {
    let older = pinned(&earlier(11));
    assert_eq!(older.result, Outcome::Ok, "{}", older.text());
    let now = Sample::with_previous(named(11, chain().hash_hex(11)));
    let report = against(&now, &older);
    assert_eq!(report.result, Outcome::Ok, "{}", report.text());
    assert_eq!(report.of("continuity").collect::<Vec<_>>(), [Status::Ok]);
}

#[test]
fn a_head_that_is_not_named_is_incomplete() {
    let report = against(&sample(), &pinned(&earlier(10)));
    assert_eq!(report.result, Outcome::Incomplete, "{}", report.text());
}

#[test]
fn a_head_within_the_excerpt_needs_no_naming() {
    let mut older = pinned(&earlier(11));
    let facts = older.pack.as_mut().unwrap();
    (facts.head_seq, facts.head_hash_hex) = (6, chain().hash_hex(6));
    assert_eq!(against(&sample(), &older).result, Outcome::Ok);
    older.pack.as_mut().unwrap().head_hash_hex = chain().hash_hex(7);
    assert_eq!(against(&sample(), &older).result, Outcome::Broken);
}

#[test]
fn a_head_with_another_hash_is_a_rewritten_chain() {
    let now = Sample::with_previous(named(10, chain().hash_hex(9)));
    let report = against(&now, &pinned(&earlier(10)));
    assert_eq!(report.of("continuity").collect::<Vec<_>>(), [Status::Broken]);
}

#[test]
fn a_chain_that_became_shorter_is_truncated() {
    let mut older = pinned(&earlier(11));
    older.pack.as_mut().unwrap().head_seq = 40;
    let report = against(&sample(), &older);
    assert_eq!((report.result, report.exit_code), (Outcome::Truncated, 2), "{}", report.text());
}

#[test]
fn another_signer_proves_continuity_only_when_both_keys_are_trusted() {
    let mut older = earlier(11);
    older.key = SigningKey::generate([9; 32]);
    older.rename_signer();
    older.sign_again();
    let open = Options::default();
    let older_report = report(&older.zip(), &open);
    assert_eq!(older_report.result, Outcome::Ok, "{}", older_report.text());
    let now = Sample::with_previous(named(11, chain().hash_hex(11)));
    let with = |keys: Vec<PublicKey>| {
        let against = vec![Older { name: "older.zip".to_owned(), report: older_report.clone() }];
        report(&now.zip(), &Options { keys, against, ..Options::default() })
    };
    let (mine, theirs) = (now.key.public(), older.key.public());
    for keys in [vec![], vec![mine.clone()]] {
        let report = with(keys);
        assert_eq!(
            (report.result, report.exit_code),
            (Outcome::Incomplete, 3),
            "{}",
            report.text()
        );
    }
    let report = with(vec![mine, theirs]);
    assert_eq!(report.result, Outcome::Ok, "{}", report.text());
}

#[test]
fn a_younger_or_damaged_or_foreign_pack_proves_nothing() {
    let young = pinned(&sample());
    assert_eq!(against(&earlier(11), &young).result, Outcome::Incomplete);
    let mut damaged = pinned(&earlier(11));
    damaged.result = Outcome::Broken;
    assert_eq!(against(&sample(), &damaged).result, Outcome::Incomplete);
    let mut foreign = pinned(&earlier(11));
    foreign.pack.as_mut().unwrap().chain = "platform".to_owned();
    assert_eq!(against(&sample(), &foreign).result, Outcome::Broken);
}
