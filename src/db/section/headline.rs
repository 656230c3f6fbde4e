//! The figures of the pack's first page.

use evidence::ids::OrgId;
use evidence::metrics::{Ratio, RollForward};
use evidence::pack::{Coverage, Gap, Headline, Sla};
use evidence::time::Period;
use sqlx::postgres::PgConnection;

use super::Remediation;
use crate::Result;
use crate::column::Count;

pub(super) const SQL: &str = include_str!("../sql/section/headline.sql");

/// The tables that the headline sums up.
#[derive(Debug, Clone, Copy)]
pub struct Figures<'a> {
    pub coverage: &'a [Coverage],
    pub remediation: &'a Remediation,
    pub gaps: &'a [Gap],
}

/// One row: what cannot be summed up from the tables.
struct Row {
    findings_in_period: u64,
    scans_done: u64,
    scans_partial: u64,
    scans_failed: u64,
    sources: u64,
    scans_expected: u64,
    scans_kept: u64,
}

/// Sums from the tables where they can be summed, the rest asked of the same moment.
pub async fn headline(
    conn: &mut PgConnection,
    org: OrgId,
    period: Period,
    figures: Figures<'_>,
) -> Result<Headline> {
    let row =
        sqlx::query_file_as!(Row, "sql/section/headline.sql", org.0, period.start, period.end,)
            .fetch_one(conn)
            .await?;
    let scope = figures.coverage.iter().map(|month| month.scope);
    let within = figures.remediation.levels.iter().map(|level| level.within_sla);
    Ok(Headline {
        findings_in_period: row.findings_in_period,
        roll_forward: total(&figures.remediation.levels),
        scans_done: row.scans_done,
        scans_partial: row.scans_partial,
        scans_failed: row.scans_failed,
        sources: row.sources,
        longest_gap_hours: figures.gaps.first().map(|gap| gap.hours),
        hours_to_resolve: figures.remediation.hours_to_resolve,
        within_sla: sum(within),
        scope_coverage: sum(scope),
        cadence: Ratio::new(row.scans_kept, row.scans_expected),
    })
}

fn sum(ratios: impl Iterator<Item = Ratio>) -> Ratio {
    ratios.fold(Ratio::default(), |sum, ratio| {
        Ratio::new(sum.numerator + ratio.numerator, sum.denominator + ratio.denominator)
    })
}

fn total(levels: &[Sla]) -> RollForward {
    levels.iter().fold(RollForward::default(), |sum, level| {
        let roll = &level.roll_forward;
        RollForward {
            open_at_start: sum.open_at_start + roll.open_at_start,
            opened: sum.opened + roll.opened,
            reopened: sum.reopened + roll.reopened,
            resolved: sum.resolved + roll.resolved,
            accepted: sum.accepted + roll.accepted,
            false_positive: sum.false_positive + roll.false_positive,
            open_at_end: sum.open_at_end + roll.open_at_end,
        }
    })
}
