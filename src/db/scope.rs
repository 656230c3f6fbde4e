//! For whom a transaction works: the setting that row security compares every row with.
//!
//! Invariants
//! - The setting is local to the transaction: a connection that goes back to its pool works for
//!   nobody.
//! - Without it a query sees no customer row at all, and can write none.

use std::ops::{Deref, DerefMut};

use evidence::ids::OrgId;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};
use uuid::Uuid;

use crate::{Result, commit};

/// A transaction that sees and changes the rows of one organisation only. Dropped: rolled back.
pub struct OrgTx {
    tx: Transaction<'static, Postgres>,
    org: OrgId,
}

impl OrgTx {
    pub async fn begin(pool: &PgPool, org: OrgId) -> Result<Self> {
        Self::begin_as("begin", pool, org).await
    }

    /// One that sees one moment, whatever others commit meanwhile, and changes nothing.
    pub async fn begin_reading(pool: &PgPool, org: OrgId) -> Result<Self> {
        Self::begin_as("begin isolation level repeatable read read only", pool, org).await
    }

    async fn begin_as(begin: &str, pool: &PgPool, org: OrgId) -> Result<Self> {
        // One message: an id is digits and hyphens.
        let begin = format!("{begin}; set local driftpack.org_id = '{}'", org.0);
        let tx = pool.begin_with(AssertSqlSafe(begin)).await?;
        Ok(Self { tx, org })
    }

    pub fn org(&self) -> OrgId {
        self.org
    }

    pub async fn commit(self) -> Result<()> {
        Ok(self.tx.commit().await?)
    }

    /// Commits by [`commit::sharing_flush`]: where many add to the organisation's chain at once.
    pub async fn commit_sharing_flush(self) -> Result<()> {
        commit::sharing_flush(self.tx).await
    }

    pub async fn rollback(self) -> Result<()> {
        Ok(self.tx.rollback().await?)
    }
}

impl Deref for OrgTx {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.tx
    }
}

impl DerefMut for OrgTx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.tx
    }
}

/// From here to its end the transaction works for `org`. Outside a transaction it has no effect.
pub async fn scope(conn: &mut PgConnection, org: OrgId) -> Result<()> {
    set(conn, org.0).await
}

/// From here to its end the transaction works for the platform: its audit chain, what checks found of every chain, and the
/// rows of packs to be counted ([`crate::exports::figures`]). No other row of a customer.
pub async fn scope_platform(conn: &mut PgConnection) -> Result<()> {
    set(conn, Uuid::nil()).await
}

/// For whom the transaction works; `None`: for nobody.
pub(crate) async fn current(conn: &mut PgConnection) -> Result<Option<Uuid>> {
    Ok(sqlx::query_scalar!("select driftpack_org()").fetch_one(conn).await?)
}

/// Works for `id`, or for nobody.
pub(crate) async fn restore(conn: &mut PgConnection, id: Option<Uuid>) -> Result<()> {
    let id = id.map(|id| id.to_string()).unwrap_or_default();
    sqlx::query!("select set_config('driftpack.org_id', $1, true)", id).fetch_one(conn).await?;
    Ok(())
}

async fn set(conn: &mut PgConnection, id: Uuid) -> Result<()> {
    restore(conn, Some(id)).await
}
