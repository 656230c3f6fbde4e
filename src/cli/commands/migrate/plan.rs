//! `driftpack migrate --plan`: what is pending, what it would do, and whom it would keep waiting.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use db::upgrade::{self, Copy, Family, Kind, Size, Standing, Touched, Trial};
use serde::Serialize;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};

use super::shown::shown;
use crate::config::Secret;
use crate::{compose, say};

/// Why nothing can be said.
const NO_COPY: &str = "what they would do was not tried: the role of DRIFTWISE_MIGRATION_DATABASE_URL may not create databases, and trying them on the database itself \
     would hold their locks there. `alter role … createdb` lets it; or plan on a database that was restored from a backup, where it may";

#[derive(Debug, Serialize)]
pub(super) struct Plan {
    pub(super) migrations: Vec<Planned>,
    /// Whether servers and workers of the version before may go on meanwhile.
    pub(super) older_versions_may_run: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Planned {
    #[serde(flatten)]
    pub(super) trial: Trial,
    /// Of the database itself, by the place in the trial's tables.
    pub(super) sizes: Vec<Option<Size>>,
}

pub(super) async fn run(url: &Secret, as_json: bool) -> Result<ExitCode> {
    let plan = of(&compose::connection(url)?).await?;
    if as_json {
        say::out(serde_json::to_string_pretty(&plan)?);
    } else {
        say::out(shown(&plan));
    }
    Ok(ExitCode::SUCCESS)
}

/// Of the application's tables and the engine's, in the order in which they are migrated.
fn families() -> [Family; 2] {
    let engine = Family {
        name: "engine",
        migrator: &engine::MIGRATOR,
        ledger: engine::LEDGER,
        schema: "engine",
    };
    [Family::application(), engine]
}

pub(super) async fn of(options: &PgConnectOptions) -> Result<Plan> {
    let mut live =
        PgConnection::connect_with(options).await.context("the database cannot be reached")?;
    upgrade::be_harmless(&mut live).await?;
    let mut standings = Vec::new();
    for family in families() {
        let standing = upgrade::standing(&mut live, family).await?;
        refuse_foreign(family, &standing)?;
        standings.push((family, standing));
    }
    let mut trials = Vec::new();
    if standings.iter().any(|(_, standing)| !standing.pending.is_empty()) {
        if !upgrade::may_be_made(&mut live).await? {
            bail!("pending: {}; {NO_COPY}", pending(&standings));
        }
        trials = tried(options, &standings).await?;
    }
    let mut migrations = Vec::new();
    for trial in trials {
        let mut sizes = Vec::new();
        for Touched { table, .. } in &trial.tables {
            sizes.push(upgrade::size(&mut live, table).await?);
        }
        migrations.push(Planned { trial, sizes });
    }
    live.close().await?;
    let older_versions_may_run = migrations
        .iter()
        .all(|one| one.trial.kind != Kind::Contract && one.trial.breaches.is_empty());
    Ok(Plan { migrations, older_versions_may_run })
}

/// `driftpack migrate` would refuse, so there is nothing to plan.
fn refuse_foreign(family: Family, standing: &Standing) -> Result<()> {
    let name = family.name;
    if let [version, ..] = standing.changed[..] {
        bail!(
            "{name} {version} was applied with another content than this program has, or not to its end: find out who changed it; restore the database, or the program that it was made by"
        );
    }
    if let [version, ..] = standing.unknown[..] {
        bail!(
            "{name} {version} is unknown to this program: a later version has migrated this database; take that one"
        );
    }
    Ok(())
}

fn pending(standings: &[(Family, Standing)]) -> String {
    let name = |family: Family, version: i64| format!("{} {version}", family.name);
    let all = standings.iter().flat_map(|(family, standing)| {
        standing.pending.iter().map(|migration| name(*family, migration.version))
    });
    all.collect::<Vec<_>>().join(", ")
}

/// The copy goes whatever comes of it.
async fn tried(options: &PgConnectOptions, standings: &[(Family, Standing)]) -> Result<Vec<Trial>> {
    let copy = Copy::make(options).await.context("the copy could not be made")?;
    let trials = async {
        let mut conn = copy.connect().await?;
        let trials = upgrade::migrate_copy(&mut conn, standings).await?;
        conn.close().await?;
        anyhow::Ok(trials)
    };
    let trials = trials.await;
    copy.remove().await.context("the copy could not be removed; the next plan removes it")?;
    trials.context("it cannot be tried to its end, and would fail in the same way")
}
