//! `driftpack admin`: what the operator of an installation does, straight on its database.
//!
//! Invariant: it works as the application's role, under row-level security, and every change leaves the same audit entry
//! that the API would leave, with the actor `operator`.

mod audit;
mod deletion;
mod doctor;
mod erasure;
mod handover;
pub(crate) mod org;
pub(crate) mod setting;
mod signing_key;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use db::{Cause, OrgTx};
use evidence::action::Actor;
use sqlx::PgPool;

use crate::compose;
use crate::config::{self, Config};

/// Operate an installation: organisations, members, API keys, rules, state sources
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Examples:
  driftpack admin doctor
  driftpack admin org create --slug acme --name 'Acme Ltd' --plan enterprise
  driftpack admin member add --org acme --email jo@acme.example --role owner
  driftpack admin api-key create --org acme --name ci --scopes write
  driftpack admin source set --org acme --name prod --kind s3 --location s3://states/prod --every-hours 24
  driftpack admin signing-key create --days 365

These commands use DRIFTWISE_DATABASE_URL, not the API; signing-key uses files alone.")]
pub(crate) enum Command {
    Doctor(doctor::Args),
    /// Organisations
    #[command(subcommand)]
    Org(org::Org),
    /// People in an organisation
    #[command(subcommand)]
    Member(org::Member),
    #[command(subcommand)]
    Audit(audit::Audit),
    /// API keys
    #[command(subcommand)]
    ApiKey(setting::ApiKey),
    /// Custom risk rules
    #[command(subcommand)]
    Rule(setting::Rule),
    /// State sources
    #[command(subcommand)]
    Source(setting::Source),
    /// The keys that sign packs
    #[command(subcommand)]
    SigningKey(signing_key::Command),
}

pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    // It must work when nothing else does: a service without a valid key does not start.
    if let Command::SigningKey(command) = command {
        return signing_key::run(command).map(|()| ExitCode::SUCCESS);
    }
    let office = Office::open(Config::load(config::environment())?)?;
    match command {
        Command::Doctor(args) => return doctor::run(&office, args).await,
        Command::Audit(command) => return audit::run(&office, command).await,
        Command::Org(command) => org::org(&office, command).await?,
        Command::Member(command) => org::member(&office, command).await?,
        Command::ApiKey(command) => setting::api_key(&office, command).await?,
        Command::Rule(command) => setting::rule(&office, command).await?,
        Command::Source(command) => setting::source(&office, command).await?,
        Command::SigningKey(_) => unreachable!("it is done without the database"),
    }
    office.pool.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Where the operator works.
pub(crate) struct Office {
    pub(crate) config: Config,
    pub(crate) pool: PgPool,
}

impl Office {
    pub(crate) fn open(config: Config) -> Result<Self> {
        let pool = compose::pool(&config.database_url, 2)?;
        Ok(Self { config, pool })
    }

    /// A change by the operator at `now`.
    pub(crate) fn cause(now: DateTime<Utc>) -> Cause {
        Cause::new(Actor::operator("command line"), "driftpack admin", now)
    }

    /// A transaction that works for the organisation with this slug.
    pub(crate) async fn begin(&self, slug: &str) -> Result<OrgTx> {
        let mut conn = self
            .pool
            .acquire()
            .await
            .context("the database cannot be reached (DRIFTWISE_DATABASE_URL)")?;
        let org = db::orgs::find_by_slug(&mut conn, slug)
            .await?
            .with_context(|| format!("there is no organisation `{slug}`"))?;
        drop(conn);
        Ok(OrgTx::begin(&self.pool, org.id).await?)
    }
}
