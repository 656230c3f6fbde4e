//! Rows and figures: CSV files, `data.json` and `provenance.json` against each other.

use super::{Damage, cover_up, damage, swap, without_line};
use crate::verify::Outcome::{Broken, Incomplete, Ok};

pub(super) const DAMAGES: &[Damage] = &[
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
            let line = text.lines().nth(1).expect("it has a row").to_owned();
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
    damage("a query that is not the one hashed + key", &["provenance"], Broken, |sample| {
        swap(sample, "provenance.json", "\"select 1\"", "\"select 2\"");
        sample.sign_again();
    }),
    damage("a row invented", &["manifest", "data", "signature"], Broken, invent),
    damage("a row invented + key", &["data", "roll_forward"], Broken, |sample| {
        invent(sample);
        cover_up(sample, "findings.csv");
    }),
    damage("two rows swapped", &["manifest", "data", "signature"], Broken, swap_scans),
    damage("two rows swapped + key", &["data"], Broken, |sample| {
        swap_scans(sample);
        cover_up(sample, "scans.csv");
    }),
    damage("a number changed in data.json alone", &["manifest", "data"], Broken, |sample| {
        swap(sample, "data.json", "\"drifted\":3", "\"drifted\":4");
    }),
    damage("a number changed in data.json alone + key", &["data"], Broken, |sample| {
        swap(sample, "data.json", "\"drifted\":3", "\"drifted\":4");
        cover_up(sample, "data.json");
    }),
    damage("a number changed in the CSV alone + key", &["data"], Broken, |sample| {
        swap(sample, "scans.csv", ",100,3,", ",100,4,");
        cover_up(sample, "scans.csv");
    }),
    damage("a number changed in CSV and data.json + key", &[], Ok, |sample| {
        swap(sample, "scans.csv", ",100,3,", ",100,4,");
        sample.describe("scans.csv");
        swap(sample, "data.json", "\"drifted\":3", "\"drifted\":4");
        cover_up(sample, "data.json");
    })
    .note("a lie told everywhere alike; ask for the scan itself, or run the SQL of `provenance.json` again"),
    damage("the whole file's line ends made CRLF + key", &["tables"], Broken, |sample| {
        sample.edit("state_sources.csv", |text| text.replace('\n', "\r\n"));
        cover_up(sample, "state_sources.csv");
    }),
    damage("a BOM before a CSV + key", &["tables"], Broken, |sample| {
        sample.edit("state_sources.csv", |text| format!("\u{feff}{text}"));
        cover_up(sample, "state_sources.csv");
    }),
    damage("needless quotes in a CSV + key", &["tables"], Broken, |sample| {
        swap(sample, "state_sources.csv", ",prod,", ",\"prod\",");
        cover_up(sample, "state_sources.csv");
    }),
    damage("a quote that is not closed + key", &["tables"], Broken, |sample| {
        swap(sample, "state_sources.csv", ",prod,", ",\"prod,");
        cover_up(sample, "state_sources.csv");
    }),
    damage("a cell too many + key", &["tables"], Broken, |sample| {
        swap(sample, "state_sources.csv", ",prod,", ",prod,prod,");
        cover_up(sample, "state_sources.csv");
    }),
    damage("the last line feed of a CSV removed + key", &["tables"], Broken, |sample| {
        sample.edit("state_sources.csv", |text| text.trim_end().to_owned());
        cover_up(sample, "state_sources.csv");
    }),
    damage("a time with another zone + key", &["tables"], Broken, |sample| {
        swap(sample, "scans.csv", "2026-01-10T06:00:00.000000Z", "2026-01-10T07:00:00.000000+01:00");
        cover_up(sample, "scans.csv");
    }),
    damage("infinity as a number + key", &["tables"], Broken, |sample| {
        swap(sample, "findings.csv", ",744.00,", ",inf,");
        cover_up(sample, "findings.csv");
    }),
    damage("a BOM before data.json + key", &["data"], Broken, |sample| {
        sample.edit("data.json", |text| format!("\u{feff}{text}"));
        cover_up(sample, "data.json");
    }),
    damage("NaN in data.json + key", &["data"], Broken, |sample| {
        swap(sample, "data.json", "\"drifted\":3", "\"drifted\":NaN");
        cover_up(sample, "data.json");
    }),
    damage("a number of 400 digits in data.json + key", &["data"], Broken, |sample| {
        swap(sample, "data.json", "\"drifted\":3", &format!("\"drifted\":3{}", "0".repeat(400)));
        cover_up(sample, "data.json");
    }),
    damage("a number one larger than its type in data.json + key", &["data"], Broken, |sample| {
        swap(sample, "data.json", "9223372036854775807", "9223372036854775808");
        cover_up(sample, "data.json");
    }),
    damage("a member twice in a row of data.json + key", &["data"], Broken, |sample| {
        swap(sample, "data.json", "\"drifted\":3", "\"drifted\":3,\"drifted\":3");
        cover_up(sample, "data.json");
    }),
    damage("half of a surrogate pair in data.json + key", &["data"], Broken, |sample| {
        swap(sample, "data.json", "\"triggered_by\":\"ci\"", "\"triggered_by\":\"\\ud800\"");
        cover_up(sample, "data.json");
    }),
    damage("data.json cut in the middle + key", &["data"], Broken, |sample| {
        sample.edit("data.json", |text| text.chars().take(text.chars().count() / 2).collect());
        cover_up(sample, "data.json");
    }),
    damage("a member twice in provenance.json + key", &["provenance"], Broken, |sample| {
        swap(sample, "provenance.json", "\"attempt\": 1,", "\"attempt\": 1,\n  \"attempt\": 2,");
        sample.sign_again();
    }),
    damage("the period changed in provenance.json + key", &["provenance"], Broken, |sample| {
        swap(sample, "provenance.json", "\"start\": \"2026-01-01", "\"start\": \"2025-10-01");
        sample.sign_again();
    }),
    damage("the end of the period changed everywhere + key", &["archive"], Broken, |sample| {
        for entry in ["data.json", "provenance.json"] {
            sample.edit(entry, |text| text.replace("2026-04-01T00:00:00", "2026-05-01T00:00:00"));
        }
        cover_up(sample, "data.json");
    })
    .note("the files in the ZIP are dated at the end of the period"),
    damage("the organisation changed in provenance.json + key", &["provenance", "attestation"], Broken, |sample| {
        let other = super::super::ORG.to_string().replace("0001", "0009");
        sample.edit("provenance.json", |text| text.replace(&super::super::ORG.to_string(), &other));
        sample.sign_again();
    }),
    damage("an unknown version of provenance.json + key", &["provenance"], Incomplete, |sample| {
        swap(sample, "provenance.json", "driftpack.provenance/v1", "driftpack.provenance/v9");
        sample.sign_again();
    }),
    damage("a month of the open findings changed + key", &["data"], Broken, |sample| {
        course(sample, |text| text.replacen("\"opened\":2", "\"opened\":3", 1));
    }),
    damage("a month of the open findings left out + key", &["data"], Broken, |sample| {
        course(sample, |text| text.replacen("\"month\":\"2026-02\"", "\"month\":\"2026-03\"", 1));
    }),
    damage("a level of a month left out + key", &["data"], Broken, |sample| {
        course(sample, |text| text.replacen("\"low\":{", "\"medium\":{", 1));
    }),
    damage("how many gaps there are, as text + key", &["data"], Broken, |sample| {
        swap(sample, "data.json", "\"gaps_total\":0", "\"gaps_total\":\"0\"");
        cover_up(sample, "data.json");
    }),
    damage("no plan in provenance.json + key", &["provenance"], Broken, |sample| {
        swap(sample, "provenance.json", "\n  \"plan\": {", "\n  \"plans\": {");
        sample.sign_again();
    }),
    damage("an excluded number as text in provenance.json + key", &["provenance"], Broken, |sample| {
        swap(sample, "provenance.json", "\"missing_total\": 0", "\"missing_total\": \"0\"");
        sample.sign_again();
    }),
];

/// Changes the course of the open findings in the summary, and covers it up.
fn course(sample: &mut super::Sample, change: fn(&str) -> String) {
    sample.edit("data.json", |text| {
        let (head, tail) = text.split_once("\"open_monthly\":").expect("a course");
        let (course, tail) = tail.split_once("\"top_risks\"").expect("its end");
        let changed = change(course);
        assert_ne!(changed, course);
        format!("{head}\"open_monthly\":{changed}\"top_risks\"{tail}")
    });
    cover_up(sample, "data.json");
}

fn invent(sample: &mut super::Sample) {
    sample.edit("findings.csv", |text| {
        let last = text.lines().find(|line| line.starts_with("2,")).expect("finding 2").to_owned();
        format!("{text}{}\n", last.replacen("2,", "7,", 1))
    });
}

fn swap_scans(sample: &mut super::Sample) {
    sample.edit("scans.csv", |text| {
        let mut lines: Vec<_> = text.split_inclusive('\n').collect();
        lines.swap(1, 2);
        lines.concat()
    });
}
