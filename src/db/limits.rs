//! The database's part in counting requests: what Redis has forgotten is known here.
//!
//! A request that counts holds the lock in share from before Redis is asked until its rows are committed. Whoever vouches for a
//! Redis that was restarted, or is empty, holds it alone: then every request that ever took a place is in the rows, or came to nothing.

use evidence::ids::{ExportId, OrgId};
use evidence::time::Time;
use sqlx::postgres::PgConnection;

use crate::Result;

/// A request that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    pub id: ExportId,
    pub requested_at: Time,
}

/// Counts with the others until the transaction ends.
///
/// Errors, transient, when somebody holds the lock alone for longer than five seconds.
pub async fn join(conn: &mut PgConnection) -> Result<()> {
    sqlx::query!("select set_config('lock_timeout', '5s', true)").fetch_one(&mut *conn).await?;
    sqlx::query!("select pg_advisory_xact_lock_shared(hashtextextended('rate_limits', 0))")
        .fetch_one(&mut *conn)
        .await?;
    sqlx::query!("select set_config('lock_timeout', '0', true)").fetch_one(conn).await?;
    Ok(())
}

/// Waits until nobody counts, and keeps it so until the transaction ends.
///
/// Errors, transient, when requests are under way for longer than five seconds.
pub async fn hold(conn: &mut PgConnection) -> Result<()> {
    sqlx::query!("select set_config('lock_timeout', '5s', true)").fetch_one(&mut *conn).await?;
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('rate_limits', 0))")
        .fetch_one(conn)
        .await?;
    Ok(())
}

/// Notes that a Redis counts for this database from now on; whether one did before.
pub async fn establish(conn: &mut PgConnection, now: Time) -> Result<bool> {
    let done = sqlx::query!(
        "insert into rate_limits (established_at) values ($1) on conflict do nothing",
        now
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 0)
}

/// The latest accepted requests of an organisation after `since`, at most `limit`.
pub async fn accepted(
    conn: &mut PgConnection,
    org: OrgId,
    since: Time,
    limit: u32,
) -> Result<Vec<Known>> {
    Ok(sqlx::query_as!(
        Known,
        r#"
        select id, requested_at
          from audit_exports
         where org_id = $1 and requested_at > $2
         order by requested_at desc, id desc
         limit $3
        "#,
        org.0,
        since,
        i64::from(limit),
    )
    .fetch_all(conn)
    .await?)
}
