//! The shape of a Compliance Pack: names of its entries, its file name, its summary.
//!
//! [`Summary`] is the one model behind `data.json` and `summary.pdf`, so the two cannot disagree.

use serde::{Deserialize, Serialize};

pub use crate::backlog::OpenMonth;
use crate::ids::OrgId;
use crate::metrics::{Ratio, RollForward};
use crate::org::Plan;
use crate::risk::RiskLevel;
use crate::scan::DriftType;
use crate::time::{Period, Time};

pub const SUMMARY_PDF: &str = "summary.pdf";
pub const INDEX_HTML: &str = "index.html";
pub const DATA_JSON: &str = "data.json";
pub const COVERAGE_MONTHLY: &str = "coverage_monthly.csv";
pub const FINDINGS: &str = "findings.csv";
pub const SCANS: &str = "scans.csv";
pub const REMEDIATION_SLA: &str = "remediation_sla.csv";
pub const CUSTOM_RULES: &str = "custom_rules.csv";
pub const STATE_SOURCES: &str = "state_sources.csv";
pub const CHAIN_ATTESTATION: &str = "chain-attestation.json";
pub const AUDIT_EVENTS: &str = "audit_events.ndjson";
pub const EXCEPTIONS: &str = "exceptions.csv";
pub const CONTROLS: &str = "controls.csv";
pub const PROVENANCE: &str = "provenance.json";
pub const AUDIT_LOG_VERIFY: &str = "AUDIT_LOG_VERIFY.md";
pub const MANIFEST: &str = "MANIFEST.txt";
/// An RFC 3161 answer over [`MANIFEST`]: made after it, so it is not listed there.
pub const TIME_STAMP: &str = "MANIFEST.txt.tsr";

/// The entries, in their order in the ZIP. Only those of [`OPTIONAL`] may be absent.
pub const ENTRIES: &[&str] = &[
    SUMMARY_PDF,
    INDEX_HTML,
    DATA_JSON,
    COVERAGE_MONTHLY,
    FINDINGS,
    SCANS,
    REMEDIATION_SLA,
    CUSTOM_RULES,
    STATE_SOURCES,
    CHAIN_ATTESTATION,
    AUDIT_EVENTS,
    EXCEPTIONS,
    CONTROLS,
    PROVENANCE,
    AUDIT_LOG_VERIFY,
    MANIFEST,
    TIME_STAMP,
];

/// What an entry is for, in a line.
pub fn purpose(entry: &str) -> &'static str {
    match entry {
        SUMMARY_PDF => {
            "The report to read: figures with their parts, charts, gaps, control mapping"
        }
        INDEX_HTML => "This page: what is in the pack, and what its figures mean",
        DATA_JSON => "Every section with raw values, for programs",
        COVERAGE_MONTHLY => "How much was looked at and how often, month by month",
        FINDINGS => "Every finding that was open at some moment of the period",
        SCANS => "Every scan of the period, failed and partial ones included",
        REMEDIATION_SLA => "Roll-forward, times to resolve and open backlog per risk level",
        CUSTOM_RULES => "The organisation's own grading rules at the end of the period",
        STATE_SOURCES => {
            "The Terraform or OpenTofu states that were in scope at the end of the period"
        }
        CHAIN_ATTESTATION => "Where the audit chain stood, signed together with the other files",
        AUDIT_EVENTS => "The audit log of the period, each line exactly as it was hashed",
        EXCEPTIONS => "What was suppressed, accepted or left out: who, when, why",
        CONTROLS => "Which file speaks to which control of which framework, and how strongly",
        PROVENANCE => "Where every figure comes from: queries, parameters, counts, tie-out",
        AUDIT_LOG_VERIFY => "How to check all of this with the tools of any computer",
        MANIFEST => "The SHA-256 of every other file",
        TIME_STAMP => "When the manifest was there already, said by a time-stamp authority",
        _ => "",
    }
}
/// What a pack may lack: the PDF where none is printed, the time stamp where no authority is asked or none answered.
pub const OPTIONAL: &[&str] = &[SUMMARY_PDF, TIME_STAMP];

/// `compliance-pack-<slug>-<start date>_<end date>.zip`, the UTC dates; the end is exclusive.
pub fn file_name(slug: &str, period: &Period) -> String {
    let date = |time: Time| time.format("%Y-%m-%d");
    format!("compliance-pack-{slug}-{}_{}.zip", date(period.start), date(period.end))
}

/// The pack in numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub org: Org,
    pub period: Period,
    pub generated_at: Time,
    pub headline: Headline,
    /// One row per calendar month of the period.
    pub coverage: Vec<Coverage>,
    /// One row per risk level, the most severe first.
    pub sla: Vec<Sla>,
    /// One row per calendar month of the period: how the open findings came and went.
    pub open_monthly: Vec<OpenMonth>,
    /// At most [`TOP_RISKS_MAX`]: open at the end of the period, the most severe and oldest first.
    pub top_risks: Vec<TopRisk>,
    /// At most [`GAPS_MAX`]: the longest times without a complete scan, the longest first.
    pub gaps: Vec<Gap>,
    /// How many there are, those that are not in the list among them.
    pub gaps_total: u64,
    pub exceptions: Exceptions,
    /// The audit entries of the period.
    pub audit: AuditRange,
}

pub const TOP_RISKS_MAX: usize = 10;
pub const GAPS_MAX: usize = 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Org {
    pub id: OrgId,
    pub slug: String,
    pub name: String,
    /// At the end of the period.
    pub plan: Plan,
}

/// The figures of the first page, over all risk levels and state sources.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Headline {
    /// Findings that were open at some moment of the period: the rows of `findings.csv`.
    pub findings_in_period: u64,
    #[serde(flatten)]
    pub roll_forward: RollForward,
    pub scans_done: u64,
    pub scans_partial: u64,
    pub scans_failed: u64,
    /// State sources in scope at the end of the period.
    pub sources: u64,
    /// Longest time without a complete scan of a source in scope, where that was longer than its schedule asks for.
    pub longest_gap_hours: Option<f64>,
    pub hours_to_resolve: Spread,
    /// Closed in time ÷ (closed + still open although overdue).
    pub within_sla: Ratio,
    /// Months × sources with a complete scan ÷ months × sources in scope.
    pub scope_coverage: Ratio,
    /// Scans done ÷ scans expected by schedule.
    pub cadence: Ratio,
}

/// How values are spread; every figure is absent when there is no value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    pub count: u64,
    pub mean: Option<f64>,
    pub median: Option<f64>,
    pub p90: Option<f64>,
    pub max: Option<f64>,
}

/// One month of `coverage_monthly.csv`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// `2026-01`.
    pub month: String,
    pub partial_month: bool,
    /// Sources with a complete scan ÷ sources in scope.
    pub scope: Ratio,
    /// By schedule; absent when no source has one.
    pub scans_expected: Option<u64>,
    pub scans_done: u64,
    pub scans_partial: u64,
    pub scans_failed: u64,
    pub longest_gap_hours: Option<f64>,
    /// Managed ÷ checked resources.
    pub iac: Ratio,
    /// Drifted ÷ checked resources.
    pub drift: Ratio,
}

/// One risk level of `remediation_sla.csv`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sla {
    pub risk_level: RiskLevel,
    #[serde(flatten)]
    pub roll_forward: RollForward,
    pub hours_to_resolve: Spread,
    pub oldest_open_hours: Option<f64>,
    pub mean_open_hours: Option<f64>,
    pub target_hours: u32,
    pub within_sla: Ratio,
    pub overdue_open: u64,
}

/// One open finding of the first page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopRisk {
    pub number: i64,
    pub risk_level: RiskLevel,
    pub drift_type: DriftType,
    pub address: String,
    pub resource_type: String,
    pub state_source: String,
    pub changed_attributes: Vec<String>,
    pub open_since: Time,
    pub open_hours: f64,
}

/// A time without a complete scan of a source, as far as it lies in the period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    pub state_source: String,
    pub from: Time,
    pub to: Time,
    pub hours: f64,
    pub expected_interval_hours: Option<u32>,
}

/// What was set aside, in numbers; `exceptions.csv` lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exceptions {
    pub noise_resources: u64,
    pub noise_attributes: u64,
    pub ignored_by_custom_rules: u64,
    pub accepted_risks: u64,
    pub false_positives: u64,
    pub disabled_rules: u64,
    pub late_scans: u64,
}

/// The audit entries of a period; absent numbers: there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRange {
    pub first_seq: Option<i64>,
    pub last_seq: Option<i64>,
    pub entries: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_is_named_by_its_dates() {
        let at = |text: &str| text.parse::<Time>().unwrap();
        let period = Period::new(at("2026-01-01T00:00:00Z"), at("2026-04-01T00:00:00Z")).unwrap();
        assert_eq!(file_name("acme", &period), "compliance-pack-acme-2026-01-01_2026-04-01.zip");
    }

    #[test]
    fn every_entry_says_what_it_is_for() {
        assert!(ENTRIES.iter().all(|name| !purpose(name).is_empty()));
    }

    #[test]
    fn names_of_entries_are_plain_and_unique() {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        for (n, name) in ENTRIES.iter().enumerate() {
            assert!(name.chars().all(plain) && !ENTRIES[..n].contains(name), "{name}");
        }
    }
}
