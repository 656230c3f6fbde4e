//! Counts everything a second time, from the rows that go into the pack, and compares.
//!
//! The figures of the summary come from SQL that sums; these come from the rows as they are written. A pack whose counts differ is
//! not made: trying again would read the same data, so the failure is permanent.

use std::collections::BTreeMap;

use bundle::csv::Counted;
use bundle::provenance::{TieCheck, TieOut};
use db::section::{Exception, Finding, Scan};
use engine::Failure;
use evidence::metrics::{self, Tally};
use evidence::pack::Summary;
use evidence::scan::ScanStatus;

use crate::trouble;

/// The second count.
#[derive(Default)]
pub(super) struct Recount {
    findings: Tally,
    done: u64,
    partial: u64,
    failed: u64,
    exceptions: BTreeMap<String, u64>,
    audit: u64,
}

/// Why there is no pack.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("two counts of the same thing differ")]
    Findings(#[from] metrics::Error),
    #[error("two counts of «{name}» differ: reported {reported}, counted {counted}")]
    Count { name: String, reported: i64, counted: i64 },
}

fn failure(error: Error) -> Failure {
    Failure::permanent(error).code(trouble::TIE_OUT)
}

impl Recount {
    pub(super) fn finding(&mut self, row: &Finding) -> Result<(), Failure> {
        let added = self.findings.add(row.number, row.risk_level, row.roll_forward());
        added.map_err(|error| failure(error.into()))
    }

    pub(super) fn scan(&mut self, row: &Scan) {
        let count = match row.status {
            ScanStatus::Done => &mut self.done,
            ScanStatus::Partial => &mut self.partial,
            ScanStatus::Failed => &mut self.failed,
        };
        *count += 1;
    }

    pub(super) fn exception(&mut self, row: &Exception) {
        *self.exceptions.entry(row.kind.clone()).or_default() +=
            if is_counted_by_resource(&row.kind) { row.count } else { 1 };
    }

    pub(super) fn audit_entries(&mut self, lines: u64) {
        self.audit = lines;
    }

    /// Compares; `tables` are the counts of the CSV entries by name.
    pub(super) fn check(
        &self,
        summary: &Summary,
        tables: &BTreeMap<&str, &Counted>,
    ) -> Result<TieOut, Failure> {
        let levels: BTreeMap<_, _> =
            summary.sla.iter().map(|level| (level.risk_level, level.roll_forward)).collect();
        self.findings.check(&levels).map_err(|error| failure(error.into()))?;
        let checks: Vec<TieCheck> = self
            .pairs(summary, tables)
            .into_iter()
            .map(|(name, reported, counted)| TieCheck {
                name: name.to_owned(),
                reported: bounded(reported),
                counted: bounded(counted),
            })
            .collect();
        match checks.iter().find(|check| !check.ties()) {
            None => Ok(TieOut { levels, checks }),
            Some(TieCheck { name, reported, counted }) => {
                let (name, reported, counted) = (name.clone(), *reported, *counted);
                Err(failure(Error::Count { name, reported, counted }))
            }
        }
    }

    fn pairs(
        &self,
        summary: &Summary,
        tables: &BTreeMap<&str, &Counted>,
    ) -> Vec<(&'static str, u64, u64)> {
        let (headline, aside, audit) = (&summary.headline, &summary.exceptions, &summary.audit);
        let rows = |entry| tables.get(entry).map_or(0, |counted| counted.rows);
        let kind = |kind: &str| self.exceptions.get(kind).copied().unwrap_or_default();
        let total = self.findings.total();
        let span = match (audit.first_seq, audit.last_seq) {
            (Some(first), Some(last)) => u64::try_from(last - first + 1).unwrap_or_default(),
            _ => 0,
        };
        vec![
            ("findings in the period", headline.findings_in_period, self.findings.findings()),
            ("rows of findings.csv", headline.findings_in_period, rows(evidence::pack::FINDINGS)),
            (
                "findings open at the start",
                headline.roll_forward.open_at_start,
                total.open_at_start,
            ),
            ("findings open at the end", headline.roll_forward.open_at_end, total.open_at_end),
            ("complete scans", headline.scans_done, self.done),
            ("partial scans", headline.scans_partial, self.partial),
            ("failed scans", headline.scans_failed, self.failed),
            (
                "rows of scans.csv",
                self.done + self.partial + self.failed,
                rows(evidence::pack::SCANS),
            ),
            ("suppressed resources", aside.noise_resources, kind(NOISE)),
            ("ignored resources", aside.ignored_by_custom_rules, kind(IGNORED)),
            ("accepted risks", aside.accepted_risks, kind("accepted_risk")),
            ("false positives", aside.false_positives, kind("false_positive")),
            ("disabled rules", aside.disabled_rules, kind("disabled_rule")),
            ("late scans", aside.late_scans, kind("late_scan")),
            ("audit entries", audit.entries, self.audit),
            ("consecutive audit entries", span, self.audit),
        ]
    }
}

const NOISE: &str = "noise_rule";
const IGNORED: &str = "ignored_by_custom_rule";

fn is_counted_by_resource(kind: &str) -> bool {
    [NOISE, IGNORED].contains(&kind)
}

fn bounded(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
