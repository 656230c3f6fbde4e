//! `driftpack admin doctor`: whether an installation is what the product promises: organisations kept apart by the database
//! itself, history that nobody can change, and every part within reach.
//!
//! Invariants
//! - It changes nothing but the probe that it writes into storage and takes away again.
//! - Each fault names its way out, as a command or a statement where there is one.
//! - What could not be looked at is a fault, never passed over.

mod database;
mod evidence;
mod report;

use std::process::ExitCode;

use anyhow::Result;
use sqlx::PgPool;

use super::Office;
use crate::{compose, config, say};
use report::{Check, Report};

/// Prove that this installation keeps organisations apart, and that its parts are within reach
#[derive(Debug, clap::Args)]
#[command(
    after_help = "It signs in as the role that serves (DRIFTWISE_DATABASE_URL), and where DRIFTWISE_MIGRATION_DATABASE_URL is
set also as the role that migrates. After a restore, and when in doubt:

  driftpack admin doctor --full

Exit code: 0 everything is as it must be, 1 something is not, 4 the command failed."
)]
pub(crate) struct Args {
    /// Also read every audit chain from its first entry and every pack in storage, and compare the two
    #[arg(long)]
    full: bool,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(office: &Office, args: Args) -> Result<ExitCode> {
    let mut report = Report { checks: database::look(&office.pool).await };
    report.checks.push(migrating_role(&office.pool).await);
    report.checks.push(redis(office).await);
    report.checks.push(storage(office).await);
    if args.full {
        report.checks.extend(evidence::look(&office.pool, &office.config).await);
    }
    office.pool.close().await;
    if args.json {
        say::out(serde_json::to_string_pretty(&report)?);
    } else {
        say::out(report.for_people());
    }
    Ok(if report.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(FAULTY) })
}

const FAULTY: u8 = 1;

/// The role that migrates owns the tables, and is another than the one that serves.
async fn migrating_role(server: &PgPool) -> Check {
    const NAME: &str = "migrating role";
    if config::environment().find("migration_database_url").is_none() {
        let found = "DRIFTWISE_MIGRATION_DATABASE_URL is not set here: nobody signed in as it";
        return Check::new(NAME, found);
    }
    let asked = async {
        let url = config::migration_database_url(config::environment())?;
        let owner = compose::pool(&url, 1)?;
        let migrates = db::isolation::role(&mut *owner.acquire().await?).await?;
        let tables = db::isolation::tables(&mut *owner.begin().await?).await?;
        owner.close().await;
        let serving = db::isolation::role(&mut *server.acquire().await?).await?;
        anyhow::Ok((migrates, serving, tables))
    };
    let (migrates, serving, tables) = match asked.await {
        Ok(asked) => asked,
        Err(error) => {
            let way_out = "see that DRIFTWISE_MIGRATION_DATABASE_URL is right; only `driftpack migrate` needs it";
            return Check::new(NAME, "it cannot be looked at").fault(format!("{error:#}"), way_out);
        }
    };
    let mut check =
        Check::new(NAME, format!("{} migrates, {} serves", migrates.name, serving.name));
    if migrates.name == serving.name {
        check = check.fault(
            format!("{} both migrates and serves", migrates.name),
            "give DRIFTWISE_DATABASE_URL a role of its own that is a member of driftpack_app and owns nothing",
        );
    }
    let foreign =
        tables.iter().filter(|table| table.owner != migrates.name && !migrates.is_superuser);
    for table in foreign {
        check = check.fault(
            format!("{} belongs to {}, not to {}", table.name, table.owner, migrates.name),
            format!("alter table {} owner to {};", table.name, migrates.name),
        );
    }
    check
}

async fn redis(office: &Office) -> Check {
    const WAY_OUT: &str = "see that Redis runs and that DRIFTWISE_REDIS_URL is right; until then every request for a pack is answered 503";
    let reached = match compose::limiter(&office.config) {
        Ok(limiter) => limiter.reach().await,
        Err(error) => Err(format!("{error:#}")),
    };
    match reached {
        Ok(()) => Check::new("redis", "it answers"),
        Err(error) => Check::new("redis", "it does not answer").fault(error, WAY_OUT),
    }
}

async fn storage(office: &Office) -> Check {
    const WAY_OUT: &str = "see that the storage is there and that this user may write to it (DRIFTWISE_STORAGE_…); until then no pack is finished";
    let reached = match compose::storage(&office.config) {
        Ok(storage) => storage.check().await.map_err(anyhow::Error::from),
        Err(error) => Err(error),
    };
    match reached {
        Ok(()) => Check::new("storage", "a probe was written, read back and removed"),
        Err(error) => {
            Check::new("storage", "it cannot be used").fault(format!("{error:#}"), WAY_OUT)
        }
    }
}
