//! A connection that is lent for one transaction.
//!
//! Invariant: it goes back to its pool only after the transaction has come to its end. A future that is dropped while
//! a statement is on its way may leave the transaction open, or the statement running; such a connection is closed.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};

use crate::Failure;

pub(crate) struct Lent {
    conn: PoolConnection<Postgres>,
    is_clean: bool,
}

impl Lent {
    pub(crate) async fn from(pool: &PgPool) -> Result<Self, Failure> {
        let conn = pool.acquire().await.map_err(Failure::transient)?;
        Ok(Self { conn, is_clean: false })
    }

    /// The transaction has committed or was rolled back.
    pub(crate) fn give_back(mut self) {
        self.is_clean = true;
    }
}

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.conn
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.conn
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.is_clean {
            self.conn.close_on_drop();
        }
    }
}

/// Begins a transaction whose statements do not outlive `limit`, also when nobody is left to cancel them.
pub(crate) fn begin(limit: Duration) -> String {
    let millis = limit.as_millis().clamp(1, i32::MAX.unsigned_abs().into());
    format!("begin; set local statement_timeout = {millis}")
}
