//! The sample pack, whole and damaged.

mod container;
mod damage;
mod older;
mod stamped;
mod trusted;

use std::io::Cursor;

use super::{Options, Report, verify};
use crate::testing::{Sample, sample};

fn report(zip: &[u8], options: &Options) -> Report {
    verify(Cursor::new(zip), options)
}

/// Verified with the sample's own key pinned.
fn pinned(sample: &Sample) -> Report {
    let options = Options { keys: vec![sample.key.public()], ..Options::default() };
    report(&sample.zip(), &options)
}

#[test]
fn the_sample_is_ok_and_the_report_says_why() {
    let text = pinned(&sample()).text();
    insta::assert_snapshot!(text);
}

#[test]
fn the_sample_has_the_same_entries_and_bytes_every_time() {
    use std::fmt::Write as _;
    let (first, second) = (sample(), sample());
    assert_eq!(first.zip(), second.zip());
    let mut listing = String::new();
    for (name, bytes) in &first.entries {
        let _ = writeln!(listing, "{:>7}  {name}", bytes.len());
    }
    let manifest = String::from_utf8(first.get("MANIFEST.txt").to_vec()).unwrap();
    insta::assert_snapshot!(listing + "\n" + &manifest);
}

#[test]
fn a_report_survives_json() {
    let report = pinned(&sample());
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
}
