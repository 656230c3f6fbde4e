//! What every kind of file reads as: the project's own, those of real tools where they are at hand,
//! and damaged ones.

mod extent;
mod node;
mod standing;

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::scan::{Drift, DriftType, Format, ScanStatus};
use crate::time::stamp;

fn own(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)).unwrap()
}

/// The folder of real tools' files beside the project, where there is one.
fn real_files() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures");
    folder.is_dir().then_some(folder)
}

fn scan(bytes: &[u8]) -> Observation {
    read(bytes).and_then(Reading::into_scan).unwrap()
}

fn code(bytes: &[u8]) -> &'static str {
    read(bytes).and_then(Reading::into_scan).expect_err("it must be refused").code()
}

/// A short form of what was read: everything that a table can hold.
fn brief(seen: &Observation) -> String {
    let drifts = seen.drifts.iter().map(|drift| {
        format!("{} {} [{}]", drift.drift_type, drift.address, drift.changed_attributes.join(" "))
    });
    let moves = seen.moves.iter().map(|moved| format!("move {} -> {}", moved.from, moved.to));
    let noise = seen
        .noise
        .iter()
        .map(|noise| format!("noise {} [{}]", noise.address, noise.attributes.join(" ")));
    let mut lines = vec![format!(
        "{} {} {} {}",
        seen.status,
        seen.tool,
        seen.observed_at.map_or("-".to_owned(), stamp),
        seen.resources_total.map_or("-".to_owned(), |total| total.to_string())
    )];
    lines.extend(drifts.chain(moves).chain(noise));
    lines.join("\n")
}

/// Status, tool, time, resources; then drifts, moves and noise.
const OWN: &[(&str, &str)] = &[
    (
        "plan_changed.json",
        "done terraform 2026-02-03T04:05:06.000000Z 4\n\
             changed module.db.aws_db_instance.db [parameter.secret_map password \
             publicly_accessible root root[].size]\n\
             noise module.db.aws_db_instance.db [root[].tags tags]",
    ),
    (
        "plan_deleted_opentofu.json",
        "done opentofu 2026-02-03T04:05:06.000000Z -\nmissing aws_security_group.web []",
    ),
    (
        "plan_noise.json",
        "done terraform - -\n\
             changed aws_instance.mixed [ebs_block_device]\n\
             noise aws_instance.i [devices monitoring name root_block_device[].tags]\n\
             noise aws_instance.mixed [tags]\n\
             noise aws_subnet.a [tags]",
    ),
    (
        "plan_moved.json",
        "done terraform 2026-02-03T04:05:06.000000Z -\n\
             changed aws_subnet.b [cidr]\n\
             move aws_subnet.a -> aws_subnet.b\n\
             move aws_vpc.old -> aws_vpc.new",
    ),
    ("plan_without_drift_key.json", "done terraform 2026-02-03T04:05:06.000000Z -"),
    ("plan_0_1_without_drift_key.json", "partial terraform 2026-02-03T04:05:06.000000Z -"),
    ("plan_redacted.json", "done terraform - -"),
    ("plan_errored.json", "partial terraform 2026-02-03T04:05:06.000000Z -"),
    ("plan_errored_empty.json", "failed terraform - -"),
    ("plan_targeted.json", "partial terraform 2026-02-03T04:05:06.000000Z -"),
    (
        "driftctl.json",
        "done driftctl 2026-02-03T04:05:06.000000Z 5\n\
             extra aws_iam_user[\"u-1\"] []\n\
             missing aws_instance[\"g-1\"] []\n\
             extra aws_sqs_queue[\"odd\\\"id\"] []\n\
             changed aws_vpc[\"m-1\"] [rule.port tags.Name]",
    ),
    ("driftctl_denied.json", "partial driftctl 2026-02-03T04:05:06.000000Z 0"),
    (
        "stream_drift.ndjson",
        "done terraform 2026-02-03T04:05:06.123456Z -\n\
             missing aws_eip.ip []\n\
             changed aws_instance.web []\n\
             move aws_vpc.old -> aws_vpc.new",
    ),
    ("stream_clean_opentofu.ndjson", "done opentofu 2026-02-03T04:05:06.123456Z -"),
    (
        "stream_error.ndjson",
        "partial terraform 2026-02-03T04:05:06.123456Z -\nchanged aws_instance.web []",
    ),
    ("stream_error_at_once.ndjson", "failed terraform 2026-02-03T04:05:06.123456Z -"),
    (
        "stream_cut.ndjson",
        "partial terraform 2026-02-03T04:05:06.123456Z -\nchanged aws_instance.web []",
    ),
];

#[test]
fn own_files_read_as_described() {
    for (name, expected) in OWN {
        assert_eq!(brief(&scan(&own(name))), *expected, "{name}");
    }
}

#[test]
fn no_value_of_an_attribute_is_ever_kept() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut with_secret = 0;
    for file in fs::read_dir(folder).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        with_secret += usize::from(String::from_utf8_lossy(&bytes).contains("hunter2"));
        let read = format!("{:?}", read(&bytes));
        assert!(!read.contains("hunter"), "{read}");
    }
    assert!(with_secret >= 4);
}

#[test]
fn hostile_addresses_are_kept_readable_and_data_sources_left_out() {
    let seen = scan(&own("plan_hostile.json"));
    let addresses: Vec<&str> = seen.drifts.iter().map(|drift| drift.address.as_str()).collect();
    assert_eq!(
        addresses,
        [
            r#"aws_iam_user.u["=cmd(\"calc\")"]"#,
            r#"aws_s3_bucket.b["nul\u0000bell\u0007cr\r\ntab\t"]"#,
            "module.m[\"\u{202e}gpj.exe\"].null_resource.n",
        ]
    );
    assert_eq!(seen.warnings[0].code, "data_sources_ignored");
    assert_eq!(textual::clean("a\0b\x1b\t\r\n\x7f\u{9b}"), "a␀b␛\t\r\n␡\u{fffd}");
}

#[test]
fn a_state_is_recognised_and_refused_as_a_scan() {
    let Reading::State(state) = read(&own("state_v4.tfstate")).unwrap() else {
        panic!("it is a state")
    };
    assert_eq!((state.version, state.serial, state.resources), (4, Some(17), 2));
    assert_eq!(state.lineage.as_deref(), Some("11111111-2222-3333-4444-555555555555"));
    assert_eq!(code(&own("state_v4.tfstate")), "state_file_not_a_scan");
    assert_eq!(code(&own("state_shown.json")), "state_file_not_a_scan");
}

#[test]
fn an_absent_list_is_told_from_an_empty_one() {
    let reported = |name| scan(&own(name)).drift_reported;
    assert!(reported("plan_without_drift_key.json") && reported("plan_redacted.json"));
    assert!(
        !reported("plan_0_1_without_drift_key.json") && !reported("stream_error_at_once.ndjson")
    );
    let null = br#"{"format_version":"0.1","planned_values":{},"resource_drift":null}"#;
    assert!(scan(null).drift_reported);
}

#[test]
fn incomplete_scans_say_why() {
    for (name, part) in [
        ("plan_errored.json", "ended with errors"),
        ("plan_targeted.json", "a part of the resources"),
        ("plan_0_1_without_drift_key.json", "does not report drift"),
        ("driftctl_denied.json", "2 alert(s), the first: listing aws_sqs_queue is forbidden"),
        ("stream_error.ndjson", "1 error(s), the first: Failed to read the bucket"),
        ("stream_cut.ndjson", "ends before its change_summary"),
    ] {
        let error = scan(&own(name)).error.unwrap();
        assert!(error.contains(part), "{name}: {error}");
    }
}

#[test]
fn bad_files_get_named_refusals() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let brackets = "[".repeat(1_000_000);
    let long = format!(
        r#"{{"format_version":"1.0","resource_drift":[{{"address":"{}","change":{{"actions":["delete"]}}}}]}}"#,
        "a".repeat(2049)
    );
    let table: &[(&[u8], &str)] = &[
        (b"", "empty_input"),
        (b" \n\t ", "empty_input"),
        (b"\xef\xbb\xbf", "empty_input"),
        (b"\xff\xfe", "empty_input"),
        (b"PK\x03\x04\xff\xff", "not_utf8"),
        (b"\xff\xfe{", "not_utf8"),
        (b"\xff\xfe\x00\xd8", "not_utf8"),
        (b"{\"format_version\":\"1.0\",\"resource_drift\":[", "invalid_json"),
        (b"not json", "invalid_json"),
        (b"{} {}", "invalid_json"),
        (br#"{"format_version":"1.0","resource_drift":[{"address":"\ud800"}]}"#, "invalid_json"),
        (deep.as_bytes(), "too_deep"),
        (brackets.as_bytes(), "too_deep"),
        (b"{}", "unknown_format"),
        (br#"{"format_version":"1.0"}"#, "unknown_format"),
        (b"[1,2]", "unknown_format"),
        (b"42", "unknown_format"),
        (&own("plan_unknown_major.json"), "unsupported_version"),
        (br#"{"version":9,"serial":1}"#, "unsupported_version"),
        (br#"{"format_version":2,"resource_drift":[]}"#, "invalid_field"),
        (br#"{"format_version":"x.y","resource_drift":[]}"#, "invalid_field"),
        (br#"{"format_version":"1.0","resource_drift":{}}"#, "invalid_field"),
        (br#"{"format_version":"1.0","resource_drift":[7]}"#, "invalid_field"),
        (br#"{"format_version":"1.0","resource_drift":[],"resource_drift":[]}"#, "invalid_field"),
        (br#"{"format_version":"1.0","resource_drift":[],"timestamp":"soon"}"#, "invalid_field"),
        (long.as_bytes(), "address_too_long"),
    ];
    for (bytes, expected) in table {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
        assert_eq!(code(bytes), *expected, "{shown}");
    }
}

#[test]
fn a_file_with_too_many_resources_is_refused_without_reading_them_all() {
    let count = DRIFTS_MAX + 1;
    let text = format!(
        r#"{{"format_version":"1.0","resource_drift":[{}]}}"#,
        vec![r#"{"address":"a.b","change":{"actions":["no-op"]}}"#; count].join(",")
    );
    assert_eq!(code(text.as_bytes()), "too_many_resources");
}

#[test]
fn what_powershell_writes_is_read() {
    let text = String::from_utf8(own("plan_noise.json")).unwrap();
    let utf16: Vec<u8> =
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let (plain, mut converted) = (scan(text.as_bytes()), scan(&utf16));
    assert_eq!(converted.warnings.remove(0).code, "converted_from_utf16");
    assert_eq!(converted, plain);
    assert_eq!(scan(format!("\u{feff}{text}").as_bytes()), plain);
}

#[test]
fn a_resource_listed_twice_is_one_drift() {
    let entry = |attribute: &str| {
        format!(
            r#"{{"address":"a.b","type":"a","name":"b","change":{{"actions":["update"],
               "before":{{"{attribute}":1}},"after":{{"{attribute}":2}}}}}}"#
        )
    };
    let text =
        format!(r#"{{"format_version":"1.0","resource_drift":[{},{}]}}"#, entry("y"), entry("x"));
    let seen = scan(text.as_bytes());
    assert_eq!(seen.drifts.len(), 1);
    assert_eq!(seen.drifts[0].changed_attributes, ["x", "y"]);
    assert_eq!(seen.warnings[0].code, "duplicate_resources");
}

#[test]
fn many_attributes_are_counted_not_kept() {
    let side = |value: u8| {
        let members: Vec<String> = (0..250).map(|n| format!("\"k{n:03}\":{value}")).collect();
        serde_json::from_str(&format!("{{{}}}", members.join(","))).unwrap()
    };
    let unmarked = serde_json::Value::Null;
    let found = diff::compare(&side(1), &side(2), [&unmarked, &unmarked]);
    assert_eq!(found.changed.len(), ATTRIBUTES_MAX + 1);
    assert_eq!(found.changed[ATTRIBUTES_MAX], "…and 50 more");
}

#[test]
fn real_files_read_as_their_list_says_where_they_are_at_hand() {
    let Some(folder) = real_files() else { return };
    let file = |name: &str| fs::read(folder.join(name)).unwrap();
    let address = |drift: &Drift| format!("{} {}", drift.drift_type, drift.address);
    let drifts = |name: &str| scan(&file(name)).drifts.iter().map(address).collect::<Vec<_>>();

    let deleted = scan(&file("plan_aws_sg_deleted_outside.json"));
    assert_eq!(deleted.drifts[0].drift_type, DriftType::Missing);
    assert_eq!((deleted.tool, deleted.missing()), ("opentofu", 1));
    assert!(deleted.observed_at.is_some());

    let attached = scan(&file("plan_aws_ebs_attachment_drift.json"));
    assert_eq!(attached.drifts.len(), 1);
    assert_eq!(attached.drifts[0].changed_attributes, ["ebs_block_device"]);
    assert_eq!(attached.noise.len(), 2);
    assert_eq!(attached.noise[1].attributes, ["root_block_device[].tags", "tags"]);
    assert_eq!((attached.observed_at, attached.resources_total), (None, Some(4)));
    assert_eq!((attached.resources_managed, deleted.resources_managed), (None, None));

    assert_eq!(drifts("plan_tofu_drift_update.json"), ["changed test_instance.should_refresh"]);
    let moved = scan(&file("plan_tofu_moved_noop.json"));
    assert_eq!((moved.drifts.len(), moved.moves.len()), (0, 1));
    assert_eq!(drifts("plan_tofu_refresh_only.json"), ["changed tfcoremock_simple_resource.drift"]);

    let redacted = scan(&file("plan_tofu_cloud_no_changes.json"));
    assert_eq!((redacted.format, redacted.status), (Format::RedactedPlan, ScanStatus::Done));
    let newest = scan(&file("plan_action_reason.json"));
    assert_eq!((newest.drifts.len(), newest.drift_reported), (0, true));
    let stream = scan(&file("ui_stream_plan_full.ndjson"));
    assert_eq!(stamp(stream.observed_at.unwrap()), "2023-01-19T18:28:29.004160Z");
    assert_eq!((stream.status, stream.drifts.len()), (ScanStatus::Done, 0));

    let report = scan(&file("driftctl_scan.json"));
    assert_eq!((report.extra(), report.missing(), report.drifted()), (2, 2, 0));
    assert_eq!((report.resources_total, report.resources_managed), (Some(6), Some(2)));
    let denied = scan(&file("driftctl_access_denied.json"));
    assert_eq!((denied.status, denied.drifts.len()), (ScanStatus::Partial, 0));
}

#[test]
fn real_secrets_and_hostile_names_do_no_harm_where_the_files_are_at_hand() {
    let Some(folder) = real_files() else { return };
    let file = |name: &str| fs::read(folder.join(name)).unwrap();
    for (name, serial, resources) in [
        ("state_v4_aws_sg.tfstate", 103, 2),
        ("state_v4_aws_db_instance_secret.tfstate", 125, 1),
        ("state_v4_sensitive_values.tfstate", 8, 5),
    ] {
        let Ok(Reading::State(state)) = read(&file(name)) else { panic!("{name} is a state") };
        let told = (state.version, state.serial, state.resources);
        assert_eq!(told, (4, Some(serial), resources), "{name}");
        assert!(!format!("{state:?}").contains("foobarbaz"));
    }
    let sensitive = scan(&file("derived_sensitive_drift.json"));
    assert_eq!(sensitive.drifts[0].changed_attributes, ["password", "publicly_accessible"]);
    assert_eq!(sensitive.noise[0].attributes, ["tags"]);
    assert_eq!(stamp(sensitive.observed_at.unwrap()), "2026-03-31T23:59:59.000000Z");
    assert!(!format!("{sensitive:?}").contains("Secret"));
    let hostile = scan(&file("derived_hostile_addresses.json"));
    assert_eq!((hostile.drifts.len(), hostile.missing()), (4, 1));
    let nul_free = |drift: &Drift| !drift.address.contains('\0');
    assert!(hostile.drifts.iter().all(nul_free));
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        prop_oneof![Just(""), Just("x")].prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[ab]", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn own_files() -> impl Strategy<Value = Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let files: Vec<Vec<u8>> =
        fs::read_dir(folder).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
    prop::sample::select(files)
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
    }

    #[test]
    fn any_mutated_file_is_read_or_refused(
        mut bytes in own_files(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        for (place, byte) in edits {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(Reading::Scan(seen)) = read(&bytes) {
            prop_assert!(seen.drift_reported || seen.status != ScanStatus::Done);
            prop_assert_eq!(seen.error.is_none(), seen.status == ScanStatus::Done);
        }
    }

    #[test]
    fn noise_is_the_same_in_both_directions(a in json(), b in json()) {
        let unmarked = serde_json::Value::Null;
        let there = diff::compare(&a, &b, [&unmarked, &unmarked]);
        prop_assert_eq!(&there, &diff::compare(&b, &a, [&unmarked, &unmarked]));
        prop_assert_eq!(diff::compare(&a, &a, [&unmarked, &unmarked]), diff::Difference::default());
        for name in &there.changed {
            prop_assert!(!there.noise.contains(name));
        }
    }
}
