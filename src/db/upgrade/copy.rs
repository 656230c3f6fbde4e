//! A database without rows, on the same server, for as long as something is tried on it.
//!
//! Invariant: its name says which backend made it, so that nobody takes away what somebody else works with, and what a process
//! that was killed has left is known for what it is.

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::Result;

/// Before the process id of the backend that makes it.
const PREFIX: &str = "driftpack_plan_";

/// How long making and removing it may take.
const PATIENCE: &str = "set statement_timeout = '60s'";

/// The copy. It is there until [`Copy::remove`].
pub struct Copy {
    /// To the database itself. While it lives, the copy is somebody's.
    maker: PgConnection,
    name: String,
    options: PgConnectOptions,
}

/// Whether the role of this connection may make databases.
///
/// # Errors
/// When the database cannot answer.
pub async fn may_be_made(conn: &mut PgConnection) -> Result<bool> {
    let query = "select rolcreatedb or rolsuper from pg_roles where rolname = current_user";
    Ok(sqlx::query_scalar(query).fetch_one(conn).await?)
}

impl Copy {
    /// Makes it beside the database that `options` lead to, and removes what others have left behind.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn make(options: &PgConnectOptions) -> Result<Self> {
        let mut maker = PgConnection::connect_with(options).await?;
        sqlx::raw_sql(PATIENCE).execute(&mut maker).await?;
        for name in left_behind(&mut maker).await? {
            drop_database(&mut maker, &name).await?;
        }
        let backend: i32 =
            sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut maker).await?;
        let name = format!("{PREFIX}{backend}");
        // Not with the database itself as template: nobody may be connected to one.
        let query = format!("create database {name} template template0 encoding 'UTF8'");
        sqlx::raw_sql(AssertSqlSafe(query)).execute(&mut maker).await?;
        let options = options.clone().database(&name);
        Ok(Self { maker, name, options })
    }

    /// A connection to it.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn connect(&self) -> Result<PgConnection> {
        Ok(PgConnection::connect_with(&self.options).await?)
    }

    /// Takes it away.
    ///
    /// # Errors
    /// When it cannot be removed; the next one removes it.
    pub async fn remove(mut self) -> Result<()> {
        drop_database(&mut self.maker, &self.name).await?;
        self.maker.close().await?;
        Ok(())
    }
}

/// Copies of this role whose makers are gone. One that bears the process id of this very backend is such a one, too.
async fn left_behind(conn: &mut PgConnection) -> Result<Vec<String>> {
    let query = "
        select datname::text from pg_database d
         where datname ~ ('^' || $1 || '[0-9]+$')
           and pg_get_userbyid(datdba) = current_user
           and not exists (select from pg_stat_activity a
                            where a.pid::text = substr(d.datname, length($1) + 1)
                              and a.pid <> pg_backend_pid())
         order by 1";
    Ok(sqlx::query_scalar(query).bind(PREFIX).fetch_all(conn).await?)
}

async fn drop_database(conn: &mut PgConnection, name: &str) -> Result<()> {
    let query = format!("drop database if exists {name} with (force)");
    sqlx::raw_sql(AssertSqlSafe(query)).execute(conn).await?;
    Ok(())
}
