//! The damage corpus, and changes at places that nobody chose.

use std::collections::BTreeSet;
use std::io::{Cursor, Read as _};

use super::super::Outcome::{Broken, Ok};
use super::super::{Limits, Older, Options, Status};
use super::{pinned, report};
use crate::testing::damage::{Case, corpus, markdown};
use crate::testing::{Sample, sample};

/// Replaces exactly one place.
fn swap(sample: &mut Sample, entry: &str, from: &str, to: &str) {
    sample.edit(entry, |text| {
        assert!(text.contains(from), "{entry} has no {from:?}");
        text.replacen(from, to, 1)
    });
}

#[test]
fn every_damage_gets_its_answer() {
    let mut wrong = Vec::new();
    for Case { id, by, result, zip, keys, against, .. } in corpus() {
        let older = |zip: &Vec<u8>| {
            let options = Options { keys: keys.clone(), ..Options::default() };
            Older { name: "older.zip".to_owned(), report: report(zip, &options) }
        };
        let against = against.iter().map(older).collect();
        let report = report(&zip, &Options { keys: keys.clone(), against, ..Options::default() });
        let objects = |name: &str| report.of(name).any(|s| !matches!(s, Status::Ok | Status::Note));
        let silent: Vec<_> = by.iter().filter(|name| !objects(name)).collect();
        if (report.result, report.exit_code) != (result, result.exit_code()) || !silent.is_empty() {
            wrong.push(format!("{id}: silent {silent:?}\n{}", report.text()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_corpus_is_large_and_its_names_are_unique() {
    let ids: BTreeSet<_> = corpus().into_iter().map(|case| case.id[4..].to_owned()).collect();
    assert!(ids.len() >= 100, "{}", ids.len());
}

/// Renewed by this test itself, with `RENEW_DAMAGE=1` in the environment.
#[test]
fn the_damage_table_is_that_of_the_corpus() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/DAMAGE.md");
    let text = markdown();
    if std::env::var_os("RENEW_DAMAGE").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == text, "src/bundle/DAMAGE.md is out of date: RENEW_DAMAGE=1 renews it");
}

/// All entries of a ZIP, as the other reader sees them.
fn entries(zip: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = ::zip::ZipArchive::new(Cursor::new(zip)).unwrap();
    (0..archive.len())
        .map(|entry| {
            let mut file = archive.by_index(entry).unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            (file.name().unwrap().into_owned(), bytes)
        })
        .collect()
}

#[test]
fn a_flipped_bit_anywhere_in_the_file_is_found_or_fills_a_byte() {
    let whole = sample().zip();
    let (files, options) =
        (entries(&whole), Options { keys: vec![sample().key.public()], ..Options::default() });
    // The directory at the end is looked at byte by byte, the packed data in samples.
    let end = whole[whole.len() - 6..].first_chunk::<4>().unwrap();
    let directory = usize::try_from(u32::from_le_bytes(*end)).unwrap();
    for position in (0..directory).step_by(211).chain(directory..whole.len()) {
        let mut zip = whole.clone();
        zip[position] ^= 1 << (position % 8);
        if report(&zip, &options).result == Ok {
            assert!(position < directory, "byte {position} of the directory is indifferent");
            assert_eq!(entries(&zip), files, "byte {position}");
        }
    }
}

#[test]
fn a_bomb_is_not_unpacked() {
    let mut bomb = sample();
    bomb.put("summary.pdf", vec![0; 64 << 20]);
    bomb.list();
    let dense = pinned(&bomb);
    assert_eq!(dense.of("limits").collect::<Vec<_>>(), [Status::Broken]);
    assert_eq!(dense.result, Broken);
    let limits = Limits { total_bytes: 1000, ..Limits::default() };
    let small = report(&sample().zip(), &Options { limits, ..Options::default() });
    assert_eq!(small.result, Broken);
}

#[test]
fn a_row_larger_than_the_limit_is_not_held() {
    let limits = Limits { item_bytes: 100 << 10, ..Limits::default() };
    let mut sample = sample();
    swap(
        &mut sample,
        "data.json",
        "\"address\":\"",
        &format!("\"address\":\"{}", "x".repeat(300 << 10)),
    );
    sample.sign_again();
    let report = report(&sample.zip(), &Options { limits, ..Options::default() });
    assert_eq!(report.of("data").next(), Some(Status::Broken), "{}", report.text());
}
