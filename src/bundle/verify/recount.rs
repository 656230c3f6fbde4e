//! Counts again, from the rows, what the pack reports in sums.

use std::collections::BTreeMap;

use csv::StringRecord;
use evidence::metrics::{RollForward, Tally};
use evidence::risk::RiskLevel;
use evidence::time::Time;

use crate::table::Table;

/// Sums over the rows of a pack. Constant memory.
#[derive(Debug)]
pub(super) struct Recount {
    /// From findings.csv.
    pub(super) tally: Tally,
    /// From remediation_sla.csv.
    pub(super) reported: BTreeMap<RiskLevel, RollForward>,
    /// From scans.csv, by month (`2026-01`).
    pub(super) scans_by_month: BTreeMap<String, Scans>,
    /// The rows of coverage_monthly.csv and of remediation_sla.csv.
    pub(super) months: Vec<Vec<String>>,
    pub(super) levels: Vec<Vec<String>>,
    /// From exceptions.csv, in the order of [`KINDS`]; `None` where a sum does not fit.
    pub(super) exceptions: Option<[u64; KINDS.len()]>,
    /// From state_sources.csv.
    pub(super) active_sources: u64,
    last_number: i64,
}

/// How many scans ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Scans {
    pub(super) done: u64,
    pub(super) partial: u64,
    pub(super) failed: u64,
}

/// The exceptions that the summary counts: the first two by resource, the others by row.
const KINDS: [&str; 6] = [
    "noise_rule",
    "ignored_by_custom_rule",
    "accepted_risk",
    "false_positive",
    "disabled_rule",
    "late_scan",
];
const BY_RESOURCE: usize = 2;

/// Two hundred years of months; rows beyond them are of no honest pack and not held.
const ROWS_MAX: usize = 2_400;

impl Default for Recount {
    fn default() -> Self {
        Self {
            tally: Tally::default(),
            reported: BTreeMap::new(),
            scans_by_month: BTreeMap::new(),
            months: Vec::new(),
            levels: Vec::new(),
            exceptions: Some([0; KINDS.len()]),
            active_sources: 0,
            last_number: 0,
        }
    }
}

impl Recount {
    pub(super) fn row(
        &mut self,
        table: &'static Table,
        record: &StringRecord,
    ) -> Result<(), String> {
        let row = Row { table, record };
        match table.name {
            "findings" => self.finding(&row),
            "remediation_sla" => self.level(&row),
            "scans" => self.scan(&row),
            "coverage_monthly" => keep(&mut self.months, record),
            "exceptions" => self.exception(&row),
            "state_sources" => {
                self.active_sources += row.flag("active")?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// All scans.
    pub(super) fn scans(&self) -> Scans {
        self.scans_by_month.values().fold(Scans::default(), |sum, month| Scans {
            done: sum.done + month.done,
            partial: sum.partial + month.partial,
            failed: sum.failed + month.failed,
        })
    }

    fn scan(&mut self, row: &Row<'_>) -> Result<(), String> {
        let observed_at: Time =
            row.text("observed_at").parse().map_err(|_| "it was observed at no time")?;
        let month = observed_at.format("%Y-%m").to_string();
        let month = self.scans_by_month.entry(month).or_default();
        match row.text("status") {
            "done" => month.done += 1,
            "partial" => month.partial += 1,
            "failed" => month.failed += 1,
            _ => return Err("its status is unknown".to_owned()),
        }
        Ok(())
    }

    fn exception(&mut self, row: &Row<'_>) -> Result<(), String> {
        let count = row.count("count")?;
        let Some(kind) = KINDS.iter().position(|kind| *kind == row.text("kind")) else {
            return Ok(());
        };
        let more = if kind < BY_RESOURCE { count } else { 1 };
        self.exceptions = self.exceptions.and_then(|mut sums| {
            sums[kind] = sums[kind].checked_add(more)?;
            Some(sums)
        });
        Ok(())
    }

    /// Findings ascend by number, so that none can be there twice.
    fn finding(&mut self, row: &Row<'_>) -> Result<(), String> {
        let number = row.text("number").parse().map_err(|_| "it has no number")?;
        if number <= self.last_number {
            return Err(format!("finding {number} is a repetition or out of order"));
        }
        self.last_number = number;
        let roll = RollForward {
            open_at_start: row.flag("open_at_start")?,
            opened: row.count("opened_count")?,
            reopened: row.count("reopened_count")?,
            resolved: row.count("resolved_count")?,
            accepted: row.count("accepted_count")?,
            false_positive: row.count("false_positive_count")?,
            open_at_end: row.flag("open_at_end")?,
        };
        self.tally.add(number, row.level()?, roll).map_err(|error| error.to_string())
    }

    fn level(&mut self, row: &Row<'_>) -> Result<(), String> {
        let roll = RollForward {
            open_at_start: row.count("open_at_start")?,
            opened: row.count("opened")?,
            reopened: row.count("reopened")?,
            resolved: row.count("resolved")?,
            accepted: row.count("accepted")?,
            false_positive: row.count("false_positive")?,
            open_at_end: row.count("open_at_end")?,
        };
        keep(&mut self.levels, row.record)?;
        let level = row.level()?;
        if self.reported.insert(level, roll).is_some() {
            return Err(format!("{level} is there twice"));
        }
        if roll.ties() {
            Ok(())
        } else {
            Err(format!("the roll-forward of {level} does not add up"))
        }
    }
}

fn keep(rows: &mut Vec<Vec<String>>, record: &StringRecord) -> Result<(), String> {
    if rows.len() == ROWS_MAX {
        return Err("it has more rows than any pack".to_owned());
    }
    rows.push(record.iter().map(str::to_owned).collect());
    Ok(())
}

struct Row<'a> {
    table: &'static Table,
    record: &'a StringRecord,
}

impl Row<'_> {
    /// Blank when there is no such column, which the tests of this file would show.
    fn text(&self, column: &str) -> &str {
        self.table
            .position(column)
            .and_then(|position| self.record.get(position))
            .unwrap_or_default()
    }

    fn count(&self, column: &str) -> Result<u64, String> {
        self.text(column).parse().map_err(|_| format!("{column} is not a count"))
    }

    fn flag(&self, column: &str) -> Result<u64, String> {
        match self.text(column) {
            "true" => Ok(1),
            "false" => Ok(0),
            _ => Err(format!("{column} is neither true nor false")),
        }
    }

    fn level(&self) -> Result<RiskLevel, String> {
        self.text("risk_level").parse().map_err(|_| "its risk_level is unknown".to_owned())
    }
}
