//! Which part of the audit log belongs to a period. The texts themselves: `chain::Verification::lines`.

use evidence::chain::ChainId;
use evidence::pack::AuditRange;
use evidence::time::Period;
use sqlx::postgres::PgConnection;

use crate::Result;
use crate::column::Count;

pub(super) const SQL: &str = include_str!("../sql/section/audit_log.sql");
/// What is asked is the whole chain, once, to hash it again; these are the rows of it that an auditor may ask for.
pub(super) const EVENTS_SQL: &str = include_str!("../sql/section/audit_events.sql");
/// Nor is this asked: it is counted while that chain is read, [`crate::chain::Verification::done`].
pub(super) const ACTIONS_SQL: &str = include_str!("../sql/section/audit_actions.sql");

pub async fn audit_range(
    conn: &mut PgConnection,
    chain: ChainId,
    period: Period,
) -> Result<AuditRange> {
    Ok(sqlx::query_file_as!(
        AuditRange,
        "sql/section/audit_log.sql",
        chain.as_uuid(),
        period.start,
        period.end,
    )
    .fetch_one(conn)
    .await?)
}
