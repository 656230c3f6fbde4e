//! How a transaction ends that has added to an audit chain which many add to at once.
//!
//! Invariants
//! - Nobody is told of success before the write-ahead log is on disk up to the commit, as far as the database's own
//!   `synchronous_commit` asks for it. To let locks go and to wait are one function, and nothing else commits without waiting.
//! - An error does not say that nothing was committed: as when the answer to a COMMIT gets lost.
//!
//! Why it is sound: README, "The flush is shared".

use sqlx::{Postgres, Transaction};

use crate::Result;

/// Commits, which lets the chain's head go at once, then waits until the disk has all of it.
///
/// The transaction that it waits in writes a message that nobody reads: one that has written nothing would not wait.
/// What was read, too, is on disk then, even when nothing was written.
pub async fn sharing_flush(mut tx: Transaction<'static, Postgres>) -> Result<()> {
    sqlx::raw_sql(
        "set local synchronous_commit = off;
         commit and chain;
         select pg_logical_emit_message(true, 'driftpack', '')",
    )
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}
