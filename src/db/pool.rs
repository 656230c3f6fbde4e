//! Connections that are what their next user takes them for.
//!
//! Invariant: no connection is used again whose transaction is still open. sqlx 0.9 loses sight of one in two ways: whoever waits
//! for the answer to BEGIN goes away (a client hangs up; sqlx issue 4393), or the very text that began it fails further on (sqlx
//! pull request 4409). It takes the connection for free then, and what its next users write is in a transaction that nobody
//! commits.

use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgPoolOptions};

/// What each pool begins with whose connections more than one user has.
pub fn options() -> PgPoolOptions {
    // Not given back when it says no, or fails: in a transaction that has failed, every statement does.
    PgPoolOptions::new().after_release(|conn, _| Box::pin(is_outside_a_transaction(conn)))
}

/// A statement sent by itself is a transaction that begins with it. As text: what is prepared begins with an earlier message.
async fn is_outside_a_transaction(conn: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::raw_sql("select now() = statement_timestamp()").fetch_one(conn).await?.try_get(0)
}
