//! How the open findings came and went, month by month.

use evidence::backlog::{self, OpenMonth, Transitions};
use evidence::ids::OrgId;
use evidence::pack::Sla;
use evidence::risk::RiskLevel;
use evidence::time::Period;
use sqlx::postgres::PgConnection;

use crate::Result;
use crate::column::{Count, Word};

pub(super) const SQL: &str = include_str!("../sql/section/open_monthly.sql");

/// Every month of the period, from what `levels` say was open at its start.
pub async fn open_monthly(
    conn: &mut PgConnection,
    org: OrgId,
    period: Period,
    levels: &[Sla],
) -> Result<Vec<OpenMonth>> {
    let rows = sqlx::query_file_as!(
        Transitions,
        "sql/section/open_monthly.sql",
        org.0,
        period.start,
        period.end,
    )
    .fetch_all(conn)
    .await?;
    Ok(backlog::months(&period, levels, rows))
}
