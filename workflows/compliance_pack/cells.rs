//! Rows of the database as rows of the pack.
//!
//! Plain renaming: nothing is counted, rounded or left out here. People appear by kind and opaque id.

use bundle::section::{CustomRule, Exception, Finding, HOURS_DIGITS, Scan, StateSource};
use bundle::table::Cell;
use db::section as stored;
use evidence::risk::CustomLevel;
use serde_json::Value;

pub(super) fn finding(row: stored::Finding<'_>) -> Vec<Cell<'_>> {
    Finding {
        number: row.number.into(),
        id: row.id.0.into(),
        state_source_id: row.state_source_id.0.into(),
        state_source: row.state_source.into(),
        address: row.address.into(),
        resource_type: row.resource_type.into(),
        drift_type: Cell::Word(row.drift_type.as_str()),
        risk_level: Cell::Word(row.risk_level.as_str()),
        risk_level_now: Cell::Word(row.risk_level_now.as_str()),
        changed_attributes: Cell::List(row.changed_attributes),
        detected_at: row.detected_at.into(),
        last_clean_scan_at: row.last_clean_scan_at.into(),
        last_seen_at: row.last_seen_at.into(),
        reopen_count: row.reopen_count.into(),
        status: Cell::Word(row.status.as_str()),
        resolution: row.resolution.map_or(Cell::Null, |resolution| Cell::Word(resolution.as_str())),
        resolved_at: row.resolved_at.into(),
        resolved_by: row.resolved_by.into(),
        time_to_resolve_hours: Cell::decimal(row.time_to_resolve_hours, HOURS_DIGITS),
        opened_in_period: (row.opened > 0).into(),
        resolved_in_period: (row.resolved > 0).into(),
        open_at_start: row.open_at_start.into(),
        open_at_end: row.open_at_end.into(),
        opened_count: row.opened.into(),
        reopened_count: row.reopened.into(),
        resolved_count: row.resolved.into(),
        accepted_count: row.accepted.into(),
        false_positive_count: row.false_positive.into(),
    }
    .cells()
}

pub(super) fn scan(row: stored::Scan) -> Vec<Cell<'static>> {
    let ci = |name: &str| row.ci.get(name).and_then(Value::as_str).map(str::to_owned).into();
    Scan {
        id: row.id.0.into(),
        state_source_id: row.state_source_id.0.into(),
        status: Cell::Word(row.status.as_str()),
        ci_repository: ci("repository"),
        ci_branch: ci("branch"),
        ci_commit: ci("commit"),
        ci_run_url: ci("run_url"),
        ci_pull_request: ci("pull_request"),
        tool: row.tool.into(),
        tool_version: row.tool_version.into(),
        observed_at: row.observed_at.into(),
        ingested_at: row.ingested_at.into(),
        resources_total: row.resources_total.into(),
        drifted: row.drifted.into(),
        missing: row.missing.into(),
        extra: row.extra.into(),
        noise_suppressed: row.noise_suppressed.into(),
        serial: row.serial.into(),
        lineage: row.lineage.into(),
        triggered_by: row.triggered_by.into(),
        error: row.error.into(),
        late: row.late.into(),
    }
    .cells()
}

pub(super) fn custom_rule(row: stored::CustomRule) -> Vec<Cell<'static>> {
    CustomRule {
        id: row.id.0.into(),
        name: row.name.into(),
        resource_pattern: row.resource_pattern.into(),
        attribute_pattern: row.attribute_pattern.into(),
        drift_type: row.drift_type.map_or(Cell::Null, |drift| Cell::Word(drift.as_str())),
        risk_level: match row.risk_level {
            CustomLevel::Risk(level) => Cell::Word(level.as_str()),
            CustomLevel::Ignore => "ignore".into(),
        },
        reason: row.reason.into(),
        enabled: row.enabled.into(),
        version: row.version.into(),
        changed_by: Cell::text(format_args!("{}:{}", row.changed_by_kind, row.changed_by_id)),
        changed_at: row.changed_at.into(),
    }
    .cells()
}

pub(super) fn state_source(row: stored::StateSource) -> Vec<Cell<'static>> {
    StateSource {
        id: row.id.0.into(),
        name: row.name.into(),
        kind: Cell::Word(row.kind.as_str()),
        location: row.location.into(),
        expected_scan_interval_hours: row.expected_scan_interval_hours.into(),
        active: row.active.into(),
        version: row.version.into(),
        changed_by: Cell::text(format_args!("{}:{}", row.changed_by_kind, row.changed_by_id)),
        changed_at: row.changed_at.into(),
    }
    .cells()
}

pub(super) fn exception(row: stored::Exception) -> Vec<Cell<'static>> {
    let why = match (row.why, row.attributes) {
        (Some(why), Some(attributes)) => Some(format!("{why} ({attributes} attributes)")),
        (why, _) => why,
    };
    Exception {
        kind: row.kind.into(),
        reference: row.reference.into(),
        subject: row.subject.into(),
        count: row.count.into(),
        who: row.who.into(),
        when: row.when.into(),
        why: why.into(),
    }
    .cells()
}
