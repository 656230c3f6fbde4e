//! How many packs there are, and how large: for platform admins.

use chrono::Duration;
use evidence::time::Time;
use sqlx::postgres::PgConnection;

use super::Status;
use crate::Result;
use crate::column::{Count, Word};

/// How far ahead expiry is told.
pub const SOON: Duration = Duration::days(30);

/// The packs of every organisation that have a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    pub status: Status,
    pub packs: u64,
    /// Of their artifacts; those of expired and deleted packs are gone.
    pub bytes: u64,
    /// Finished ones that expire within [`SOON`].
    pub expiring: u64,
    /// Finished ones whose time is over: the next round of retention ends them.
    pub overdue: u64,
}

/// The packs of every organisation, by status. The transaction must work for the platform; one that works for an
/// organisation counts its own packs. Reads an index, which grows with the number of packs: to be remembered.
pub async fn figures(conn: &mut PgConnection, now: Time) -> Result<Vec<Figures>> {
    let rows = sqlx::query!(
        r#"
        select status as "status: Word<Status>", count(*) as "packs!: Count",
               coalesce(sum(size_bytes), 0)::bigint as "bytes!: Count",
               count(*) filter (where status = 'done' and expires_at > $1 and expires_at <= $2) as "expiring!: Count",
               count(*) filter (where status = 'done' and expires_at <= $1) as "overdue!: Count"
          from audit_exports
         group by status
         order by status
        "#,
        now,
        now + SOON,
    )
    .fetch_all(conn)
    .await?;
    let figures = rows.into_iter().map(|row| Figures {
        status: row.status.into(),
        packs: row.packs.into(),
        bytes: row.bytes.into(),
        expiring: row.expiring.into(),
        overdue: row.overdue.into(),
    });
    Ok(figures.collect())
}
