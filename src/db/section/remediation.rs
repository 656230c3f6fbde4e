//! `remediation_sla.csv`: per risk level, how the number of open findings moved and how fast they
//! were closed.

use evidence::ids::OrgId;
use evidence::metrics::{Ratio, RollForward};
use evidence::pack::{Sla, Spread};
use evidence::risk::RiskLevel;
use evidence::sla;
use evidence::time::Period;
use sqlx::postgres::PgConnection;

use crate::Result;
use crate::column::{Count, MaybeWord};

pub(super) const SQL: &str = include_str!("../sql/section/remediation_sla.sql");

/// One row of the answer.
struct Row {
    /// Absent: over all levels.
    risk_level: Option<RiskLevel>,
    open_at_start: u64,
    opened: u64,
    reopened: u64,
    resolved: u64,
    accepted: u64,
    false_positive: u64,
    open_at_end: u64,
    resolutions: u64,
    mean: Option<f64>,
    median: Option<f64>,
    p90: Option<f64>,
    max: Option<f64>,
    oldest_open_hours: Option<f64>,
    mean_open_hours: Option<f64>,
    within_sla: u64,
    overdue_open: u64,
}

/// How findings were closed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Remediation {
    /// One per risk level, the most severe first, levels without findings included.
    pub levels: Vec<Sla>,
    /// Over all levels.
    pub hours_to_resolve: Spread,
}

/// The rows of `remediation_sla.csv`, and what cannot be summed up from them.
///
/// Levels are as at detection. Hours to resolve run from the latest opening to the scan that did not
/// show the drift any more, for findings resolved in the period; ages of open findings run to its
/// end. The 90th percentile and the median are interpolated (`percentile_cont`).
pub async fn remediation_sla(
    conn: &mut PgConnection,
    org: OrgId,
    period: Period,
) -> Result<Remediation> {
    let levels: Vec<String> =
        RiskLevel::ALL.iter().map(|level| level.as_str().to_owned()).collect();
    let targets: Vec<i64> =
        RiskLevel::ALL.iter().map(|level| i64::from(sla::target_hours(*level))).collect();
    let rows = sqlx::query_file_as!(
        Row,
        "sql/section/remediation_sla.sql",
        org.0,
        period.start,
        period.end,
        &levels,
        &targets,
    )
    .fetch_all(conn)
    .await?;
    let mut remediation = Remediation::default();
    for row in rows {
        match row.risk_level {
            Some(level) => remediation.levels.push(row.of(level)),
            None => remediation.hours_to_resolve = row.spread(),
        }
    }
    Ok(remediation)
}

impl Row {
    fn spread(&self) -> Spread {
        let Self { resolutions: count, mean, median, p90, max, .. } = *self;
        Spread { count, mean, median, p90, max }
    }

    fn of(&self, risk_level: RiskLevel) -> Sla {
        Sla {
            risk_level,
            roll_forward: RollForward {
                open_at_start: self.open_at_start,
                opened: self.opened,
                reopened: self.reopened,
                resolved: self.resolved,
                accepted: self.accepted,
                false_positive: self.false_positive,
                open_at_end: self.open_at_end,
            },
            hours_to_resolve: self.spread(),
            oldest_open_hours: self.oldest_open_hours,
            mean_open_hours: self.mean_open_hours,
            target_hours: sla::target_hours(risk_level),
            within_sla: Ratio::new(self.within_sla, self.resolved + self.overdue_open),
            overdue_open: self.overdue_open,
        }
    }
}
