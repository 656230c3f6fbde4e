//! `coverage_monthly.csv`: how much was looked at, how often, month by month.

use evidence::ids::OrgId;
use evidence::metrics::Ratio;
use evidence::pack::{Coverage, Gap};
use evidence::time::{Period, Time};
use sqlx::postgres::PgConnection;

use crate::Result;
use crate::column::{Count, MaybeCount};

pub(super) const SQL: &str = include_str!("../sql/section/coverage_monthly.sql");
pub(super) const GAPS_SQL: &str = include_str!("../sql/section/gaps.sql");

/// One row of the answer.
struct Row {
    month: String,
    partial_month: bool,
    sources_in_scope: u64,
    sources_with_complete_scan: u64,
    scans_expected: Option<u64>,
    scans_done: u64,
    scans_partial: u64,
    scans_failed: u64,
    longest_gap_hours: Option<f64>,
    resources_checked: u64,
    resources_managed: u64,
    resources_compared: u64,
    drifted: u64,
}

/// One gap of the answer.
struct Blind {
    state_source: String,
    from: Time,
    to: Time,
    hours: f64,
    expected_interval_hours: Option<i32>,
    total: u64,
}

/// The longest gaps, and how many there are in all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gaps {
    /// At most twenty, the longest first.
    pub longest: Vec<Gap>,
    pub total: u64,
}

/// One row per calendar month of the period, months without scans included.
///
/// A source is in scope from its first scan or its registration, whichever is earlier. Resources are
/// those of the last complete scan of each source in the month; a scan that does not tell how many
/// it checked is in neither side of a ratio. `drift`: changed and missing ÷ checked.
pub async fn coverage_monthly(
    conn: &mut PgConnection,
    org: OrgId,
    period: Period,
) -> Result<Vec<Coverage>> {
    let rows = sqlx::query_file_as!(
        Row,
        "sql/section/coverage_monthly.sql",
        org.0,
        period.start,
        period.end,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Coverage::from).collect())
}

/// The times without a complete scan of a source in scope, as far as they lie in the period.
pub async fn gaps(conn: &mut PgConnection, org: OrgId, period: Period) -> Result<Gaps> {
    let rows = sqlx::query_file_as!(Blind, "sql/section/gaps.sql", org.0, period.start, period.end)
        .fetch_all(conn)
        .await?;
    let total = rows.first().map_or(0, |row| row.total);
    Ok(Gaps { longest: rows.into_iter().map(Gap::from).collect(), total })
}

impl From<Row> for Coverage {
    fn from(row: Row) -> Self {
        Self {
            month: row.month,
            partial_month: row.partial_month,
            scope: Ratio::new(row.sources_with_complete_scan, row.sources_in_scope),
            scans_expected: row.scans_expected,
            scans_done: row.scans_done,
            scans_partial: row.scans_partial,
            scans_failed: row.scans_failed,
            longest_gap_hours: row.longest_gap_hours,
            iac: Ratio::new(row.resources_managed, row.resources_checked),
            drift: Ratio::new(row.drifted, row.resources_compared),
        }
    }
}

impl From<Blind> for Gap {
    fn from(row: Blind) -> Self {
        Self {
            state_source: row.state_source,
            from: row.from,
            to: row.to,
            hours: row.hours,
            expected_interval_hours: row
                .expected_interval_hours
                .and_then(|hours| u32::try_from(hours).ok()),
        }
    }
}
