//! Answers that are given again when a caller repeats a request with the same key.

use chrono::Duration;
use evidence::ids::OrgId;
use evidence::time::Time;
use sqlx::postgres::PgConnection;

use crate::Result;
use crate::column::Digest;

/// How long an answer is repeated: a client that retries a day later means another request.
pub const KEPT: Duration = Duration::hours(24);

/// An answer that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// SHA-256 of who asked for what.
    pub request_hash: [u8; 32],
    /// HTTP status.
    pub status: i32,
    pub body: String,
}

/// The answer that was given under this key, if any.
///
/// Until the transaction ends no other request can look up or store the same key: of two that come
/// at once the second waits, and then finds the first one's answer.
pub async fn find(
    conn: &mut PgConnection,
    org: OrgId,
    key: &str,
    now: Time,
) -> Result<Option<Answer>> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('idempotency ' || $1::text || $2, 0))",
        org.to_string(),
        key,
    )
    .fetch_one(&mut *conn)
    .await?;
    Ok(sqlx::query_as!(
        Answer,
        r#"
        select request_hash as "request_hash: Digest", status, body
          from idempotency_keys
         where org_id = $1 and key = $2 and created_at > $3
        "#,
        org.0,
        key,
        now - KEPT,
    )
    .fetch_optional(conn)
    .await?)
}

/// Keeps the answer, in the transaction of what it answers; the caller has looked the key up in the
/// same transaction. Old answers of the organisation go.
pub async fn store(
    conn: &mut PgConnection,
    org: OrgId,
    key: &str,
    answer: &Answer,
    now: Time,
) -> Result<()> {
    purge(conn, org, now).await?;
    sqlx::query!(
        "
        insert into idempotency_keys (org_id, key, request_hash, status, body, created_at)
        values ($1, $2, $3, $4, $5, $6)
        ",
        org.0,
        key,
        answer.request_hash.as_slice(),
        answer.status,
        answer.body,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes the organisation's answers whose time is over; how many.
pub async fn purge(conn: &mut PgConnection, org: OrgId, now: Time) -> Result<u64> {
    let done = sqlx::query!(
        "delete from idempotency_keys where org_id = $1 and created_at <= $2",
        org.0,
        now - KEPT,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
