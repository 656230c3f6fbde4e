//! Counts everything a second time, from the rows that go into the pack, and compares.
//!
//! The figures of the summary come from SQL that sums; these come from the rows as they are written. A pack whose counts differ is
//! not made: trying again would read the same data, so the failure is permanent.

use std::collections::{BTreeMap, BTreeSet};

use bundle::csv::Counted;
use bundle::provenance::{TieCheck, TieOut};
use db::section::{CustomRule, Exception, Scan, StateSource};
use engine::Failure;
use evidence::backlog::Course;
use evidence::metrics::{self, Tally};
use evidence::pack::{Coverage, Exceptions, Summary};
use evidence::scan::ScanStatus;

use crate::trouble;

/// The second count.
#[derive(Default)]
pub(super) struct Recount {
    findings: Tally,
    done: u64,
    partial: u64,
    failed: u64,
    late: u64,
    /// Drifts that a custom rule kept from being findings, scan by scan.
    ignored: u64,
    /// By id: disabled at the end of the period, and those of them that exceptions.csv lists.
    disabled_rules: BTreeSet<String>,
    listed_rules: BTreeSet<String>,
    active_sources: u64,
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

/// A finding that does not tie, or a level.
pub(super) fn untied(error: metrics::Error) -> Failure {
    failure(error.into())
}

fn failure(error: Error) -> Failure {
    Failure::permanent(error).code(trouble::TIE_OUT)
}

impl Recount {
    pub(super) fn findings(&mut self, counted: Tally) {
        self.findings = counted;
    }

    pub(super) fn scan(&mut self, row: &Scan) {
        let count = match row.status {
            ScanStatus::Done => &mut self.done,
            ScanStatus::Partial => &mut self.partial,
            ScanStatus::Failed => &mut self.failed,
        };
        *count += 1;
        self.late += u64::from(row.late);
        self.ignored += u64::try_from(row.ignored).unwrap_or_default();
    }

    pub(super) fn rules(&mut self, rows: &[CustomRule]) {
        let disabled = rows.iter().filter(|rule| !rule.enabled);
        self.disabled_rules = disabled.map(|rule| rule.id.to_string()).collect();
    }

    pub(super) fn sources(&mut self, rows: &[StateSource]) {
        self.active_sources = rows.iter().filter(|source| source.active).count() as u64;
    }

    pub(super) fn exception(&mut self, row: &Exception) {
        if row.kind == DISABLED && self.disabled_rules.contains(&row.reference) {
            self.listed_rules.insert(row.reference.clone());
        }
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
        self.findings.check(&levels).map_err(untied)?;
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
        let audit = &summary.audit;
        let span = match (audit.first_seq, audit.last_seq) {
            (Some(first), Some(last)) => u64::try_from(last - first + 1).unwrap_or_default(),
            _ => 0,
        };
        let mut pairs = self.of_headline(summary, tables);
        pairs.extend(self.of_months(summary));
        pairs.extend(self.of_exceptions(&summary.exceptions));
        pairs.push((
            "months whose open findings follow from each other",
            1,
            Course(summary).ties().into(),
        ));
        pairs.push(("audit entries", audit.entries, self.audit));
        pairs.push(("consecutive audit entries", span, self.audit));
        pairs
    }

    fn of_headline(
        &self,
        summary: &Summary,
        tables: &BTreeMap<&str, &Counted>,
    ) -> Vec<(&'static str, u64, u64)> {
        let headline = &summary.headline;
        let rows = |entry| tables.get(entry).map_or(0, |counted| counted.rows);
        let (total, scans) = (self.findings.total(), self.done + self.partial + self.failed);
        let (roll, times) = (&headline.roll_forward, &headline.hours_to_resolve);
        vec![
            ("findings in the period", headline.findings_in_period, self.findings.findings()),
            ("rows of findings.csv", headline.findings_in_period, rows(evidence::pack::FINDINGS)),
            ("findings open at the start", roll.open_at_start, total.open_at_start),
            ("findings open at the end", roll.open_at_end, total.open_at_end),
            ("times to resolve", times.count, total.resolved),
            ("complete scans", headline.scans_done, self.done),
            ("partial scans", headline.scans_partial, self.partial),
            ("failed scans", headline.scans_failed, self.failed),
            ("rows of scans.csv", scans, rows(evidence::pack::SCANS)),
            ("active state sources", headline.sources, self.active_sources),
        ]
    }

    /// The months must add up to the period.
    fn of_months(&self, summary: &Summary) -> [(&'static str, u64, u64); 3] {
        let sum = |of: fn(&Coverage) -> u64| summary.coverage.iter().map(of).sum();
        [
            ("complete scans of all months", sum(|month| month.scans_done), self.done),
            ("partial scans of all months", sum(|month| month.scans_partial), self.partial),
            ("failed scans of all months", sum(|month| month.scans_failed), self.failed),
        ]
    }

    /// The summary against the rows, and the rows against what other sections say of the same.
    fn of_exceptions(&self, aside: &Exceptions) -> [(&'static str, u64, u64); 10] {
        let kind = |kind: &str| self.exceptions.get(kind).copied().unwrap_or_default();
        let count = |rules: &BTreeSet<String>| rules.len() as u64;
        [
            ("suppressed resources", aside.noise_resources, kind(NOISE)),
            ("ignored resources", aside.ignored_by_custom_rules, kind(IGNORED)),
            ("accepted risks", aside.accepted_risks, kind("accepted_risk")),
            ("false positives", aside.false_positives, kind("false_positive")),
            ("disabled rules", aside.disabled_rules, kind(DISABLED)),
            ("late scans", aside.late_scans, kind("late_scan")),
            ("ignored resources of all scans", kind(IGNORED), self.ignored),
            // Rules that were disabled for a part of the period only are listed too.
            ("rules disabled at the end", count(&self.disabled_rules), count(&self.listed_rules)),
            ("late scans of scans.csv", kind("late_scan"), self.late),
            ("incomplete scans of scans.csv", kind("incomplete_scan"), self.partial + self.failed),
        ]
    }
}

const NOISE: &str = "noise_rule";
const IGNORED: &str = "ignored_by_custom_rule";
const DISABLED: &str = "disabled_rule";

fn is_counted_by_resource(kind: &str) -> bool {
    [NOISE, IGNORED].contains(&kind)
}

fn bounded(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
