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
    /// `None`: it held a secret that is shown once.
    pub body: Option<String>,
}

/// Whose keys they are: those of organisations and those of the platform do not meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Org(OrgId),
    Platform,
}

impl Owner {
    fn name(self) -> String {
        match self {
            Self::Org(org) => org.to_string(),
            Self::Platform => "platform ".to_owned(),
        }
    }
}

/// The answer that was given under this key, if any.
///
/// Until the transaction ends no other request can look up or store the same key: of two that come
/// at once the second waits, and then finds the first one's answer.
pub async fn find(
    conn: &mut PgConnection,
    owner: Owner,
    key: &str,
    now: Time,
) -> Result<Option<Answer>> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('idempotency ' || $1::text || $2, 0))",
        owner.name(),
        key,
    )
    .fetch_one(&mut *conn)
    .await?;
    let since = now - KEPT;
    Ok(match owner {
        Owner::Org(org) => {
            sqlx::query_as!(
                Answer,
                r#"
                select request_hash as "request_hash: Digest", status, body
                  from idempotency_keys
                 where org_id = $1 and key = $2 and created_at > $3
                "#,
                org.0,
                key,
                since,
            )
            .fetch_optional(conn)
            .await?
        }
        Owner::Platform => {
            sqlx::query_as!(
                Answer,
                r#"
                select request_hash as "request_hash: Digest", status, body
                  from platform_idempotency_keys
                 where key = $1 and created_at > $2
                "#,
                key,
                since,
            )
            .fetch_optional(conn)
            .await?
        }
    })
}

/// Keeps the answer, in the transaction of what it answers; the caller has looked the key up in the
/// same transaction. Answers of the same owner whose time is over go.
pub async fn store(
    conn: &mut PgConnection,
    owner: Owner,
    key: &str,
    answer: &Answer,
    now: Time,
) -> Result<()> {
    purge(conn, owner, now).await?;
    match owner {
        Owner::Org(org) => {
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
            .await?
        }
        Owner::Platform => {
            sqlx::query!(
                "
                insert into platform_idempotency_keys (key, request_hash, status, body, created_at)
                values ($1, $2, $3, $4, $5)
                ",
                key,
                answer.request_hash.as_slice(),
                answer.status,
                answer.body,
                now,
            )
            .execute(conn)
            .await?
        }
    };
    Ok(())
}

/// Removes answers whose time is over; how many.
pub async fn purge(conn: &mut PgConnection, owner: Owner, now: Time) -> Result<u64> {
    let until = now - KEPT;
    let done = match owner {
        Owner::Org(org) => {
            sqlx::query!(
                "delete from idempotency_keys where org_id = $1 and created_at <= $2",
                org.0,
                until,
            )
            .execute(conn)
            .await?
        }
        Owner::Platform => {
            sqlx::query!("delete from platform_idempotency_keys where created_at <= $1", until)
                .execute(conn)
                .await?
        }
    };
    Ok(done.rows_affected())
}
