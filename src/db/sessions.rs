//! Browsers that are signed in, on the server's side.
//!
//! Invariants
//! - Only a hash of a session's id is stored: who reads the table cannot sign in with what it says.
//! - A session is found only while both of its times run: the one that moves with use, and the one that does not.
//! - Nothing about what a person may do is stored with a session: each request asks anew.

use chrono::Duration;
use evidence::ids::UserId;
use evidence::time::Time;
use sqlx::postgres::PgConnection;

use crate::Result;
use crate::users::User;

/// How long sessions live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// Without use.
    pub idle: Duration,
    /// However much it is used.
    pub whole: Duration,
}

/// SHA-256 of a session's id.
pub type IdHash = [u8; 32];

/// Use is written down at most so often: most requests only read.
const SEEN_AGAIN: Duration = Duration::minutes(1);

/// Begins a session of `user`. The caller has made its id of fresh randomness.
pub async fn begin(
    conn: &mut PgConnection,
    id_hash: IdHash,
    user: UserId,
    lifetime: Lifetime,
    now: Time,
) -> Result<()> {
    sqlx::query!(
        "
        insert into sessions (id_hash, user_id, created_at, seen_at, expires_at, ends_at)
        values ($1, $2, $3, $3, least($4, $5::timestamptz), $5)
        ",
        id_hash.as_slice(),
        user.0,
        now,
        now + lifetime.idle,
        now + lifetime.whole,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whose session this is, as they are now; `None`: there is none, or its time is over. Its time moves.
pub async fn find(
    conn: &mut PgConnection,
    id_hash: IdHash,
    lifetime: Lifetime,
    now: Time,
) -> Result<Option<User>> {
    let found = sqlx::query!(
        "select user_id, seen_at from sessions where id_hash = $1 and expires_at > $2",
        id_hash.as_slice(),
        now,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(session) = found else { return Ok(None) };
    if now - session.seen_at >= SEEN_AGAIN {
        touch(conn, id_hash, lifetime, now).await?;
    }
    crate::users::find(conn, UserId(session.user_id)).await
}

/// Never brings back what has ended meanwhile, and never shortens what a later request has won.
async fn touch(
    conn: &mut PgConnection,
    id_hash: IdHash,
    lifetime: Lifetime,
    now: Time,
) -> Result<()> {
    sqlx::query!(
        "
        update sessions
           set seen_at = greatest(seen_at, $2),
               expires_at = least(greatest(expires_at, $3), ends_at)
         where id_hash = $1 and expires_at > $2
        ",
        id_hash.as_slice(),
        now,
        now + lifetime.idle,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends a session; whether there was one.
pub async fn end(conn: &mut PgConnection, id_hash: IdHash) -> Result<bool> {
    let done = sqlx::query!("delete from sessions where id_hash = $1", id_hash.as_slice())
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Removes at most `limit` sessions whose time is over; how many.
pub async fn purge(conn: &mut PgConnection, now: Time, limit: u32) -> Result<u64> {
    let done = sqlx::query!(
        "
        delete from sessions
         where id_hash in (
           select id_hash from sessions where expires_at <= $1 order by expires_at limit $2
           for update skip locked
         )
        ",
        now,
        i64::from(limit),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
