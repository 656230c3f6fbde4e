//! How much of the infrastructure a file speaks of, and what it moves.

use super::{RESOURCES_MAX, brief, code, scan};
use crate::scan::ScanStatus;

fn stream(messages: &[&str]) -> Vec<u8> {
    let line = |message: &&str| {
        format!(r#"{{"@level":"info","@timestamp":"2026-02-03T04:05:06Z",{message}}}"#)
    };
    messages.iter().map(line).collect::<Vec<_>>().join("\n").into_bytes()
}

const REFRESHED: &str = r#""type":"refresh_complete","hook":{}"#;
const SUMMARY: &str = r#""type":"change_summary","changes":{"operation":"plan"}"#;

#[test]
fn a_stream_that_looked_at_some_or_no_resources_is_partial() {
    let targeted = r#""type":"diagnostic","diagnostic":{"severity":"warning","summary":"Resource targeting is in effect"}"#;
    let planned =
        r#""type":"planned_change","change":{"resource":{"addr":"a.b"},"action":"update"}"#;
    for (messages, status) in [
        (vec![REFRESHED, planned, SUMMARY], ScanStatus::Done),
        (vec![r#""type":"refresh_start","hook":{}"#, SUMMARY], ScanStatus::Done),
        (vec![REFRESHED, targeted, SUMMARY], ScanStatus::Partial),
        (vec![planned, SUMMARY], ScanStatus::Partial),
        (vec![SUMMARY], ScanStatus::Partial),
    ] {
        assert_eq!(scan(&stream(&messages)).status, status, "{messages:?}");
    }
}

#[test]
fn a_move_without_drift_is_read_from_what_is_planned() {
    let plan = br#"{"format_version":"1.2","resource_changes":[
        {"address":"a.new","previous_address":"a.old","mode":"managed","change":{"actions":["no-op"]}},
        {"address":"data.a.new","previous_address":"data.a.old","mode":"data"},
        {"address":"a.other","mode":"managed"}]}"#;
    let planned = r#""type":"planned_change","change":{"resource":{"addr":"a.new"},"previous_resource":{"addr":"a.old"},"action":"move"}"#;
    for bytes in [plan.to_vec(), stream(&[REFRESHED, planned, SUMMARY])] {
        let seen = scan(&bytes);
        assert_eq!(brief(&seen).lines().skip(1).collect::<Vec<_>>(), ["move a.old -> a.new"]);
        assert_eq!(seen.status, ScanStatus::Done);
    }
}

#[test]
fn coloured_lines_of_a_wrapper_do_not_count_as_nesting() {
    let mut bytes = "\x1b[31m\x1b[1mInit\x1b[0m\n".repeat(20).into_bytes();
    bytes.extend("\x1b[32m…\x1b[0m\n".repeat(20).into_bytes());
    bytes.extend(stream(&[REFRESHED, SUMMARY]));
    bytes.extend("\n\x1b[32m\x1b[1mdone\x1b[0m".repeat(200).into_bytes());
    let seen = scan(&bytes);
    assert_eq!((seen.status, seen.warnings[0].code), (ScanStatus::Done, "unreadable_lines"));
    let deep = format!(r#""type":"x","x":{}{}"#, "[".repeat(200), "]".repeat(200));
    assert_eq!(code(&stream(&[REFRESHED, &deep, SUMMARY])), "too_deep");
}

#[test]
fn what_is_gone_counts_among_the_resources_and_what_is_planned_does_not() {
    let plan = |state: &str| {
        let text = format!(
            r#"{{"format_version":"1.2",{state}"planned_values":{{"root_module":{{"resources":[{{"mode":"managed"}}]}}}},
               "resource_drift":[{{"address":"a.gone","change":{{"actions":["delete"]}}}}]}}"#
        );
        scan(text.as_bytes())
    };
    let seen = plan(r#""prior_state":{"format_version":"1.0"},"#);
    assert_eq!((seen.resources_total, seen.resources_managed), (Some(1), None));
    assert_eq!(plan("").resources_total, None);
}

#[test]
fn a_report_whose_numbers_do_not_fit_together_is_partial_or_refused() {
    let report = |total: u64, managed: u64| {
        format!(
            r#"{{"summary":{{"total_resources":{total},"total_managed":{managed}}},"coverage":0}}"#
        )
    };
    assert_eq!(scan(report(2, 2).as_bytes()).status, ScanStatus::Done);
    assert_eq!(scan(report(2, 3).as_bytes()).status, ScanStatus::Partial);
    assert_eq!(scan(report(RESOURCES_MAX, 0).as_bytes()).status, ScanStatus::Done);
    for (total, managed) in [(RESOURCES_MAX + 1, 0), (u64::MAX, 0), (0, u64::MAX)] {
        assert_eq!(code(report(total, managed).as_bytes()), "implausible_count");
    }
}
