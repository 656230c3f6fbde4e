//! One moment of the database, for one organisation.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use evidence::ids::OrgId;
use evidence::time::Time;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, PgPool, Postgres, SqlSafeStr as _, Transaction};

use crate::{Result, scope};

/// How long a connection beside the first is waited for: enough to open one.
const PATIENCE: Duration = Duration::from_millis(500);

/// A transaction that sees one moment and can change nothing.
pub struct Snapshot {
    tx: Transaction<'static, Postgres>,
    org: OrgId,
    moment: Moment,
}

/// Which moment it was: what the pack's provenance says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// `pg_current_snapshot()`.
    pub snapshot_id: String,
    pub taken_at: Time,
    /// Position in the write-ahead log.
    pub wal_lsn: String,
    /// The newest migration.
    pub schema_version: i64,
    /// As the server says it.
    pub server_version: String,
    /// Which installation: the identifier that the database system got when it was made, and the database's name.
    pub installation: String,
}

impl Snapshot {
    pub async fn begin(pool: &PgPool, org: OrgId) -> Result<Self> {
        let mut tx = pool.begin_with("begin isolation level repeatable read read only").await?;
        let moment = prepare(&mut tx, org).await?;
        Ok(Self { tx, org, moment })
    }

    /// Another connection that sees the same moment, for reading two things at once. `None` when the pool
    /// has no connection to spare: who holds one does not wait for a second one, or all would wait for each other.
    pub async fn beside(&mut self, pool: &PgPool) -> Result<Option<Self>> {
        let exported = sqlx::query_scalar::<_, String>("select pg_export_snapshot()");
        let id = exported.fetch_one(&mut *self.tx).await?;
        let begin = "begin isolation level repeatable read read only";
        let Some(conn) = spare(pool).await? else { return Ok(None) };
        let mut tx = Transaction::begin(conn, Some(begin.into_sql_str())).await?;
        // The server's own word for it: digits and hyphens.
        let set = format!("set transaction snapshot '{}'", id.replace('\'', ""));
        sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut *tx).await?;
        settle(&mut tx, self.org).await?;
        Ok(Some(Self { tx, org: self.org, moment: self.moment.clone() }))
    }

    pub fn moment(&self) -> &Moment {
        &self.moment
    }

    /// Ends the transaction. (Dropping it does too.)
    pub async fn close(self) -> Result<()> {
        Ok(self.tx.commit().await?)
    }
}

impl Deref for Snapshot {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.tx
    }
}

impl DerefMut for Snapshot {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.tx
    }
}

/// A connection that is free, or that the pool may still open: one that has just begun has few, and who takes what happens to be
/// free would read everything over one.
async fn spare(pool: &PgPool) -> Result<Option<PoolConnection<Postgres>>> {
    let may_open = pool.size() < pool.options().get_max_connections();
    if pool.num_idle() == 0 && !may_open {
        return Ok(None);
    }
    // Others may be quicker; then there is none after all.
    match tokio::time::timeout(PATIENCE, pool.acquire()).await {
        Ok(Err(sqlx::Error::PoolTimedOut)) | Err(_) => Ok(None),
        Ok(conn) => Ok(Some(conn?)),
    }
}

async fn prepare(conn: &mut PgConnection, org: OrgId) -> Result<Moment> {
    settle(conn, org).await?;
    Ok(sqlx::query_file_as!(Moment, "sql/moment.sql").fetch_one(conn).await?)
}

async fn settle(conn: &mut PgConnection, org: OrgId) -> Result<()> {
    scope(conn, org).await?;
    // Long scans and big joins. Compiling them costs more than it saves; hash tables of a million
    // findings should not go to disk at once; parallel workers would each build the same ones, for
    // three times the work and no time gained. A scan begins where the table does and not where another one is: sums of
    // fractions depend on the order, and two packs of one moment must say the same to the last digit.
    sqlx::query!(
        "
        select set_config('jit', 'off', true) as jit,
               set_config('work_mem', '64MB', true) as work_mem,
               set_config('max_parallel_workers_per_gather', '0', true) as workers,
               set_config('synchronize_seqscans', 'off', true) as scans,
               set_config('TimeZone', 'UTC', true) as time_zone
        "
    )
    .fetch_one(&mut *conn)
    .await?;
    Ok(())
}
