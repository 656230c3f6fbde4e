//! The summary of `data.json` against the rows: what the first page says must follow from the tables.

use evidence::backlog::Course;
use evidence::pack::{self, Headline, Summary};

use super::content::Contents;
use super::recount::Scans;
use super::report::Checks;
use crate::csv::unguard;
use crate::section::{CoverageMonth, HOURS_DIGITS, RemediationSla};
use crate::table::Cell;

/// Two readings of the same number of hours differ by rounding to [`HOURS_DIGITS`], and by nothing else.
const HOURS_APART_MAX: f64 = 0.005_001;

pub(super) fn check(summary: &Summary, contents: &Contents, checks: &mut Checks) {
    let Summary { headline, .. } = summary;
    let mut require = |entry: &str, holds: bool, what: &str| {
        let is_read = contents.tables.contains_key(entry);
        let detail = format!("the summary reports {what} than {entry}");
        checks.require(!is_read || holds, "data", detail);
    };
    let recount = &contents.recount;
    let findings = contents.tables.get(pack::FINDINGS).map(|table| table.rows);
    let counted = findings == Some(headline.findings_in_period);
    require(pack::FINDINGS, counted, "another number of findings");
    let resolved = headline.hours_to_resolve.count == recount.tally.total().resolved;
    require(pack::FINDINGS, resolved, "another number of times to resolve");
    require(pack::SCANS, headline_scans(headline) == recount.scans(), "other scans");
    require(pack::SCANS, are_scans_of_months(summary, contents), "other scans per month");
    let months = summary.coverage.iter().map(|month| CoverageMonth::from(month).cells());
    require(pack::COVERAGE_MONTHLY, are_rows(months, &recount.months), "another coverage");
    let levels = summary.sla.iter().map(|level| RemediationSla::from(level).cells());
    require(pack::REMEDIATION_SLA, are_rows(levels, &recount.levels), "other times or targets");
    let course = Course(summary).ties();
    require(pack::REMEDIATION_SLA, course, "another course of the open findings");
    let aside = &summary.exceptions;
    let reported = [
        aside.noise_resources,
        aside.ignored_by_custom_rules,
        aside.accepted_risks,
        aside.false_positives,
        aside.disabled_rules,
        aside.late_scans,
    ];
    require(pack::EXCEPTIONS, recount.exceptions == Some(reported), "other exceptions");
    let sources = headline.sources == recount.active_sources;
    require(pack::STATE_SOURCES, sources, "another number of active states");
}

fn headline_scans(headline: &Headline) -> Scans {
    Scans {
        done: headline.scans_done,
        partial: headline.scans_partial,
        failed: headline.scans_failed,
    }
}

fn are_scans_of_months(summary: &Summary, contents: &Contents) -> bool {
    let mut counted = contents.recount.scans_by_month.clone();
    let each = summary.coverage.iter().all(|month| {
        let reported = Scans {
            done: month.scans_done,
            partial: month.scans_partial,
            failed: month.scans_failed,
        };
        counted.remove(&month.month).unwrap_or_default() == reported
    });
    each && counted.is_empty()
}

/// Whether the CSV has exactly these rows.
fn are_rows<'a>(cells: impl Iterator<Item = Vec<Cell<'a>>>, rows: &[Vec<String>]) -> bool {
    let mut rows = rows.iter();
    let all = cells.into_iter().all(|cells| {
        rows.next().is_some_and(|row| {
            row.len() == cells.len()
                && cells.iter().zip(row).all(|(cell, text)| is_same(cell, text))
        })
    });
    all && rows.next().is_none()
}

fn is_same(cell: &Cell<'_>, text: &str) -> bool {
    match cell {
        Cell::Decimal(hours, HOURS_DIGITS) if hours.is_finite() => {
            text.parse().is_ok_and(|read: f64| (read - hours).abs() <= HOURS_APART_MAX)
        }
        _ => cell.written().unwrap_or_default() == unguard(text),
    }
}
