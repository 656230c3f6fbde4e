//! `admin doctor --full`: whether what the installation keeps is whole: every audit chain, every pack, and what packs prove
//! of chains.
//!
//! Invariants
//! - It records nothing: what it finds is said, and the checks that run by themselves find it, too.
//! - A pack in storage that the database does not know speaks for a time that the database has forgotten; it is compared
//!   with the chain, not passed over.
//! - Memory stays constant in the number of entries and in the size of packs.

use anyhow::{Context as _, Result};
use bundle::verify::{Facts, Options, SharedFile, verify};
use db::OrgTx;
use db::chain_checks::{self, Look};
use db::exports::{Export, Status};
use db::orgs::Org;
use db::section::Snapshot;
use evidence::chain::{self, ChainId, Extent};
use evidence::ids::{ExportId, OrgId};
use futures_util::TryStreamExt as _;
use sqlx::PgPool;
use storage::{Artifact, Key, Storage};
use tokio::io::AsyncWriteExt as _;
use uuid::Uuid;

use super::Check;
use crate::config::Config;
use crate::{compose, say};

/// Packs that are read from the database at once.
const PAGE: u32 = 500;

/// Looks at everything that is kept.
pub(super) async fn look(pool: &PgPool, config: &Config) -> Vec<Check> {
    let orgs = async {
        let mut conn = pool.acquire().await?;
        db::orgs::list(&mut conn).await
    };
    let (orgs, storage) = match (orgs.await, compose::storage(config)) {
        (Ok(orgs), Ok(storage)) => (orgs, storage),
        (orgs, storage) => {
            let check = Check::new("evidence", "it cannot be looked at");
            let told = [orgs.err().map(|e| e.to_string()), storage.err().map(|e| format!("{e:#}"))];
            let fault = told.into_iter().flatten().collect::<Vec<_>>().join("; ");
            return vec![check.fault(fault, "mend the faults above first")];
        }
    };
    let books = Books { pool, storage: &storage, orgs: &orgs };
    vec![books.chains().await, books.packs().await, books.forgotten().await]
}

struct Books<'a> {
    pool: &'a PgPool,
    storage: &'a Storage,
    orgs: &'a [Org],
}

impl Books<'_> {
    /// Every chain from its first entry, with everything that is known of it from before.
    async fn chains(&self) -> Check {
        let mut read = 0_u64;
        let mut faults = Vec::new();
        let orgs = self.orgs.iter().map(|org| (ChainId::Org(org.id), org.slug.as_str()));
        for (chain, name) in [(ChainId::Platform, "the platform")].into_iter().chain(orgs) {
            match chain_checks::verify(self.pool, chain, Extent::Full, Uuid::nil()).await {
                Ok(Look::Found(found)) if found.verdict.status == chain::Status::Ok => {
                    read += found.verdict.checked;
                }
                Ok(Look::Found(found)) => {
                    faults.push(format!(
                        "{name}: {}: {}",
                        found.verdict.status, found.verdict.message
                    ));
                }
                Ok(Look::Known(_)) => faults.push(format!("{name}: it was checked by nobody")),
                Err(error) => faults.push(format!("{name}: it cannot be read: {error}")),
            }
        }
        let check = Check::new(
            "audit chains",
            format!("{} chains, {read} entries read from the first one on", self.orgs.len() + 1),
        );
        let way_out = "change nothing, keep a copy of the database, and compare with packs and backups (OPERATING.md, \
                       An audit chain is broken)";
        faults.into_iter().fold(check, |check, fault| check.fault(fault, way_out))
    }

    /// Every pack that can be downloaded: there, and with the bytes that were written.
    async fn packs(&self) -> Check {
        let (mut whole, mut faults) = (0_u64, Vec::new());
        for org in self.orgs {
            let finished = self.finished(org.id).await;
            let finished = finished.unwrap_or_else(|error| {
                faults.push(format!("{}: its packs cannot be listed: {error:#}", org.slug));
                Vec::new()
            });
            for export in finished {
                match self.is_whole(&export).await {
                    Ok(()) => whole += 1,
                    Err(error) => {
                        faults.push(format!("{}: the pack {} {error:#}", org.slug, export.id));
                    }
                }
            }
        }
        let check =
            Check::new("packs", format!("{whole} are there with the bytes that were written"));
        let way_out = "bring the file back from a copy of the storage, or delete the pack and request it anew";
        faults.into_iter().fold(check, |check, fault| check.fault(fault, way_out))
    }

    async fn finished(&self, org: OrgId) -> Result<Vec<Export>> {
        // Of one moment, or a pack that is deleted meanwhile would hide its neighbour on the next page.
        let mut snapshot = Snapshot::begin(self.pool, org).await?;
        let mut finished = Vec::new();
        loop {
            let offset = u32::try_from(finished.len())?;
            let page =
                db::exports::list(&mut snapshot, org, Some(Status::Done), PAGE, offset).await?;
            let is_last = page.exports.len() < PAGE as usize;
            finished.extend(page.exports);
            if is_last {
                snapshot.close().await?;
                return Ok(finished);
            }
        }
    }

    async fn is_whole(&self, export: &Export) -> Result<()> {
        let key = export.object_key.as_deref().context("has no file, says its row")?;
        let key: Key = key.parse().context("has a file whose name nobody gave")?;
        let size_bytes = export.size_bytes.context("has no size, says its row")?;
        let sha256 = export.sha256.context("has no digest, says its row")?;
        let read = async {
            let mut bytes = self.storage.read_whole(&key, size_bytes, sha256).await?;
            while bytes.try_next().await?.is_some() {}
            Ok::<_, storage::Error>(())
        };
        match read.await {
            Ok(()) => Ok(()),
            Err(error) if error.is_missing() => {
                Err(error).context("is done, and its file is missing")
            }
            Err(error) if error.is_altered() => {
                Err(error).context("has a file with other bytes than were written")
            }
            Err(error) => Err(error).context("cannot be read"),
        }
    }

    /// Packs that lie in storage and of which the database knows nothing: what they attest of the chains.
    async fn forgotten(&self) -> Check {
        let (mut unknown, mut faults) = (0_u64, Vec::new());
        match self.unknown().await {
            Err(error) => faults.push((format!("{error:#}"), "see that the storage can be listed")),
            Ok(artifacts) => {
                for artifact in artifacts {
                    unknown += 1;
                    faults.extend(self.speaks_against(&artifact).await);
                }
            }
        }
        let check = Check::new(
            "lost time",
            format!("{unknown} packs in storage are unknown to the database"),
        );
        faults.into_iter().fold(check, |check, (fault, way_out)| check.fault(fault, way_out))
    }

    async fn unknown(&self) -> Result<Vec<Artifact>> {
        let mut artifacts = self.storage.artifacts().await?;
        let mut unknown = Vec::new();
        while let Some(artifact) = artifacts.try_next().await? {
            let (org, export) = (OrgId(artifact.org), ExportId(artifact.export));
            let mut tx = OrgTx::begin(self.pool, org).await?;
            let row = db::exports::find(&mut tx, org, export).await?;
            tx.rollback().await?;
            let known = row.and_then(|row| row.object_key);
            if known.as_deref() != Some(artifact.key.as_str()) {
                unknown.push(artifact);
            }
        }
        Ok(unknown)
    }

    /// What is wrong with the chain if the pack is right.
    async fn speaks_against(&self, artifact: &Artifact) -> Option<(String, &'static str)> {
        const OLDER: &str = "restore a backup that is not older than this pack, or tell your auditors what is missing: their packs \
                             prove it (driftpack verify PACK.zip --live URL says so)";
        const UNREADABLE: &str = "look at the file; packs of a run that was given up are taken away by the next retention.gc";
        let facts = match self.facts(&artifact.key).await {
            Ok(facts) => facts,
            Err(error) => return Some((format!("{}: {error:#}", artifact.key), UNREADABLE)),
        };
        let told = format!(
            "the pack {} of {} in storage attests entry {} of its audit log",
            facts.export_id,
            say::printable(&facts.org_slug),
            facts.head_seq
        );
        match self.entry(&facts).await {
            Err(error) => {
                Some((format!("{told}, and the log cannot be read: {error:#}"), UNREADABLE))
            }
            Ok((_, Some(hash))) if hash == facts.head_hash_hex => None,
            Ok((_, Some(_))) => Some((
                format!(
                    "{told}, which has another hash now: the database was restored to an older point and went on from there, or history was rewritten"
                ),
                OLDER,
            )),
            Ok((head, None)) => Some((
                format!(
                    "{told}, and the log ends at {head}: the database was restored to an older point, or its end was cut off"
                ),
                OLDER,
            )),
        }
    }

    /// Where the chain ends, and the hash of the entry that the pack attests.
    async fn entry(&self, facts: &Facts) -> Result<(i64, Option<String>)> {
        let mut snapshot = Snapshot::begin(self.pool, facts.org_id).await?;
        let chain = ChainId::Org(facts.org_id);
        let head = db::chain::head(&mut snapshot, chain).await?.map_or(0, |head| head.seq);
        let options = db::chain::Options { at_seq: Some(facts.head_seq), ..Default::default() };
        let at = db::chain::verify(&mut snapshot, chain, &options).await?.at;
        snapshot.close().await?;
        Ok((head, at.map(|at| hex::encode(at.hash))))
    }

    /// What a pack says of itself; errors when it is no pack that is right in itself.
    async fn facts(&self, key: &Key) -> Result<Facts> {
        let mut file = tokio::fs::File::from_std(tempfile::tempfile()?);
        let mut bytes = self.storage.read(key).await?;
        while let Some(chunk) = bytes.try_next().await? {
            file.write_all(&chunk).await?;
        }
        file.flush().await?;
        let file = SharedFile::new(file.into_std().await);
        let report = tokio::task::spawn_blocking(move || verify(file, &Options::default())).await?;
        let wrong = report.checks.iter().find(|check| check.status != bundle::verify::Status::Ok);
        let detail = wrong.map(|check| format!("{}: {}", check.name, check.detail));
        report.pack.filter(|_| report.exit_code == 0).with_context(|| {
            format!("it is no whole pack ({})", detail.unwrap_or_else(|| "unreadable".to_owned()))
        })
    }
}
