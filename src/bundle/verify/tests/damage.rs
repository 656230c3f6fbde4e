//! A table of damages, each with the answer it must get.
//!
//! Two kinds of attacker: one who can only change bytes, and one who also has the key and signs and
//! lists everything anew (`+ key`), so that only the figures and the chain can give them away.

use std::io::{Cursor, Write as _};

use super::super::Outcome::{self, Broken, Incomplete, Ok, Truncated};
use super::super::{Limits, Options};
use super::{pinned, report};
use crate::attestation::Attestation;
use crate::keys::SigningKey;
use crate::testing::{Sample, attestation, sample};

struct Damage {
    what: &'static str,
    /// The checks that must object, and the answer.
    by: &'static [&'static str],
    result: Outcome,
    make: fn(&mut Sample),
}

const fn damage(
    what: &'static str,
    by: &'static [&'static str],
    result: Outcome,
    make: fn(&mut Sample),
) -> Damage {
    Damage { what, by, result, make }
}

/// Replaces exactly one place.
fn swap(sample: &mut Sample, entry: &str, from: &str, to: &str) {
    sample.edit(entry, |text| {
        assert!(text.contains(from), "{entry} has no {from:?}");
        text.replacen(from, to, 1)
    });
}

fn without_line(sample: &mut Sample, entry: &str, line: usize) {
    sample.edit(entry, |text| {
        let kept = text.split_inclusive('\n').enumerate().filter(|(at, _)| *at != line);
        kept.map(|(_, line)| line).collect()
    });
}

/// What somebody with the key can do after a change: describe, sign and list everything anew.
fn cover_up(sample: &mut Sample, entry: &str) {
    sample.describe(entry);
    sample.sign_again();
}

const DAMAGES: &[Damage] = &[
    damage("nothing", &[], Ok, |_| ()),
    damage("no PDF, from the start", &[], Ok, |sample| {
        sample.remove("summary.pdf");
        sample.undescribe("summary.pdf");
        sample.sign_again();
    }),
    damage("a row removed", &["manifest", "data", "provenance", "signature"], Broken, |sample| {
        without_line(sample, "findings.csv", 1);
    }),
    damage("a row removed, manifest anew", &["data", "signature"], Broken, |sample| {
        without_line(sample, "findings.csv", 1);
        sample.list();
    }),
    damage("a row removed + key", &["data", "roll_forward"], Broken, |sample| {
        without_line(sample, "findings.csv", 1);
        cover_up(sample, "findings.csv");
    }),
    damage("a row repeated + key", &["tables"], Broken, |sample| {
        sample.edit("findings.csv", |text| {
            let line = text.lines().nth(1).unwrap().to_owned();
            text.replacen(&line, &format!("{line}\n{line}"), 1)
        });
        cover_up(sample, "findings.csv");
    }),
    damage("a risk level changed + key", &["data", "roll_forward"], Broken, |sample| {
        swap(sample, "findings.csv", ",critical,", ",low,");
        cover_up(sample, "findings.csv");
    }),
    damage("a status changed in data.json + key", &["data"], Broken, |sample| {
        swap(sample, "data.json", "\"status\":\"accepted\"", "\"status\":\"resolved\"");
        cover_up(sample, "data.json");
    }),
    damage("a number as text in data.json + key", &["data"], Broken, |sample| {
        swap(sample, "data.json", "\"drifted\":3", "\"drifted\":\"3\"");
        cover_up(sample, "data.json");
    }),
    damage("a sum changed + key", &["tables"], Broken, |sample| {
        swap(sample, "remediation_sla.csv", "critical,1,", "critical,0,");
        cover_up(sample, "remediation_sla.csv");
    }),
    damage("a headline changed + key", &["data", "provenance"], Broken, |sample| {
        swap(sample, "data.json", "\"findings_in_period\":4", "\"findings_in_period\":3");
        cover_up(sample, "data.json");
    }),
    damage("a failed scan renamed + key", &["data"], Broken, |sample| {
        swap(sample, "scans.csv", ",partial,", ",done,");
        cover_up(sample, "scans.csv");
    }),
    damage("a formula armed + key", &["tables"], Broken, |sample| {
        swap(sample, "scans.csv", "'@main", "@main");
        cover_up(sample, "scans.csv");
    }),
    damage("a column renamed + key", &["tables"], Broken, |sample| {
        swap(sample, "scans.csv", "late", "later");
        cover_up(sample, "scans.csv");
    }),
    damage("a member added to data.json + key", &["data"], Broken, |sample| {
        swap(sample, "data.json", "\n}\n", ",\n\"more\":1\n}\n");
        cover_up(sample, "data.json");
    }),
    damage("data.json nested without end + key", &["data"], Broken, |sample| {
        sample.put("data.json", "[".repeat(200_000).into_bytes());
        cover_up(sample, "data.json");
    }),
    damage("a CSV that is no UTF-8 + key", &["tables"], Broken, |sample| {
        sample.put("controls.csv", b"control_id,\xff\xfe\n".to_vec());
        cover_up(sample, "controls.csv");
    }),
    damage(
        "an audit entry changed",
        &["manifest", "chain_excerpt", "signature"],
        Broken,
        |sample| {
            swap(sample, "audit_events.ndjson", "second", "zweite");
        },
    ),
    damage("an audit entry changed + key", &["chain_excerpt"], Broken, |sample| {
        swap(sample, "audit_events.ndjson", "second", "zweite");
        cover_up(sample, "audit_events.ndjson");
    }),
    damage("an audit entry removed + key", &["chain_excerpt"], Broken, |sample| {
        without_line(sample, "audit_events.ndjson", 2);
        cover_up(sample, "audit_events.ndjson");
    }),
    damage("two audit entries swapped + key", &["chain_excerpt"], Broken, |sample| {
        let mut lines = sample.audit_lines();
        lines.swap(1, 2);
        sample.put("audit_events.ndjson", (lines.join("\n") + "\n").into_bytes());
        cover_up(sample, "audit_events.ndjson");
    }),
    damage("an audit entry written another way + key", &["chain_excerpt"], Broken, |sample| {
        swap(sample, "audit_events.ndjson", "{\"action\"", "{ \"action\"");
        cover_up(sample, "audit_events.ndjson");
    }),
    damage("the last audit entry lost", &["chain_excerpt", "manifest"], Broken, |sample| {
        without_line(sample, "audit_events.ndjson", 4);
    }),
    damage(
        "an attestation of another chain + key",
        &["attestation", "chain_excerpt"],
        Broken,
        |sample| {
            sample.sign(Attestation { chain: "platform".to_owned(), ..attestation() });
            sample.list();
        },
    ),
    damage("a head behind the sections + key", &["attestation"], Broken, |sample| {
        sample.sign(Attestation { head_seq: 11, checked: 11, ..attestation() });
        sample.list();
    }),
    damage("a chain that was not in order + key", &["attestation"], Broken, |sample| {
        let status = evidence::chain::Status::Broken;
        sample.sign(Attestation { status, ..attestation() });
        sample.list();
    }),
    damage("an attestation of another pack", &["manifest", "signature"], Broken, |sample| {
        let mut other = sample.clone();
        without_line(&mut other, "controls.csv", 1);
        other.sign_again();
        sample.put("chain-attestation.json", other.get("chain-attestation.json").to_vec());
    }),
    damage("an attestation of another pack, manifest anew", &["signature"], Broken, |sample| {
        let mut other = sample.clone();
        without_line(&mut other, "controls.csv", 1);
        other.sign_again();
        sample.put("chain-attestation.json", other.get("chain-attestation.json").to_vec());
        sample.list();
    }),
    damage("signed by another key", &["signature"], Broken, |sample| {
        let key = std::mem::replace(&mut sample.key, SigningKey::generate([9; 32]));
        sample.sign_again();
        sample.key = key;
    }),
    damage("a member twice in the attestation", &["attestation"], Broken, |sample| {
        swap(
            sample,
            "chain-attestation.json",
            "  \"head_seq\"",
            "  \"head_seq\": 1,\n  \"head_seq\"",
        );
        sample.list();
    }),
    damage("an unknown version + key", &["attestation"], Incomplete, |sample| {
        sample.sign(Attestation {
            schema: "driftpack.chain-attestation/v9".to_owned(),
            ..attestation()
        });
        sample.list();
    }),
    damage("an extra entry", &["names"], Broken, |sample| {
        sample.put("notes.txt", b"hello".to_vec());
    }),
    damage("an entry removed", &["names", "manifest", "signature"], Broken, |sample| {
        sample.remove("controls.csv");
    }),
    damage(
        "an entry removed, manifest anew",
        &["names", "signature", "provenance"],
        Broken,
        |sample| {
            sample.remove("controls.csv");
            sample.list();
        },
    ),
    damage("the PDF removed, manifest anew", &["signature", "provenance"], Broken, |sample| {
        sample.remove("summary.pdf");
        sample.list();
    }),
    damage("no manifest", &["names", "manifest"], Incomplete, |sample| {
        sample.remove("MANIFEST.txt");
    }),
    damage("a manifest with CRLF", &["manifest"], Broken, |sample| {
        sample.edit("MANIFEST.txt", |text| text.replace('\n', "\r\n"));
    }),
    damage("a manifest with an absolute name", &["manifest"], Broken, |sample| {
        swap(sample, "MANIFEST.txt", "  data.json", "  /etc/passwd");
    }),
    damage("an empty manifest", &["manifest"], Broken, |sample| {
        sample.put("MANIFEST.txt", Vec::new());
    }),
    damage("a query that is not the one hashed + key", &["provenance"], Broken, |sample| {
        swap(sample, "provenance.json", "\"select 1\"", "\"select 2\"");
        sample.sign_again();
    }),
];

#[test]
fn every_damage_gets_its_answer() {
    let mut wrong = Vec::new();
    for Damage { what, by, result, make } in DAMAGES {
        let mut sample = sample();
        make(&mut sample);
        let report = pinned(&sample);
        let silent = by.iter().filter(|name| {
            report.of(name).all(|status| {
                matches!(status, super::super::Status::Ok | super::super::Status::Note)
            })
        });
        let silent: Vec<_> = silent.collect();
        if report.result != *result || report.exit_code != result.exit_code() || !silent.is_empty()
        {
            wrong.push(format!("{what}: silent {silent:?}\n{}", report.text()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_flipped_bit_in_any_entry_is_found() {
    for position in 0..sample().entries.len() {
        let mut sample = sample();
        let (name, bytes) = &mut sample.entries[position];
        let (name, middle) = (name.clone(), bytes.len() / 2);
        bytes[middle] ^= 1;
        let report = pinned(&sample);
        assert_eq!(report.result, Broken, "{name}: {}", report.text());
    }
}

#[test]
fn a_flipped_byte_anywhere_in_the_file_is_found_or_harmless() {
    let whole = sample().zip();
    // The directory at the end is looked at closely, the packed data in samples.
    let directory = whole.len() - 1500;
    for position in (0..directory).step_by(211).chain((directory..whole.len()).step_by(11)) {
        let mut zip = whole.clone();
        zip[position] ^= 0x41;
        let options = Options { keys: vec![sample().key.public()], ..Options::default() };
        let report = report(&zip, &options);
        // What is left when the answer is ok: times, flags and versions of the container.
        if report.result == Ok {
            let read = |bytes: Vec<u8>| {
                let mut archive = ::zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
                let names: Vec<_> = (0..archive.len())
                    .map(|entry| archive.by_index(entry).unwrap().name().unwrap().into_owned())
                    .collect();
                names
            };
            assert_eq!(read(zip), read(whole.clone()), "byte {position}");
        }
    }
}

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
fn a_pack_that_was_packed_again_is_still_whole() {
    let report = report(&foreign(|_| ()), &Options::default());
    assert_eq!(report.result, Ok, "{}", report.text());
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

#[test]
fn a_bomb_is_not_unpacked() {
    let mut bomb = sample();
    bomb.put("summary.pdf", vec![0; 64 << 20]);
    bomb.list();
    let dense = pinned(&bomb);
    assert_eq!(dense.of("limits").collect::<Vec<_>>(), [super::super::Status::Broken]);
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
    assert_eq!(report.of("data").next(), Some(super::super::Status::Broken), "{}", report.text());
}
