//! `driftpack migrate`: brings the database up to date, as the role that owns it.
//!
//! Invariant: it stands in a queue for a table for a moment only. Whoever wants a table that somebody is to change waits behind
//! them, so that one long read would stop everybody; instead it steps back and tries again, each time with more patience.

mod plan;
mod shown;

#[cfg(test)]
mod tests;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use engine::Clock;
use sqlx::postgres::PgPoolOptions;

use crate::config::{self, Secret};
use crate::{compose, say};

/// How long a statement of a migration waits for a lock at first. Everybody else waits with it. Less than Postgres'
/// `deadlock_timeout` (a second): where two wait for each other it is the migration that steps back, and no request is refused.
const FIRST_LIMIT: Duration = Duration::from_millis(500);
/// So many tries with that; then each waits twice as long, because packs that are being built one after the other, each in
/// one transaction that reads, may leave no moment in which all tables are free.
const BRIEF_TRIES: u32 = 4;
/// At most so long, the last times.
const LAST_LIMIT: Duration = Duration::from_secs(32);
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(2);
/// Tries before it gives up: some ten minutes.
const TRIES: u32 = 26;

/// Bring the database up to date
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Needs DRIFTWISE_MIGRATION_DATABASE_URL: the role that owns the database, not the one that serves.
It may create the schemas `engine` and `apalis`, and the extensions pgcrypto and hstore.
Running it again changes nothing. Servers and workers of the version before may go on meanwhile, unless
--plan says otherwise. A lock that it does not get at once it gives up, and tries again.

--plan changes nothing. What is pending is tried on a copy without rows, because trying it on the database
itself would hold its locks there: a database of its own on the same server, which is dropped afterwards. For
this the role must be allowed to create databases. Of the database itself only sizes are read.

Examples:
  driftpack migrate --plan
  driftpack migrate --plan --json | jq '.migrations[] | select(.kind == \"contract\")'
  driftpack migrate"
)]
pub(crate) struct Args {
    /// Say what is pending, what it would do and what it would lock
    #[arg(long)]
    plan: bool,
    /// The plan as JSON
    #[arg(long, requires = "plan")]
    json: bool,
}

pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let url = config::migration_database_url(config::environment())?;
    if args.plan {
        return plan::run(&url, args.json).await;
    }
    patiently(&url).await?;
    say::note("the database is up to date");
    Ok(ExitCode::SUCCESS)
}

async fn patiently(url: &Secret) -> Result<()> {
    for number in 1..TRIES {
        match once(url, limit(number)).await {
            Err(error) if was_kept_waiting(&error) => {
                say::note(
                    "somebody works with a table that is to be changed, or migrates, too; trying again",
                );
                Clock::System.sleep(PAUSE).await;
            }
            done => return done,
        }
    }
    once(url, LAST_LIMIT).await.context(
        "somebody has held a lock on a table that is to be changed for ten minutes: \
         select pid, query_start, query from pg_stat_activity where cardinality(pg_blocking_pids(pid)) = 0 order by xact_start",
    )
}

fn limit(number: u32) -> Duration {
    let doubled = 1 << number.saturating_sub(BRIEF_TRIES).min(16);
    LAST_LIMIT.min(FIRST_LIMIT * doubled)
}

/// With connections of its own: one that failed may still hold the lock that keeps others from migrating.
async fn once(url: &Secret, limit: Duration) -> Result<()> {
    let limit = [("lock_timeout", limit.as_millis().to_string())];
    let options = compose::connection(url)?.options(limit);
    let owner = PgPoolOptions::new().max_connections(2).connect_lazy_with(options);
    let migrated = async {
        db::migrate(&owner).await.context("the application's tables could not be migrated")?;
        engine::migrate(&owner, db::APP_ROLE)
            .await
            .context("the engine's tables could not be migrated")
    };
    let migrated = migrated.await;
    owner.close().await;
    migrated
}

/// Whether a lock was not to be had. What failed was rolled back.
fn was_kept_waiting(error: &anyhow::Error) -> bool {
    const LOCK_NOT_AVAILABLE: &str = "55P03";
    const DEADLOCK_DETECTED: &str = "40P01";
    error.chain().any(|cause| {
        let error = cause.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
        let code = error.and_then(sqlx::error::DatabaseError::code);
        code.is_some_and(|code| [LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED].contains(&&*code))
    })
}
