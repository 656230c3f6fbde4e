//! `driftpack admin org delete`: says that an organisation is deleted, and starts what takes it away.
//!
//! Invariant: said and started are one transaction, as the role that owns the tables. The role that serves can delete none.

use anyhow::{Context as _, Result, bail};
use db::deletion::{self, Known};
use engine::{Client, Clock};
use sqlx::PgPool;
use workflows::org_deletion::DeleteOrg;

use super::Office;
use crate::{compose, config, say};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  driftpack admin org export --org acme --out /srv/acme      first, if anybody may want it
  driftpack admin org delete --org acme --confirm acme

It cannot be taken back. From the moment it is said, members, sessions and API keys get in no more. A worker then stops its runs,
removes its packs and all of its rows, and seals its audit chain, which stays and verifies: driftpack admin audit verify --org acme.
Run it again to see how far it is, or to start it again should its run have failed.
Needs DRIFTWISE_MIGRATION_DATABASE_URL beside DRIFTWISE_DATABASE_URL: the role that owns the tables.")]
pub(crate) struct Args {
    /// The organisation, by slug
    #[arg(long)]
    org: String,
    /// The slug once more
    #[arg(long, value_name = "SLUG")]
    confirm: Option<String>,
}

pub(super) async fn run(office: &Office, args: Args) -> Result<()> {
    if args.confirm.as_ref() != Some(&args.org) {
        bail!(
            "nothing was deleted: to delete everything of `{0}` for ever, repeat its slug: --confirm {0}",
            args.org
        );
    }
    let mut conn = office.pool.acquire().await.context("the database cannot be reached")?;
    let known = deletion::find(&mut conn, &args.org).await?;
    drop(conn);
    let known = known.with_context(|| format!("there is no organisation `{}`", args.org))?;
    if let Some(sealed_at) = sealed(office, &known).await? {
        say::note(format!(
            "`{}` is deleted; its audit chain is sealed since {sealed_at}",
            known.slug
        ));
        return Ok(());
    }
    let url = config::migration_database_url(config::environment())?;
    let owner = compose::pool(&url, 1)?;
    let run = start(&owner, &known).await?;
    owner.close().await;
    say::out(run);
    say::note(format!(
        "`{}` is closed. A worker takes the rest away: driftpack runs watch {run}",
        known.slug
    ));
    Ok(())
}

async fn sealed(office: &Office, known: &Known) -> Result<Option<String>> {
    let mut tx = db::OrgTx::begin(&office.pool, known.id).await?;
    let sealed = deletion::sealed_at(&mut tx).await?;
    tx.rollback().await?;
    Ok(sealed.map(evidence::time::stamp))
}

async fn start(owner: &PgPool, known: &Known) -> Result<uuid::Uuid> {
    let mut tx = owner.begin().await.context("the database cannot be reached as its owner")?;
    let cause = Office::cause(Clock::System.now());
    deletion::begin(&mut tx, known.id, &cause)
        .await
        .context("DRIFTWISE_MIGRATION_DATABASE_URL must name the role that owns the tables")?;
    let client = Client::new(owner.clone());
    let started = client.start(&mut tx, DeleteOrg::new(known.id)).key(known.id).await?;
    tx.commit().await?;
    Ok(started.run_id)
}
