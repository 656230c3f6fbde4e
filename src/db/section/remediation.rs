//! What became of the findings: how many were open, came and went, per risk level and month by month, and how fast they were closed.

use evidence::backlog::{self, OpenMonth, Transitions};
use evidence::ids::OrgId;
use evidence::metrics::{Ratio, RollForward};
use evidence::pack::{Sla, Spread};
use evidence::risk::RiskLevel;
use evidence::sla;
use evidence::time::Period;
use serde::Deserialize;
use sqlx::postgres::PgConnection;
use sqlx::types::Json;

use crate::Result;
use crate::column::{Count, Word};

pub(super) const SQL: &str = include_str!("../sql/section/remediation_sla.sql");

const _: () = assert!(RiskLevel::ALL.len() == 4, "the statement names the levels one by one");

/// What became of the findings of a period.
#[derive(Debug, Clone, PartialEq)]
pub struct Remediation {
    /// `remediation_sla.csv`: one row per risk level as at detection, the most severe first, levels without findings included.
    ///
    /// Hours to resolve run from the latest opening to the scan that did not show the drift any more, for findings resolved in the
    /// period; ages of open findings run to its end. The 90th percentile and the median are interpolated (`percentile_cont`).
    pub levels: Vec<Sla>,
    /// Every month of the period.
    pub months: Vec<OpenMonth>,
    /// Of all levels together.
    pub hours_to_resolve: Spread,
}

/// One row of the answer: a risk level, and beside it the spread over all of them.
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
    /// Absent: nothing happened.
    months: Option<Json<Vec<Moves>>>,
    mean_of_all: Option<f64>,
    median_of_all: Option<f64>,
    p90_of_all: Option<f64>,
    max_of_all: Option<f64>,
}

/// What happened in a month in which something did.
#[derive(Debug, Deserialize)]
struct Moves {
    /// `2026-01`.
    month: String,
    opened: u64,
    reopened: u64,
    resolved: u64,
    accepted: u64,
    false_positive: u64,
}

pub async fn remediation(
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
    Ok(told(&period, rows))
}

fn told(period: &Period, rows: Vec<Row>) -> Remediation {
    let hours_to_resolve = rows.first().map(|row| Spread {
        count: rows.iter().map(|row| row.resolved).sum(),
        mean: row.mean_of_all,
        median: row.median_of_all,
        p90: row.p90_of_all,
        max: row.max_of_all,
    });
    let levels: Vec<_> = rows.iter().map(Sla::from).collect();
    let transitions = rows.into_iter().flat_map(Row::transitions);
    Remediation {
        months: backlog::months(period, &levels, transitions),
        hours_to_resolve: hours_to_resolve.unwrap_or_default(),
        levels,
    }
}

impl Row {
    fn transitions(self) -> impl Iterator<Item = Transitions> {
        let Self { risk_level, months, .. } = self;
        let months = months.map(|Json(months)| months).unwrap_or_default();
        months.into_iter().map(move |month| Transitions {
            month: month.month,
            risk_level,
            opened: month.opened,
            reopened: month.reopened,
            resolved: month.resolved,
            accepted: month.accepted,
            false_positive: month.false_positive,
        })
    }
}

impl From<&Row> for Sla {
    fn from(row: &Row) -> Self {
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
