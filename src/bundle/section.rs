//! The sections of a pack: the exact headers of its CSV entries, as tables and as row types.
//!
//! Every row type has one field per column, in the order of the header, so that a row cannot be put
//! together in the wrong order. Adding, renaming or moving a column changes what auditors' sheets
//! read: it goes with a new [`crate::json::SCHEMA`].

use evidence::control::Control;
use evidence::pack::{self, Coverage, Sla};

use crate::table::{Cell, Column, Kind, Table};

/// Hours are given with two digits: 36 seconds.
pub const HOURS_DIGITS: u8 = 2;
/// Percentages are given with one digit.
pub const PERCENT_DIGITS: u8 = 1;

macro_rules! section {
    (
        $(#[$meta:meta])*
        $table:ident, $row:ident, $name:literal in $entry:expr, range of $range:literal:
        $($column:ident $kind:ident,)+
    ) => {
        $(#[$meta])*
        pub static $table: Table = Table {
            name: $name,
            entry: $entry,
            columns: &[$(Column { name: stringify!($column), kind: Kind::$kind },)+],
            range: $range,
        };

        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $row { $(pub $column: Cell,)+ }

        impl $row {
            /// The cells in the order of the header.
            pub fn cells(self) -> Vec<Cell> {
                vec![$(self.$column,)+]
            }
        }
    };
}

section! {
    /// Every finding that was open at some moment of the period, ascending by number. The `*_count`
    /// columns count its transitions within the period; with `open_at_start` and `open_at_end` they
    /// add up, per risk level, to the roll-forward of `remediation_sla.csv`.
    FINDINGS, Finding, "findings" in pack::FINDINGS, range of "number":
    number Number,
    id Text,
    state_source_id Text,
    state_source Text,
    address Text,
    resource_type Text,
    drift_type Text,
    risk_level Text,
    risk_level_now Text,
    changed_attributes List,
    detected_at Time,
    last_clean_scan_at Time,
    last_seen_at Time,
    reopen_count Number,
    status Text,
    resolution Text,
    resolved_at Time,
    resolved_by Text,
    time_to_resolve_hours Number,
    opened_in_period Flag,
    resolved_in_period Flag,
    open_at_start Flag,
    open_at_end Flag,
    opened_count Number,
    reopened_count Number,
    resolved_count Number,
    accepted_count Number,
    false_positive_count Number,
}

section! {
    /// Every scan observed in the period, failed and partial ones included.
    SCANS, Scan, "scans" in pack::SCANS, range of "observed_at":
    id Text,
    state_source_id Text,
    status Text,
    tool Text,
    tool_version Text,
    observed_at Time,
    ingested_at Time,
    resources_total Number,
    drifted Number,
    missing Number,
    extra Number,
    noise_suppressed Number,
    serial Number,
    lineage Text,
    triggered_by Text,
    ci_repository Text,
    ci_branch Text,
    ci_commit Text,
    ci_run_url Text,
    ci_pull_request Text,
    error Text,
    late Flag,
}

section! {
    /// One row per calendar month of the period, months without scans included.
    COVERAGE_MONTHLY, CoverageMonth, "coverage_monthly" in pack::COVERAGE_MONTHLY, range of "month":
    month Text,
    sources_in_scope Number,
    sources_with_complete_scan Number,
    scope_coverage_pct Number,
    scans_expected Number,
    scans_done Number,
    scans_partial Number,
    scans_failed Number,
    longest_gap_hours Number,
    resources_checked Number,
    resources_managed Number,
    iac_coverage_pct Number,
    resources_compared Number,
    drifted Number,
    drift_pct Number,
    partial_month Flag,
}

section! {
    /// One row per risk level as at detection.
    REMEDIATION_SLA, RemediationSla, "remediation_sla" in pack::REMEDIATION_SLA, range of "risk_level":
    risk_level Text,
    open_at_start Number,
    opened Number,
    reopened Number,
    resolved Number,
    accepted Number,
    false_positive Number,
    open_at_end Number,
    mean_hours_to_resolve Number,
    median_hours_to_resolve Number,
    p90_hours_to_resolve Number,
    max_hours_to_resolve Number,
    oldest_open_age_hours Number,
    mean_open_age_hours Number,
    sla_target_hours Number,
    within_sla Number,
    overdue_open Number,
}

section! {
    /// The custom rules at the end of the period, from their history.
    CUSTOM_RULES, CustomRule, "custom_rules" in pack::CUSTOM_RULES, range of "changed_at":
    id Text,
    name Text,
    resource_pattern Text,
    attribute_pattern Text,
    drift_type Text,
    risk_level Text,
    reason Text,
    enabled Flag,
    version Number,
    changed_by Text,
    changed_at Time,
}

section! {
    /// The state sources at the end of the period, from their history.
    STATE_SOURCES, StateSource, "state_sources" in pack::STATE_SOURCES, range of "changed_at":
    id Text,
    name Text,
    kind Text,
    location Text,
    expected_scan_interval_hours Number,
    active Flag,
    version Number,
    changed_by Text,
    changed_at Time,
}

section! {
    /// What was suppressed, accepted or excluded.
    EXCEPTIONS, Exception, "exceptions" in pack::EXCEPTIONS, range of "when":
    kind Text,
    reference Text,
    subject Text,
    count Number,
    who Text,
    when Time,
    why Text,
}

section! {
    /// One row per control and entry of the pack that speaks to it.
    CONTROLS, ControlEntry, "controls" in pack::CONTROLS, range of "control_id":
    control_id Text,
    framework Text,
    title Text,
    entry Text,
    strength Text,
    why Text,
}

/// The sections in the order of `data.json`.
pub static ALL: [&Table; 8] = [
    &FINDINGS,
    &SCANS,
    &COVERAGE_MONTHLY,
    &REMEDIATION_SLA,
    &CUSTOM_RULES,
    &STATE_SOURCES,
    &EXCEPTIONS,
    &CONTROLS,
];

/// The section that is the CSV entry `entry`.
pub fn find(entry: &str) -> Option<&'static Table> {
    ALL.into_iter().find(|table| table.entry == entry)
}

impl From<&Coverage> for CoverageMonth {
    fn from(month: &Coverage) -> Self {
        Self {
            month: month.month.as_str().into(),
            sources_in_scope: month.scope.denominator.into(),
            sources_with_complete_scan: month.scope.numerator.into(),
            scope_coverage_pct: Cell::decimal(month.scope.percent(), PERCENT_DIGITS),
            scans_expected: month.scans_expected.into(),
            scans_done: month.scans_done.into(),
            scans_partial: month.scans_partial.into(),
            scans_failed: month.scans_failed.into(),
            longest_gap_hours: Cell::decimal(month.longest_gap_hours, HOURS_DIGITS),
            resources_checked: month.iac.denominator.into(),
            resources_managed: month.iac.numerator.into(),
            iac_coverage_pct: Cell::decimal(month.iac.percent(), PERCENT_DIGITS),
            resources_compared: month.drift.denominator.into(),
            drifted: month.drift.numerator.into(),
            drift_pct: Cell::decimal(month.drift.percent(), PERCENT_DIGITS),
            partial_month: month.partial_month.into(),
        }
    }
}

impl From<&Sla> for RemediationSla {
    fn from(sla: &Sla) -> Self {
        let roll = &sla.roll_forward;
        let hours = |value: Option<f64>| Cell::decimal(value, HOURS_DIGITS);
        Self {
            risk_level: Cell::text(sla.risk_level),
            open_at_start: roll.open_at_start.into(),
            opened: roll.opened.into(),
            reopened: roll.reopened.into(),
            resolved: roll.resolved.into(),
            accepted: roll.accepted.into(),
            false_positive: roll.false_positive.into(),
            open_at_end: roll.open_at_end.into(),
            mean_hours_to_resolve: hours(sla.hours_to_resolve.mean),
            median_hours_to_resolve: hours(sla.hours_to_resolve.median),
            p90_hours_to_resolve: hours(sla.hours_to_resolve.p90),
            max_hours_to_resolve: hours(sla.hours_to_resolve.max),
            oldest_open_age_hours: hours(sla.oldest_open_hours),
            mean_open_age_hours: hours(sla.mean_open_hours),
            sla_target_hours: sla.target_hours.into(),
            within_sla: sla.within_sla.numerator.into(),
            overdue_open: sla.overdue_open.into(),
        }
    }
}

impl ControlEntry {
    /// The rows of `controls.csv` for a control, one per entry it names.
    pub fn of(control: &Control) -> impl Iterator<Item = Self> + '_ {
        control.entries.iter().map(|entry| Self {
            control_id: control.id.into(),
            framework: control.framework.into(),
            title: control.title.into(),
            entry: (*entry).into(),
            strength: Cell::text(control.strength),
            why: control.why.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_is_the_published_one() {
        let headers: Vec<String> = ALL
            .iter()
            .map(|table| {
                let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
                format!("{} ({}): {}", table.entry, table.range, names.join(","))
            })
            .collect();
        insta::assert_snapshot!(headers.join("\n"));
    }

    #[test]
    fn every_section_is_an_entry_and_has_its_range_column() {
        for table in ALL {
            assert!(pack::ENTRIES.contains(&table.entry), "{}", table.entry);
            assert_eq!(table.entry, format!("{}.csv", table.name));
            assert!(table.position(table.range).is_some(), "{}", table.name);
        }
    }
}
