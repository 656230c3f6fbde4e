//! A table of damages, each with the answer it must get.
//!
//! Two kinds of attacker: one who can only change bytes, and one who also has the key and signs and
//! lists everything anew (`+ key`), so that only the figures and the chain can give them away.

use std::io::Cursor;

use super::super::Outcome::{self, Broken, Incomplete, Ok};
use super::super::{Limits, Options};
use super::{pinned, report};
use crate::attestation::{Attestation, Previous};
use crate::keys::SigningKey;
use crate::testing::{Sample, attestation, chain, sample};

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
    damage("a total in the summary of scans changed + key", &["data"], Broken, |sample| {
        swap(sample, "data.json", "\"scans_done\":2", "\"scans_done\":3");
        cover_up(sample, "data.json");
    }),
    damage("a month of the summary changed + key", &["data"], Broken, |sample| {
        swap(
            sample,
            "data.json",
            "\"longest_gap_hours\":744.0,\"iac\"",
            "\"longest_gap_hours\":74.0,\"iac\"",
        );
        cover_up(sample, "data.json");
    }),
    damage("a month of both tables changed + key", &["data"], Broken, |sample| {
        swap(sample, "coverage_monthly.csv", "2026-01,1,1,100.0,", "2026-01,2,1,50.0,");
        sample.describe("coverage_monthly.csv");
        swap(
            sample,
            "data.json",
            "\"sources_in_scope\":1,\"sources_with_complete_scan\":1,\"scope_coverage_pct\":100.0",
            "\"sources_in_scope\":2,\"sources_with_complete_scan\":1,\"scope_coverage_pct\":50.0",
        );
        cover_up(sample, "data.json");
    }),
    damage("a scan moved to another month + key", &["data"], Broken, |sample| {
        for (entry, text) in [("scans.csv", ","), ("data.json", "\"")] {
            let at = |month| format!("{text}2026-{month}-10T06:00:00.000000Z{text}");
            swap(sample, entry, &at("03"), &at("01"));
            sample.describe(entry);
        }
        sample.sign_again();
    }),
    damage("a time of the summary changed + key", &["data"], Broken, |sample| {
        let level = "\"resolved\":1,\"accepted\":0,\"false_positive\":0,\"open_at_end\":0,\"hours_to_resolve\":{\"count\":1,\"mean\":";
        swap(sample, "data.json", &format!("{level}12.5"), &format!("{level}2.5"));
        cover_up(sample, "data.json");
    }),
    damage("the times to resolve counted otherwise + key", &["data"], Broken, |sample| {
        swap(
            sample,
            "data.json",
            "\"hours_to_resolve\":{\"count\":2",
            "\"hours_to_resolve\":{\"count\":3",
        );
        cover_up(sample, "data.json");
    }),
    damage("an exception of the summary forgotten + key", &["data"], Broken, |sample| {
        swap(sample, "data.json", "\"accepted_risks\":1", "\"accepted_risks\":0");
        cover_up(sample, "data.json");
    }),
    damage("a state of the summary forgotten + key", &["data"], Broken, |sample| {
        swap(sample, "data.json", "\"sources\":1", "\"sources\":2");
        cover_up(sample, "data.json");
    }),
    damage("a list as text in data.json + key", &["data"], Broken, |sample| {
        swap(
            sample,
            "data.json",
            "[\"assume_role_policy\",\"tags\"]",
            "\"assume_role_policy; tags\"",
        );
        cover_up(sample, "data.json");
    }),
    damage("a part of a list removed + key", &["data"], Broken, |sample| {
        swap(sample, "data.json", "[\"assume_role_policy\",\"tags\"]", "[\"assume_role_policy\"]");
        cover_up(sample, "data.json");
    }),
    damage("counts that cannot be summed + key", &["tables"], Broken, |sample| {
        let huge = u64::MAX.to_string();
        sample.edit("findings.csv", |text| {
            text.replace(",1,1,1,0,0\n", &format!(",1,{huge},{huge},0,0\n"))
                .replace(",0,0,1,0,0\n", &format!(",0,{huge},{huge},0,0\n"))
        });
        cover_up(sample, "findings.csv");
    }),
    damage("an earlier head just before the excerpt + key", &["attestation"], Broken, |sample| {
        let export_id = evidence::ids::ExportId(uuid::Uuid::from_u128(7));
        let earlier = Previous { export_id, seq: 3, hash_hex: chain().hash_hex(2) };
        sample.sign(Attestation { previous_attestations: vec![earlier], ..attestation() });
        sample.list();
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
