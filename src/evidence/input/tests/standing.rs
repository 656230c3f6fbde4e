//! What a later scan tells of how a drift went away.

use serde_json::{Value, json};

use super::scan;
use crate::finding::Resolution;
use crate::scan::DriftType;

/// A plan whose refreshed state has `state`, and that plans an action for each of `planned`.
fn plan(state: &[&str], planned: &[(&str, &str)]) -> Vec<u8> {
    let resource = |address: &&str| json!({"address": address, "mode": "managed"});
    let change = |(address, action): &(&str, &str)| json!({"address": address, "mode": "managed", "change": {"actions": [action]}});
    let resources: Vec<Value> = state.iter().map(resource).collect();
    json!({
        "format_version": "1.2",
        "prior_state": {"values": {"root_module": {"child_modules": [{"resources": resources}]}}},
        "resource_changes": planned.iter().map(change).collect::<Vec<_>>(),
    })
    .to_string()
    .into_bytes()
}

fn told(bytes: &[u8], address: &str, drift_type: DriftType) -> Resolution {
    scan(bytes).standing.resolution(address, drift_type)
}

#[test]
fn a_missing_resource_that_is_in_the_state_again_was_put_back() {
    let again = plan(&["a.b"], &[("a.b", "no-op")]);
    assert_eq!(told(&again, "a.b", DriftType::Missing), Resolution::Reverted);
    let replaced = plan(&["a.b"], &[("a.b", "update")]);
    assert_eq!(told(&replaced, "a.b", DriftType::Missing), Resolution::Reverted);
}

#[test]
fn a_missing_resource_that_nothing_asks_for_any_more_was_given_up_in_code() {
    let given_up = plan(&["a.c"], &[("a.c", "no-op")]);
    assert_eq!(told(&given_up, "a.b", DriftType::Missing), Resolution::Codified);
}

#[test]
fn what_is_still_to_be_made_or_was_not_compared_is_merely_not_observed() {
    let to_be_made = plan(&[], &[("a.b", "create")]);
    assert_eq!(told(&to_be_made, "a.b", DriftType::Missing), Resolution::NoLongerObserved);
    // A plan with a target leaves the rest of the state as it was.
    let elsewhere = plan(&["a.b", "a.c"], &[("a.c", "no-op")]);
    assert_eq!(told(&elsewhere, "a.b", DriftType::Missing), Resolution::NoLongerObserved);
    let refresh_only =
        json!({"format_version": "1.2", "resource_drift": [], "planned_values": {}}).to_string();
    let silent = told(refresh_only.as_bytes(), "a.b", DriftType::Missing);
    assert_eq!(silent, Resolution::NoLongerObserved);
}

#[test]
fn of_a_changed_resource_nothing_is_claimed() {
    let compared = plan(&["a.b"], &[("a.b", "no-op")]);
    for address in ["a.b", "a.c"] {
        assert_eq!(told(&compared, address, DriftType::Changed), Resolution::NoLongerObserved);
    }
}

#[test]
fn an_unmanaged_resource_that_code_manages_now_was_codified() {
    let report = json!({
        "summary": {"total_resources": 2, "total_managed": 1, "total_unmanaged": 1},
        "managed": [{"id": "bucket-1", "type": "aws_s3_bucket"}],
        "unmanaged": [{"id": "bucket-2", "type": "aws_s3_bucket"}],
        "missing": null,
        "alerts": null,
        "coverage": 50,
    })
    .to_string();
    let told = |id: &str, drift_type| {
        told(report.as_bytes(), &format!("aws_s3_bucket[\"{id}\"]"), drift_type)
    };
    assert_eq!(told("bucket-1", DriftType::Extra), Resolution::Codified);
    assert_eq!(told("bucket-1", DriftType::Missing), Resolution::Reverted);
    // Ignored by a filter or deleted: the report does not tell which.
    assert_eq!(told("bucket-3", DriftType::Extra), Resolution::NoLongerObserved);
    assert_eq!(told("bucket-3", DriftType::Missing), Resolution::NoLongerObserved);
}
