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

pub(super) const ACTIONS_SQL: &str = include_str!("../sql/section/audit_actions.sql");

/// How often something was done in the period, and where in the log it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    pub action: String,
    pub entries: u64,
    pub first_seq: i64,
    pub last_seq: i64,
}

/// By action.
pub async fn audit_actions(
    conn: &mut PgConnection,
    chain: ChainId,
    period: Period,
) -> Result<Vec<Done>> {
    Ok(sqlx::query_file_as!(
        Done,
        "sql/section/audit_actions.sql",
        chain.as_uuid(),
        period.start,
        period.end,
    )
    .fetch_all(conn)
    .await?)
}

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
