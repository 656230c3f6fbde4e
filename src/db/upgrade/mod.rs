//! What migrations will do to a database, found out without touching it.
//!
//! A migration that is tried on the database itself holds its locks while it is tried, rolled back or not; whoever reads a
//! table then waits. So it is tried on a copy without rows: a database of its own on the same server, made by the migrations
//! that have been applied, and dropped afterwards. From the database itself only the ledgers and the sizes of tables are read.
//!
//! Invariants: nothing of the database changes. A copy that was left behind by a process that was killed goes with the next.
//! What locks are taken, what is rewritten and what is read from end to end does not depend on rows, so the copy tells it;
//! how long it takes does, so nothing here says so.

mod copy;
mod inventory;
mod trial;

use serde::Serialize;
use sqlx::migrate::{Migration, Migrator};
use sqlx::{AssertSqlSafe, PgConnection};

pub use copy::{Copy, may_be_made};
pub use inventory::{Difference, Inventory};
pub use trial::{Lock, Touched, Trial, migrate_copy};

use crate::{MIGRATOR, Result};

/// How long a question to the database itself may take, and how long it may wait for a lock.
const PATIENCE: &str = "set statement_timeout = '10s'; set lock_timeout = '1s'; set default_transaction_read_only = on";

/// Migrations with a ledger of their own.
#[derive(Clone, Copy)]
pub struct Family {
    /// Whose they are, for people.
    pub name: &'static str,
    pub migrator: &'static Migrator,
    /// The table that says which were applied, with its schema.
    pub ledger: &'static str,
    /// The schema that must be there before the first one.
    pub schema: &'static str,
}

impl Family {
    /// The application's own.
    pub fn application() -> Self {
        Self {
            name: "driftpack",
            migrator: &MIGRATOR,
            ledger: "public._sqlx_migrations",
            schema: "public",
        }
    }
}

/// How a migration gets along with servers and workers of the version before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It only adds: they go on.
    Expand,
    /// It takes away or narrows what they use: none may run when it is applied.
    Contract,
    /// From before there were versions.
    Unmarked,
}

impl Kind {
    /// What the first line of the file says; the second one of a migration that is carried out without a transaction.
    pub fn of(migration: &Migration) -> Self {
        let mut lines = migration.sql.as_str().lines().map(str::trim_end);
        match lines.find(|line| *line != "-- no-transaction") {
            Some("-- expand") => Self::Expand,
            Some("-- contract") => Self::Contract,
            _ => Self::Unmarked,
        }
    }
}

/// Where a database stands with the migrations of a family.
#[derive(Debug, Default)]
pub struct Standing {
    pub applied: Vec<&'static Migration>,
    /// In the order in which they will be applied.
    pub pending: Vec<&'static Migration>,
    /// Applied with another content, or not to their end.
    pub changed: Vec<i64>,
    /// Applied by a later version of the program.
    pub unknown: Vec<i64>,
}

/// Makes a connection to the database itself harmless: it only reads, and waits for nobody.
///
/// # Errors
/// When the database cannot answer.
pub async fn be_harmless(conn: &mut PgConnection) -> Result<()> {
    sqlx::raw_sql(PATIENCE).execute(conn).await?;
    Ok(())
}

/// Reads the ledger of a family.
///
/// # Errors
/// When the database cannot answer, or the role may not read it.
pub async fn standing(conn: &mut PgConnection, family: Family) -> Result<Standing> {
    let is_there: bool = sqlx::query_scalar("select to_regclass($1) is not null")
        .bind(family.ledger)
        .fetch_one(&mut *conn)
        .await?;
    let mut rows: Vec<(i64, bool, Vec<u8>)> = Vec::new();
    if is_there {
        let query = format!("select version, success, checksum from {}", family.ledger);
        rows = sqlx::query_as(AssertSqlSafe(query)).fetch_all(conn).await?;
    }
    let mut standing = Standing::default();
    for migration in family.migrator.iter() {
        let place = rows.iter().position(|(version, ..)| *version == migration.version);
        match place.map(|place| rows.swap_remove(place)) {
            None => standing.pending.push(migration),
            Some((_, true, sum)) if sum == *migration.checksum => standing.applied.push(migration),
            Some((version, ..)) => standing.changed.push(version),
        }
    }
    standing.unknown = rows.into_iter().map(|(version, ..)| version).collect();
    standing.unknown.sort_unstable();
    Ok(standing)
}

/// How large a table is, with its indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Size {
    /// As the planner estimates; none: nobody has looked yet.
    pub rows: Option<u64>,
    pub bytes: u64,
}

/// The size of a table; none where there is no such table, or somebody keeps everybody from it just now.
///
/// # Errors
/// When the database cannot answer.
pub async fn size(conn: &mut PgConnection, table: &str) -> Result<Option<Size>> {
    const LOCK_NOT_AVAILABLE: &str = "55P03";
    let found: sqlx::Result<Option<(f32, i64)>> = sqlx::query_as(
        "select reltuples, pg_total_relation_size(oid) from pg_class where oid = to_regclass($1)",
    )
    .bind(table)
    .fetch_optional(conn)
    .await;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate; what is below zero says that there is none"
    )]
    let size = |(rows, bytes): (f32, i64)| Size {
        rows: (rows >= 0.0).then_some(rows as u64),
        bytes: bytes.unsigned_abs(),
    };
    match found {
        Err(sqlx::Error::Database(error))
            if error.code().as_deref() == Some(LOCK_NOT_AVAILABLE) =>
        {
            Ok(None)
        }
        found => Ok(found?.map(size)),
    }
}
