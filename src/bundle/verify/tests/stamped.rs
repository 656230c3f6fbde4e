//! Time stamps: over this manifest, over another one, and none.

use evidence::pack;

use super::super::{Options, Outcome, Report, Status};
use super::report;
use crate::attestation::Attestation;
use crate::digest::sha256_hex;
use crate::testing::{Authority, Sample, attestation, sample};
use crate::timestamp::Request;

fn token(authority: &Authority, over: &[u8]) -> Vec<u8> {
    let sha256 = hex::decode(sha256_hex(over)).unwrap().try_into().unwrap();
    authority.answer(Request::new(sha256, [1; 8]).der())
}

fn said(report: &Report) -> Vec<(Status, &str)> {
    let stamps = report.checks.iter().filter(|check| check.name == "time_stamp");
    stamps.map(|check| (check.status, check.detail.as_str())).collect()
}

fn verified(sample: &Sample) -> Report {
    report(&sample.zip(), &Options::default())
}

#[test]
fn a_stamp_over_the_manifest_is_told_with_its_time_and_a_pack_that_is_dated_late_with_both() {
    let authority = Authority::new();
    let mut stamped = sample();
    stamped.put(pack::TIME_STAMP, token(&authority, stamped.get(pack::MANIFEST)));
    let report = verified(&stamped);
    assert_eq!((report.result, report.exit_code), (Outcome::Ok, 0), "{}", report.text());
    let said = said(&report);
    assert_eq!(said[0].0, Status::Ok);
    assert!(said[0].1.contains("policy 1.2.3.4.1"), "{said:?}");
    // The story's pack was made in 2026; the authority has seen it today.
    assert!(said[1].1.contains("the authority saw it first at"), "{said:?}");
}

#[test]
fn a_stamp_that_is_not_over_this_manifest_or_no_stamp_at_all_breaks_the_pack() {
    let authority = Authority::new();
    let honest = sample();
    let mut edited = honest.clone();
    edited.put(pack::TIME_STAMP, token(&authority, honest.get(pack::MANIFEST)));
    edited.edit("controls.csv", |text| text.replacen("strong", "STRONG", 1));
    edited.describe("controls.csv");
    edited.sign_again();
    let report = verified(&edited);
    assert!(said(&report)[0].1.contains("another MANIFEST.txt"), "{}", report.text());
    assert_eq!(report.result, Outcome::Broken);
    for bytes in [b"<html>".to_vec(), Vec::new(), vec![0x30; 1 << 20]] {
        let mut odd = honest.clone();
        odd.put(pack::TIME_STAMP, bytes);
        let report = verified(&odd);
        assert_eq!((report.result, said(&report)[0].0), (Outcome::Broken, Status::Broken));
    }
}

#[test]
fn a_stamp_from_before_the_data_it_is_over_is_a_contradiction() {
    let authority = Authority::new();
    let mut early = sample();
    let verified_at = "2999-01-01T00:00:00Z".parse().unwrap();
    early.sign(Attestation { verified_at, ..attestation() });
    early.list();
    early.put(pack::TIME_STAMP, token(&authority, early.get(pack::MANIFEST)));
    let report = verified(&early);
    let broken = said(&report).into_iter().find(|(status, _)| *status == Status::Broken);
    assert!(
        broken.is_some_and(|(_, detail)| detail.contains("made after that")),
        "{}",
        report.text()
    );
}

#[test]
fn a_stamp_is_never_listed_and_its_absence_is_told_where_one_was_to_be_asked_for() {
    let mut asked = sample();
    asked.ask_authority("https://tsa.example/tsr");
    asked.sign_again();
    let report = verified(&asked);
    assert_eq!(report.result, Outcome::Ok, "{}", report.text());
    let (status, detail) = said(&report)[0];
    assert_eq!(status, Status::Note);
    assert!(detail.contains("https://tsa.example/tsr"), "{detail}");
    let mut listed = sample();
    let authority = Authority::new();
    listed.edit(pack::MANIFEST, |text| text + &"0".repeat(64) + "  MANIFEST.txt.tsr\n");
    listed.put(pack::TIME_STAMP, token(&authority, listed.get(pack::MANIFEST)));
    assert_eq!(verified(&listed).result, Outcome::Broken);
    assert!(said(&verified(&sample())).is_empty());
}
