//! Migrations, tried one after the other on a database without rows, each watched while its transaction is open.

use std::collections::HashMap;

use serde::Serialize;
use sqlx::migrate::{Migrate as _, MigrateError, Migration};
use sqlx::postgres::types::Oid;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::{Difference, Family, Inventory, Kind, Standing};
use crate::{Error, Result};

/// What a migration does.
#[derive(Debug, Serialize)]
pub struct Trial {
    pub family: &'static str,
    pub version: i64,
    pub name: String,
    pub kind: Kind,
    /// One that is not takes its locks statement by statement, so that nobody can look at them: of its tables nothing is known.
    pub is_in_transaction: bool,
    #[serde(flatten)]
    pub difference: Difference,
    /// What programs of the version before would miss or stumble over.
    pub breaches: Vec<String>,
    /// Tables that were there before, by name.
    pub tables: Vec<Touched>,
}

/// What a migration does to a table that was there before.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Touched {
    pub table: String,
    /// The strongest lock that it takes, and keeps to its end.
    pub lock: Lock,
    /// Every row is written anew, into new files.
    pub is_rewritten: bool,
    /// Every row is read, under the lock.
    pub is_scanned: bool,
}

/// The locks on tables that Postgres knows, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lock {
    AccessShare,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

impl Lock {
    const ALL: [(Self, &'static str); 8] = [
        (Self::AccessShare, "AccessShareLock"),
        (Self::RowShare, "RowShareLock"),
        (Self::RowExclusive, "RowExclusiveLock"),
        (Self::ShareUpdateExclusive, "ShareUpdateExclusiveLock"),
        (Self::Share, "ShareLock"),
        (Self::ShareRowExclusive, "ShareRowExclusiveLock"),
        (Self::Exclusive, "ExclusiveLock"),
        (Self::AccessExclusive, "AccessExclusiveLock"),
    ];

    /// By the name that `pg_locks` gives it.
    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(lock, _)| lock)
    }

    /// As people write it: `access exclusive`.
    pub fn words(self) -> &'static str {
        match self {
            Self::AccessShare => "access share",
            Self::RowShare => "row share",
            Self::RowExclusive => "row exclusive",
            Self::ShareUpdateExclusive => "share update exclusive",
            Self::Share => "share",
            Self::ShareRowExclusive => "share row exclusive",
            Self::Exclusive => "exclusive",
            Self::AccessExclusive => "access exclusive",
        }
    }

    /// What waits while it is held.
    pub fn blocks(self) -> &'static str {
        match self {
            Self::AccessExclusive => "reads and writes",
            Self::Share | Self::ShareRowExclusive | Self::Exclusive => "writes",
            _ => "nothing",
        }
    }
}

/// Brings a database that has nothing to where the ledgers say that another one stands, then tries what is pending there.
///
/// # Errors
/// When a migration fails; nothing can be said of those after it.
pub async fn migrate_copy(
    conn: &mut PgConnection,
    families: &[(Family, Standing)],
) -> Result<Vec<Trial>> {
    sqlx::raw_sql("set statement_timeout = '5min'").execute(&mut *conn).await?;
    for (family, standing) in families {
        let schema = format!("create schema if not exists {}", family.schema);
        sqlx::raw_sql(AssertSqlSafe(schema)).execute(&mut *conn).await?;
        // Migrations may speak of it.
        conn.ensure_migrations_table(family.ledger).await?;
        for migration in &standing.applied {
            carry_out(conn, migration).await?;
        }
    }
    let mut trials = Vec::new();
    for (family, standing) in families {
        for migration in &standing.pending {
            trials.push(try_out(conn, *family, migration).await?);
        }
    }
    Ok(trials)
}

async fn try_out(conn: &mut PgConnection, family: Family, migration: &Migration) -> Result<Trial> {
    let before = Inventory::take(conn).await?;
    let tables = if migration.no_tx {
        carry_out(conn, migration).await?;
        Vec::new()
    } else {
        watched(conn, migration).await?
    };
    let after = Inventory::take(conn).await?;
    Ok(Trial {
        family: family.name,
        version: migration.version,
        name: migration.description.to_string(),
        kind: Kind::of(migration),
        is_in_transaction: !migration.no_tx,
        difference: before.until(&after),
        breaches: before.broken_by(&after),
        tables,
    })
}

async fn watched(conn: &mut PgConnection, migration: &Migration) -> Result<Vec<Touched>> {
    let mut tx = conn.begin().await?;
    let before = tables(&mut tx).await?;
    carry_out(&mut tx, migration).await?;
    let locks = locks(&mut tx).await?;
    let after = tables(&mut tx).await?;
    tx.commit().await?;
    let touched = |(oid, (table, file, begun)): (&Oid, &(String, Option<Oid>, i64))| {
        let lock = *locks.get(oid)?;
        let now = after.get(oid);
        Some(Touched {
            table: table.clone(),
            lock,
            is_rewritten: now.is_some_and(|(_, now, _)| now != file),
            is_scanned: now.is_some_and(|(.., now)| now > begun),
        })
    };
    let mut touched: Vec<_> = before.iter().filter_map(touched).collect();
    touched.sort_by(|a, b| a.table.cmp(&b.table));
    Ok(touched)
}

async fn carry_out(conn: &mut PgConnection, migration: &Migration) -> Result<()> {
    let done = sqlx::raw_sql(migration.sql.clone()).execute(conn).await;
    done.map_err(|error| Error::Migrate(MigrateError::ExecuteMigration(error, migration.version)))?;
    Ok(())
}

/// Name, file and begun scans of each table. The scans are those that this session has not reported yet, which it does between
/// transactions: they can be compared within one.
async fn tables(conn: &mut PgConnection) -> Result<HashMap<Oid, (String, Option<Oid>, i64)>> {
    let query = "
        select c.oid, n.nspname || '.' || c.relname, pg_relation_filenode(c.oid),
               pg_stat_get_xact_numscans(c.oid)
          from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'p', 'm') and n.nspname !~ '^pg_'
           and n.nspname <> 'information_schema'";
    let rows: Vec<(Oid, String, Option<Oid>, i64)> = sqlx::query_as(query).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|(oid, name, file, scans)| (oid, (name, file, scans))).collect())
}

/// The strongest lock on each relation that this session holds.
async fn locks(conn: &mut PgConnection) -> Result<HashMap<Oid, Lock>> {
    let query = "
        select relation, mode from pg_locks
         where pid = pg_backend_pid() and locktype = 'relation' and granted
           and database = (select oid from pg_database where datname = current_database())";
    let rows: Vec<(Oid, String)> = sqlx::query_as(query).fetch_all(conn).await?;
    let mut strongest = HashMap::new();
    for (oid, mode) in rows {
        if let Some(lock) = Lock::named(&mode) {
            let held = strongest.entry(oid).or_insert(lock);
            *held = lock.max(*held);
        }
    }
    Ok(strongest)
}
