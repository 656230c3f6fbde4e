//! Damages of the container: what a ZIP reader overlooks, and what unpackers disagree about.

use std::io::{Cursor, Write as _};

use super::super::Outcome::{Broken, Truncated};
use super::super::{Check, Options, Status};
use super::report;
use crate::testing::sample;

#[test]
fn a_file_cut_anywhere_is_truncated() {
    let whole = sample().zip();
    for length in [0, 1, 21, 22, 1000, whole.len() / 2, whole.len() - 1] {
        let report = report(&whole[..length], &Options::default());
        assert_eq!(
            (report.result, report.exit_code),
            (Truncated, 2),
            "{length}: {}",
            report.text()
        );
    }
}

#[test]
fn bytes_before_or_after_the_zip_are_found() {
    let whole = sample().zip();
    for zip in [[b"MZ".as_slice(), &whole].concat(), [&whole, b"more".as_slice()].concat()] {
        let report = report(&zip, &Options::default());
        assert_eq!(report.result, Broken, "{}", report.text());
    }
}

/// Where the packed data of each entry ends and where the directory begins, as the other ZIP reader sees it.
fn ends(zip: &[u8]) -> (Vec<usize>, usize) {
    let mut archive = ::zip::ZipArchive::new(Cursor::new(zip)).unwrap();
    let place = |offset: u64| usize::try_from(offset).unwrap();
    let mut ends = Vec::new();
    for entry in 0..archive.len() {
        let file = archive.by_index_raw(entry).unwrap();
        ends.push(place(file.data_start().unwrap() + file.compressed_size()));
    }
    (ends, place(archive.central_directory_start()))
}

/// Puts bytes in at `at` and moves every offset of the directory that lies behind.
fn inserted(zip: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let (_, directory) = ends(zip);
    let mut moved = [&zip[..at], bytes, &zip[at..]].concat();
    let mut head = directory + bytes.len();
    let mut shift = |place: usize| {
        let offset = u32::from_le_bytes(moved[place..place + 4].try_into().unwrap());
        if offset as usize >= at {
            let offset = offset + u32::try_from(bytes.len()).unwrap();
            moved[place..place + 4].copy_from_slice(&offset.to_le_bytes());
        }
    };
    shift(zip.len() + bytes.len() - 6);
    while zip[head - bytes.len()..].starts_with(b"PK\x01\x02") {
        shift(head + 42);
        let length = |field: usize| {
            let place = head - bytes.len() + field;
            usize::from(u16::from_le_bytes(zip[place..place + 2].try_into().unwrap()))
        };
        head += 46 + length(28) + length(30) + length(32);
    }
    moved
}

#[test]
fn bytes_between_the_entries_and_before_the_directory_are_found() {
    let whole = sample().zip();
    let (ends, directory) = ends(&whole);
    let readable = |zip: &[u8]| ::zip::ZipArchive::new(Cursor::new(zip)).is_ok();
    for at in [ends[0], ends[0] + 16, ends[5], directory] {
        let zip = inserted(&whole, at, &[b'x'; 1024]);
        assert!(readable(&zip), "stock readers overlook bytes at {at}");
        let report = report(&zip, &Options::default());
        assert_eq!(report.result, Broken, "{at}: {}", report.text());
    }
}

#[test]
fn bytes_behind_the_end_of_a_packed_entry_are_found() {
    let mut zip = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in &sample().entries {
        zip.start_file(name.as_str(), ::zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    let whole = zip.finish().unwrap().into_inner();
    let (ends, directory) = ends(&whole);
    let mut zip = inserted(&whole, ends[0], b"smuggled");
    // The header and the directory say that the packed data is so much longer.
    for place in [18, directory + 8 + 20] {
        let packed = u32::from_le_bytes(zip[place..place + 4].try_into().unwrap()) + 8;
        zip[place..place + 4].copy_from_slice(&packed.to_le_bytes());
    }
    let report = report(&zip, &Options::default());
    let text = report.text();
    assert_eq!(report.result, Broken, "{text}");
    assert!(text.contains("behind the end of its packed data"), "{text}");
}

#[test]
fn comments_and_foreign_fields_are_found() {
    let commented = {
        let mut zip = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = ::zip::write::FullFileOptions::default().with_file_comment("hidden");
        for (name, bytes) in &sample().entries {
            zip.start_file(name.as_str(), options.clone()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    };
    let mut extended = sample().zip();
    let (_, directory) = ends(&extended);
    let time = extended[directory..].windows(2).position(|id| id == b"UT").unwrap();
    extended[directory + time..][..2].copy_from_slice(&[0xca, 0xfe]);
    for (zip, what) in [(commented, "comment"), (extended, "field")] {
        let report = report(&zip, &Options::default());
        assert_eq!(report.result, Broken, "{}", report.text());
        assert!(report.text().contains(what), "{}", report.text());
    }
}

/// Puts entries of any kind into a ZIP, with the other ZIP writer.
fn foreign(add: impl FnOnce(&mut ::zip::ZipWriter<Cursor<Vec<u8>>>)) -> Vec<u8> {
    let mut zip = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in &sample().entries {
        zip.start_file(name.as_str(), ::zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    add(&mut zip);
    zip.finish().unwrap().into_inner()
}

#[test]
fn a_pack_that_was_packed_again_is_not_the_one_that_was_written_though_its_files_are_whole() {
    let report = report(&foreign(|_| ()), &Options::default());
    assert_eq!(report.result, Broken, "{}", report.text());
    let objecting = |check: &&Check| check.status == Status::Broken;
    let objecting: Vec<_> =
        report.checks.iter().filter(objecting).map(|check| &check.name).collect();
    assert_eq!(objecting, ["archive"], "{}", report.text());
    assert!(report.text().contains("packed again"), "{}", report.text());
}

#[test]
fn absolute_upward_linked_and_foreign_names_are_found() {
    let options = ::zip::write::SimpleFileOptions::default();
    for name in ["/etc/cron.d/x", "../../x", "C:\\x", "a/b", "data.json\u{202e}", "DATA.JSON"] {
        let zip = foreign(|zip| zip.start_file(name, options).unwrap());
        let report = report(&zip, &Options::default());
        assert_eq!(report.result, Broken, "{name}: {}", report.text());
        assert!(!report.text().contains('\u{202e}'));
    }
    let zip = foreign(|zip| zip.add_symlink("summary.lnk", "/etc/passwd", options).unwrap());
    assert_eq!(report(&zip, &Options::default()).result, Broken);
}

#[test]
fn a_name_used_twice_is_found() {
    let mut zip = foreign(|zip| {
        zip.start_file("data.jsox", ::zip::write::SimpleFileOptions::default()).unwrap();
    });
    let places: Vec<_> = zip
        .windows(9)
        .enumerate()
        .filter(|(_, name)| *name == b"data.jsox")
        .map(|(at, _)| at)
        .collect();
    for at in places {
        zip[at + 8] = b'n';
    }
    let report = report(&zip, &Options::default());
    assert_eq!(report.result, Broken, "{}", report.text());
}
