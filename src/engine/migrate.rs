//! The engine's tables, and what the application's role may do with them.
//!
//! Invariants: the role that works owns nothing and cannot change a table's shape or delete a run;
//! two processes may migrate at the same moment. Needs a role that may create schemas and the
//! extensions `pgcrypto` and `hstore` (apalis' tables use them).

use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

use crate::{Error, pooler, queue};

/// The engine's migrations, with a ledger of their own in `engine._migrations`.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();

/// The table that says which of them were applied.
pub const LEDGER: &str = "engine._migrations";

/// Any constant: whoever migrates waits for whoever holds it.
const LOCK: i64 = 0x656e_6769_6e65;

/// What the application's role may do, and no more. `{role}` is the quoted name.
const GRANTS: &str = "
    grant usage on schema engine, apalis to {role};
    grant select, insert, update on engine.runs, engine.steps, engine.schedules, engine.signals, engine.workflows
          to {role};
    grant select, insert, update, delete on engine.workers, engine.asked_ticks to {role};
    grant select, insert on engine.attempts, engine.actions to {role};
    grant select on engine.past_steps to {role};
    grant execute on function engine.rewind, engine.go_back, engine.purge to {role};
    grant select on engine._migrations to {role};
    grant select, insert, update, delete on apalis.jobs, apalis.workers to {role};
";

/// Brings the schemas `engine` and `apalis` up to date and lets `app_role` work with them.
///
/// Idempotent. `owner` is the migrating role; the workers and clients run as `app_role`.
pub async fn migrate(owner: &PgPool, app_role: &str) -> Result<(), Error> {
    pooler::refuse(owner.connect_options().as_ref()).await?;
    // A connection of its own: the pool may have only one, and the migrators take it.
    let mut lock = PgConnection::connect_with(owner.connect_options().as_ref()).await?;
    sqlx::query("select pg_advisory_lock($1)").bind(LOCK).execute(&mut lock).await?;
    let migrated = apply(owner, app_role).await;
    // Closing the connection gives up the lock.
    lock.close().await?;
    migrated
}

/// The versions of the engine's migrations that the database lacks, or has with another content.
///
/// # Errors
/// When the database cannot answer, or `conn`'s role may not read the ledger.
pub async fn outdated(conn: &mut PgConnection) -> Result<Vec<i64>, Error> {
    let is_there = "select to_regclass('engine._migrations') is not null";
    let applied: Vec<(i64, Vec<u8>)> = if sqlx::query_scalar(is_there).fetch_one(&mut *conn).await?
    {
        sqlx::query_as("select version, checksum from engine._migrations where success")
            .fetch_all(conn)
            .await?
    } else {
        Vec::new()
    };
    let has = |version: i64, checksum: &[u8]| {
        applied.iter().any(|(known, sum)| *known == version && sum == checksum)
    };
    let outdated = MIGRATOR.iter().filter(|one| !has(one.version, &one.checksum));
    Ok(outdated.map(|one| one.version).collect())
}

async fn apply(owner: &PgPool, app_role: &str) -> Result<(), Error> {
    MIGRATOR.run(owner).await?;
    queue::setup(owner).await?;
    let role = format!("\"{}\"", app_role.replace('"', "\"\""));
    let grants = GRANTS.replace("{role}", &role);
    sqlx::raw_sql(AssertSqlSafe(grants)).execute(owner).await?;
    Ok(())
}
