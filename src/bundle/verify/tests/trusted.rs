//! Whose signature?

use super::super::{Options, Outcome, Status};
use super::{pinned, report};
use crate::attestation::Attestation;
use crate::keys::SigningKey;
use crate::testing::{self, sample};

#[test]
fn without_a_key_it_is_trust_on_first_use() {
    let report = report(&sample().zip(), &Options::default());
    assert_eq!((report.result, report.exit_code), (Outcome::Ok, 0));
    let trust = report.checks.iter().find(|check| check.name == "trust").unwrap();
    assert_eq!(trust.status, Status::Note);
    assert!(trust.detail.contains("trust on first use"));
    assert!(trust.detail.contains(&sample().key.id()));
}

#[test]
fn a_pack_signed_anew_by_another_key_passes_only_where_no_key_is_known() {
    let mut forged = sample();
    forged.key = SigningKey::generate([66; 32]);
    forged.sign_again();
    let named = report(&forged.zip(), &Options::default());
    assert_eq!(named.result, Outcome::Broken, "it names the old key: {}", named.text());
    let keys = vec![sample().key.public()];
    let known = report(&forged.zip(), &Options { keys, ..Options::default() });
    assert_eq!(known.of("signature").collect::<Vec<_>>(), [Status::Broken]);
}

#[test]
fn one_of_several_pinned_keys_is_enough() {
    let keys = vec![SigningKey::generate([1; 32]).public(), sample().key.public()];
    let report = report(&sample().zip(), &Options { keys, ..Options::default() });
    assert_eq!(report.result, Outcome::Ok, "{}", report.text());
}

#[test]
fn a_key_that_had_expired_is_not_believed() {
    let key = sample().key.valid(None, Some(testing::period().start)).public();
    let report = report(&sample().zip(), &Options { keys: vec![key], ..Options::default() });
    assert_eq!(report.of("trust").collect::<Vec<_>>(), [Status::Broken]);
}

#[test]
fn an_unsigned_pack_is_incomplete_and_broken_for_who_expects_a_signature() {
    let mut unsigned = sample();
    let text = Attestation { signature: None, ..testing::attestation() }.render();
    unsigned.put("chain-attestation.json", text.into_bytes());
    unsigned.list();
    let open = report(&unsigned.zip(), &Options::default());
    assert_eq!((open.result, open.exit_code), (Outcome::Incomplete, 3), "{}", open.text());
    assert_eq!(pinned(&unsigned).result, Outcome::Broken);
}
