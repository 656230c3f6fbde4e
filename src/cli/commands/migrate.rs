//! `driftpack migrate`: brings the database up to date, as the role that owns it.

use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::{compose, config, say};

/// Bring the database up to date
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Needs DRIFTWISE_MIGRATION_DATABASE_URL: the role that owns the database, not the one that serves.
It may create the schemas `engine` and `apalis`, and the extensions pgcrypto and hstore.
Running it again changes nothing."
)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args) -> Result<ExitCode> {
    let url = config::migration_database_url(config::environment())?;
    let owner = compose::pool(&url, 2)?;
    db::migrate(&owner).await.context("the application's tables could not be migrated")?;
    engine::migrate(&owner, db::APP_ROLE)
        .await
        .context("the engine's tables could not be migrated")?;
    owner.close().await;
    say::note("the database is up to date");
    Ok(ExitCode::SUCCESS)
}
