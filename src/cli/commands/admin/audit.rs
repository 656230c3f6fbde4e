//! `driftpack admin audit verify`: an audit chain from its first entry on, that of a deleted organisation too.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use db::chain::Options;
use db::{OrgTx, deletion};
use evidence::chain::{ChainId, Status};
use evidence::time::stamp;
use serde_json::json;

use super::Office;
use crate::say;

/// The audit log
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Audit {
    Verify(Verify),
}

/// Verify the audit chain of an organisation, deleted or not
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  driftpack admin audit verify --org acme

Exit code: 0 it verifies, 1 it does not.")]
pub(crate) struct Verify {
    /// The organisation, by slug
    #[arg(long)]
    org: String,
}

pub(super) async fn run(office: &Office, Audit::Verify(args): Audit) -> Result<ExitCode> {
    let mut conn = office
        .pool
        .acquire()
        .await
        .context("the database cannot be reached (DRIFTWISE_DATABASE_URL)")?;
    let known = deletion::find(&mut conn, &args.org).await?;
    drop(conn);
    let known = known.with_context(|| format!("there is no organisation `{}`", args.org))?;
    let mut tx = OrgTx::begin_reading(&office.pool, known.id).await?;
    let chain = ChainId::Org(known.id);
    let verdict = db::chain::verify(&mut tx, chain, &Options::default()).await?.verdict;
    let sealed_at = deletion::sealed_at(&mut tx).await?;
    tx.rollback().await?;
    say::out(json!({
        "chain": chain.to_string(),
        "status": verdict.status.as_str(),
        "checked": verdict.checked,
        "head_seq": verdict.head_seq,
        "head_hash_hex": verdict.head_hash.map(hex::encode),
        "deleted_at": known.deleted_at.map(stamp),
        "sealed_at": sealed_at.map(stamp),
    }));
    Ok(if verdict.status == Status::Ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
