//! `driftpack admin org export`: everything that is stored of an organisation, as files that stock tools read and check.
//!
//! Invariants
//! - One moment of the database. Memory does not depend on the number of rows.
//! - `manifest.json` and `SHA256SUMS` are written last: a folder without them is not whole.
//! - The files are readable by their owner alone: they name people.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use bundle::digest::{Digest, Hashing};
use db::chain::Options;
use db::handover::{self, RELATIONS, Relation};
use db::section::Snapshot;
use evidence::chain::ChainId;
use evidence::ids::OrgId;
use evidence::time::stamp;
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};

use super::Office;
use crate::say;

/// The form of the folder.
const SCHEMA: &str = "driftpack.org-export/v1";

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  driftpack admin org export --org acme --out /srv/acme-2026-11-26
  cd /srv/acme-2026-11-26 && sha256sum -c SHA256SUMS

Each file has one JSON object per line; admin_audit_log.ndjson is the audit chain, whose member `canonical` is what was hashed.
API keys are without what opens something. Packs are not in it: download them while the organisation is there.
The files name people: they are readable by you alone, and what becomes of them is up to you.")]
pub(crate) struct Args {
    /// The organisation, by slug
    #[arg(long)]
    org: String,
    /// A folder that is not there yet, or is empty
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

pub(super) async fn run(office: &Office, args: Args) -> Result<()> {
    let tx = office.begin(&args.org).await?;
    let org = tx.org();
    tx.rollback().await?;
    fresh(&args.out)?;
    let mut snapshot = Snapshot::begin(&office.pool, org).await?;
    let mut files = Vec::with_capacity(RELATIONS.len());
    for relation in RELATIONS {
        let name = format!("{}.ndjson", relation.name);
        let digest = write(&mut snapshot, org, *relation, &args.out.join(&name)).await?;
        files.push((name, digest));
    }
    let manifest = manifest(&mut snapshot, (org, &args.org), &files).await?;
    snapshot.close().await?;
    let text = serde_json::to_string_pretty(&manifest)? + "\n";
    files.push(("manifest.json".to_owned(), bundle::digest::of(text.as_bytes())));
    crate::private::write(&args.out.join("manifest.json"), text.as_bytes())?;
    let line = |(name, digest): &(String, Digest)| format!("{}  {name}", digest.sha256);
    let sums = files.iter().map(line).collect::<Vec<_>>().join("\n") + "\n";
    crate::private::write(&args.out.join("SHA256SUMS"), sums.as_bytes())?;
    let rows: u64 = files.iter().take(RELATIONS.len()).map(|(_, digest)| digest.lines).sum();
    say::note(format!(
        "{rows} rows in {} files. Check them: cd {} && sha256sum -c SHA256SUMS",
        files.len() + 1,
        args.out.display()
    ));
    Ok(())
}

/// Makes the folder; one that has something in it is left alone.
fn fresh(folder: &Path) -> Result<()> {
    let told = || format!("cannot write to {}", folder.display());
    DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(told)?;
    if std::fs::read_dir(folder).with_context(told)?.next().is_some() {
        bail!("{} is not empty; name a folder that is not there yet", folder.display());
    }
    Ok(())
}

async fn write(
    snapshot: &mut Snapshot,
    org: OrgId,
    relation: Relation,
    path: &Path,
) -> Result<Digest> {
    let told = || format!("cannot write {}", path.display());
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut out = Hashing::new(BufWriter::new(file.with_context(told)?));
    {
        let rows = handover::rows(snapshot, org, relation);
        let mut rows = std::pin::pin!(rows);
        while let Some(row) = rows.try_next().await.context("the database went away meanwhile")? {
            writeln!(out, "{row}").with_context(told)?;
        }
    }
    let (out, digest) = out.finish();
    let file: File =
        out.into_inner().map_err(std::io::IntoInnerError::into_error).with_context(told)?;
    file.sync_all().with_context(told)?;
    Ok(digest)
}

async fn manifest(
    snapshot: &mut Snapshot,
    (org, slug): (OrgId, &str),
    files: &[(String, Digest)],
) -> Result<Value> {
    let moment = snapshot.moment().clone();
    let chain = ChainId::Org(org);
    let verified = db::chain::verify(snapshot, chain, &Options::default()).await?.verdict;
    let file = |(name, digest): &(String, Digest)| json!({ "name": name, "rows": digest.lines, "bytes": digest.bytes, "sha256": digest.sha256 });
    let left_out = |(table, why): &(&str, &str)| json!({ "table": table, "why": why });
    Ok(json!({
        "schema": SCHEMA,
        "org": { "id": org, "slug": slug },
        "snapshot": { "id": moment.snapshot_id, "taken_at": stamp(moment.taken_at), "migration": moment.schema_version },
        "chain": {
            "status": verified.status.as_str(),
            "checked": verified.checked,
            "head_seq": verified.head_seq,
            "head_hash_hex": verified.head_hash.map(hex::encode),
        },
        "files": files.iter().map(file).collect::<Vec<_>>(),
        "left_out": handover::LEFT_OUT.iter().map(left_out).collect::<Vec<_>>(),
    }))
}
