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

/// What cannot be summed up from the tables.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    findings_in_period: u64,
    scans_done: u64,
    scans_partial: u64,
    scans_failed: u64,
    sources: u64,
    scans_expected: u64,
    scans_kept: u64,
}

/// Asked of the same moment as the tables.
pub async fn counts(conn: &mut PgConnection, org: OrgId, period: Period) -> Result<Counts> {
    Ok(sqlx::query_file_as!(Counts, "sql/section/headline.sql", org.0, period.start, period.end,)
        .fetch_one(conn)
        .await?)
}

impl Counts {
    /// With the sums of the tables.
    pub fn headline(self, figures: Figures<'_>) -> Headline {
        let scope = figures.coverage.iter().map(|month| month.scope);
        let levels = &figures.remediation.levels;
        let within = levels.iter().map(|level| level.within_sla);
        Headline {
            findings_in_period: self.findings_in_period,
            roll_forward: total(levels),
            scans_done: self.scans_done,
            scans_partial: self.scans_partial,
            scans_failed: self.scans_failed,
            sources: self.sources,
            longest_gap_hours: figures.gaps.first().map(|gap| gap.hours),
            hours_to_resolve: figures.remediation.hours_to_resolve,
            within_sla: sum(within),
            scope_coverage: sum(scope),
            cadence: Ratio::new(self.scans_kept, self.scans_expected),
        }
    }
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
