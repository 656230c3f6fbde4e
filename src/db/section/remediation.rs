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
use crate::column::{Count, Word};

pub(super) const SQL: &str = include_str!("../sql/section/remediation_sla.sql");

/// One row of the answer.
struct Row {
    risk_level: RiskLevel,
    open_at_start: u64,
    opened: u64,
    reopened: u64,
    resolved: u64,
    accepted: u64,
    false_positive: u64,
    open_at_end: u64,
    mean: Option<f64>,
    median: Option<f64>,
    p90: Option<f64>,
    max: Option<f64>,
    oldest_open_hours: Option<f64>,
    mean_open_hours: Option<f64>,
    within_sla: u64,
    overdue_open: u64,
}

/// One row per risk level, the most severe first, levels without findings included.
///
/// Levels are as at detection. Hours to resolve run from the latest opening to the scan that did not
/// show the drift any more, for findings resolved in the period; ages of open findings run to its
/// end. The 90th percentile and the median are interpolated (`percentile_cont`).
pub async fn remediation_sla(
    conn: &mut PgConnection,
    org: OrgId,
    period: Period,
) -> Result<Vec<Sla>> {
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
    Ok(rows.into_iter().map(Sla::from).collect())
}

impl From<Row> for Sla {
    fn from(row: Row) -> Self {
        Self {
            risk_level: row.risk_level,
            roll_forward: RollForward {
                open_at_start: row.open_at_start,
                opened: row.opened,
                reopened: row.reopened,
                resolved: row.resolved,
                accepted: row.accepted,
                false_positive: row.false_positive,
                open_at_end: row.open_at_end,
            },
            hours_to_resolve: Spread {
                count: row.resolved,
                mean: row.mean,
                median: row.median,
                p90: row.p90,
                max: row.max,
            },
            oldest_open_hours: row.oldest_open_hours,
            mean_open_hours: row.mean_open_hours,
            target_hours: sla::target_hours(row.risk_level),
            within_sla: Ratio::new(row.within_sla, row.resolved + row.overdue_open),
            overdue_open: row.overdue_open,
        }
    }
}
