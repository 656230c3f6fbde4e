//! Counts again, from the rows, what the pack reports in sums.

use std::collections::BTreeMap;

use csv::StringRecord;
use evidence::metrics::{RollForward, Tally};
use evidence::risk::RiskLevel;

use crate::table::Table;

/// Sums over the rows of a pack. Constant memory.
#[derive(Debug, Default)]
pub(super) struct Recount {
    /// From findings.csv.
    pub(super) tally: Tally,
    /// From remediation_sla.csv.
    pub(super) reported: BTreeMap<RiskLevel, RollForward>,
    /// From scans.csv, by status.
    pub(super) scans: BTreeMap<String, u64>,
    last_number: i64,
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
            "scans" => {
                let status = row.text("status");
                if !["done", "partial", "failed"].contains(&status) {
                    return Err("its status is unknown".to_owned());
                }
                *self.scans.entry(status.to_owned()).or_default() += 1;
                Ok(())
            }
            _ => Ok(()),
        }
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
