//! Connections that are what their next user takes them for.
//!
//! Invariants
//! - No connection is used again whose transaction is still open. sqlx 0.9 loses sight of one in two ways: whoever waits for the
//!   answer to BEGIN goes away (a client hangs up; sqlx issue 4393), or the very text that began it fails further on (sqlx pull
//!   request 4409). It takes the connection for free then, and what its next users write is in a transaction that nobody commits.
//! - Whether a connection is still there is asked only after it has rested: who uses one right after another must expect
//!   that it breaks under its hands anyway.

use std::time::Duration;

use sqlx::postgres::{PgConnection, PgPoolOptions};
use sqlx::{Connection as _, Row as _};

/// Long enough that a busy service does not ask, and short enough that an idle one finds out.
pub const FRESH: Duration = Duration::from_secs(1);

/// What each pool begins with whose connections more than one user has. A connection that was in use within `fresh` is taken to
/// be there: [`FRESH`].
pub fn options(fresh: Duration) -> PgPoolOptions {
    PgPoolOptions::new()
        .test_before_acquire(false)
        .before_acquire(move |conn, past| {
            Box::pin(async move {
                if past.idle_for >= fresh {
                    conn.ping().await?;
                }
                Ok(true)
            })
        })
        // Not given back when it says no, or fails: in a transaction that has failed, every statement does.
        .after_release(|conn, _| Box::pin(is_outside_a_transaction(conn)))
}

/// A statement sent by itself is a transaction that begins with it. As text: what is prepared begins with an earlier message.
async fn is_outside_a_transaction(conn: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::raw_sql("select now() = statement_timestamp()").fetch_one(conn).await?.try_get(0)
}
