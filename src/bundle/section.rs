//! The sections of a pack: the exact headers of its CSV entries, as tables and as row types.
//!
//! Every column says what it means; `index.html` prints it. Every row type has one field per column, in the order of the header, so that a row cannot be put
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
        $($column:ident $kind:ident $meaning:literal,)+
    ) => {
        $(#[$meta])*
        pub static $table: Table = Table {
            name: $name,
            entry: $entry,
            columns: &[$(Column {
                name: stringify!($column),
                kind: Kind::$kind,
                meaning: $meaning,
            },)+],
            range: $range,
        };

        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $row<'a> {
            $(#[doc = $meaning] pub $column: Cell<'a>,)+
        }

        impl<'a> $row<'a> {
            /// The cells in the order of the header.
            pub fn cells(self) -> Vec<Cell<'a>> {
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
    number Number "Running number of the finding in the organisation, without gaps",
    id Text "Id of the finding",
    state_source_id Text "Id of the state: state_sources.csv",
    state_source Text "Name of the state at the end of the period",
    address Text "Address of the resource at the end of the period",
    resource_type Text "Type of the resource",
    drift_type Text "changed, missing (recorded, but gone) or extra (there, but not managed)",
    risk_level Text "As given at detection",
    risk_level_now Text "By the rules in force at the latest scan that saw it",
    changed_attributes List "Names of the attributes that differ, never their values; blank where the tool does not tell",
    detected_at Time "The first scan that saw it",
    last_clean_scan_at Time "The last complete scan before its latest opening that did not show it; the change happened after it",
    last_seen_at Time "The latest scan that saw it",
    reopen_count Number "How often it came back or was reopened",
    status Text "open, resolved, accepted or false_positive",
    resolution Text "How it was closed; see the definition of Resolution",
    resolved_at Time "When it was closed; blank while it is open",
    resolved_by Text "Opaque id of the person; blank where a scan closed it",
    time_to_resolve_hours Number "From its latest opening to the scan that closed it; blank unless resolved",
    opened_in_period Flag "Whether it was detected in the period",
    resolved_in_period Flag "Whether it was resolved in the period, be it open again or not",
    open_at_start Flag "Open up to the start of the period",
    open_at_end Flag "Open up to the end of the period",
    opened_count Number "Detections in the period: 0 or 1",
    reopened_count Number "Reopenings in the period",
    resolved_count Number "Resolutions in the period",
    accepted_count Number "Times accepted in the period",
    false_positive_count Number "Times marked a false positive in the period",
}

section! {
    /// Every scan observed in the period, failed and partial ones included.
    SCANS, Scan, "scans" in pack::SCANS, range of "observed_at":
    id Text "Id of the scan",
    state_source_id Text "Id of the state: state_sources.csv",
    status Text "done (complete), partial (saw a part: closes nothing) or failed (saw nothing)",
    tool Text "terraform, opentofu or driftctl",
    tool_version Text "As the file says it",
    observed_at Time "When the tool looked: as the file says, else as the caller said",
    ingested_at Time "When it was taken in",
    resources_total Number "Resources that were compared; blank where the tool does not count them",
    drifted Number "Resources that differ",
    missing Number "Resources that are gone",
    extra Number "Resources that nobody manages",
    noise_suppressed Number "Resources whose only differences are without meaning: exceptions.csv",
    serial Number "Serial of the state; blank where the file does not carry it",
    lineage Text "Lineage of the state; blank where the file does not carry it",
    triggered_by Text "Who handed it in: kind and opaque id",
    ci_repository Text "What the caller said about its pipeline",
    ci_branch Text "What the caller said about its pipeline",
    ci_commit Text "What the caller said about its pipeline",
    ci_run_url Text "What the caller said about its pipeline",
    ci_pull_request Text "What the caller said about its pipeline",
    error Text "Why it is not complete",
    late Flag "Observed before a scan that was there already: counted, moves no finding",
}

section! {
    /// One row per calendar month of the period, months without scans included.
    COVERAGE_MONTHLY, CoverageMonth, "coverage_monthly" in pack::COVERAGE_MONTHLY, range of "month":
    month Text "Calendar month, UTC",
    sources_in_scope Number "States in scope at some moment of the month",
    sources_with_complete_scan Number "Those of them with a scan that is done",
    scope_coverage_pct Number "sources_with_complete_scan ÷ sources_in_scope; blank where nothing was in scope",
    scans_expected Number "Scans due by schedule; blank where no state has one",
    scans_done Number "Complete scans",
    scans_partial Number "Partial scans",
    scans_failed Number "Failed scans",
    longest_gap_hours Number "Longest time in the month in which a state in scope had no complete scan",
    resources_checked Number "Resources found, where the tool tells managed from unmanaged",
    resources_managed Number "Those of them that code manages",
    iac_coverage_pct Number "resources_managed ÷ resources_checked; blank where no tool tells",
    resources_compared Number "Resources compared by the last complete scan of each state",
    drifted Number "Those of them that differ or are gone",
    drift_pct Number "drifted ÷ resources_compared; blank where nothing was compared",
    partial_month Flag "The period covers a part of the month only",
}

section! {
    /// One row per risk level as at detection.
    REMEDIATION_SLA, RemediationSla, "remediation_sla" in pack::REMEDIATION_SLA, range of "risk_level":
    risk_level Text "As given at detection",
    open_at_start Number "Open up to the start of the period",
    opened Number "Detected in the period",
    reopened Number "Came back or were reopened in the period",
    resolved Number "No longer seen by a complete scan, in the period",
    accepted Number "Accepted as a risk in the period",
    false_positive Number "Marked a false positive in the period",
    open_at_end Number "open_at_start + opened + reopened − resolved − accepted − false_positive",
    mean_hours_to_resolve Number "Of the resolutions of the period; blank where there is none",
    median_hours_to_resolve Number "Half are not longer",
    p90_hours_to_resolve Number "Nine tenths are not longer",
    max_hours_to_resolve Number "The longest",
    oldest_open_age_hours Number "Age at the end of the period of the one that is open longest",
    mean_open_age_hours Number "Mean age at the end of the period of what is open",
    sla_target_hours Number "Target in force: fixed in this version of the product",
    within_sla Number "Resolved within the target",
    overdue_open Number "Open at the end and older than the target",
}

section! {
    /// The custom rules at the end of the period, from their history.
    CUSTOM_RULES, CustomRule, "custom_rules" in pack::CUSTOM_RULES, range of "changed_at":
    id Text "Id of the rule",
    name Text "Its name",
    resource_pattern Text "Glob on address or type",
    attribute_pattern Text "Glob on names of changed attributes; blank: any",
    drift_type Text "Blank: any",
    risk_level Text "What it says; ignore: no finding, but counted in exceptions.csv",
    reason Text "Why, in its author's words",
    enabled Flag "Whether it was in force",
    version Number "Version that held at the end of the period",
    changed_by Text "Who made this version: kind and opaque id",
    changed_at Time "When",
}

section! {
    /// The state sources at the end of the period, from their history.
    STATE_SOURCES, StateSource, "state_sources" in pack::STATE_SOURCES, range of "changed_at":
    id Text "Id of the state",
    name Text "Its name",
    kind Text "Where it is kept",
    location Text "Where exactly",
    expected_scan_interval_hours Number "Its schedule; blank: none is known",
    active Flag "Whether it was in scope",
    version Number "Version that held at the end of the period",
    changed_by Text "Who made this version: kind and opaque id",
    changed_at Time "When",
}

section! {
    /// What was suppressed, accepted or excluded.
    EXCEPTIONS, Exception, "exceptions" in pack::EXCEPTIONS, range of "when":
    kind Text "noise_rule, ignored_by_custom_rule, accepted_risk, false_positive, disabled_rule, late_scan or incomplete_scan",
    reference Text "Name or id of the rule, number of the finding, id of the scan",
    subject Text "What it is about, in words",
    count Number "Resources, for rules; else 1",
    who Text "Kind and opaque id of who did it; blank for built-in rules",
    when Time "When it was done or observed",
    why Text "The reason given, or the error",
}

section! {
    /// One row per control and entry of the pack that speaks to it.
    CONTROLS, ControlEntry, "controls" in pack::CONTROLS, range of "control_id":
    control_id Text "Id in its framework",
    framework Text "Framework and edition",
    title Text "What it is about, in our words",
    entry Text "File of this pack that speaks to it",
    strength Text "strong: shows that the control operated; partial: a part of it, or its design only",
    why Text "What the file shows of it, in our words",
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

impl From<&Coverage> for CoverageMonth<'_> {
    fn from(month: &Coverage) -> Self {
        Self {
            month: month.month.clone().into(),
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

impl From<&Sla> for RemediationSla<'_> {
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

impl ControlEntry<'static> {
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
