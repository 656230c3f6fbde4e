//! Step `seal`: provenance, walkthrough, signature, manifest, the time stamp over it, and all of it as one ZIP in storage.
//!
//! Every hash is known before the ZIP is begun, so it is written once, front to back, in the order of `evidence::pack::ENTRIES`. What is
//! copied from storage is compared with its checkpoint on the way, and the finished ZIP is read back and compared before the
//! step succeeds. Same checkpoints, same bytes.

use std::collections::BTreeMap;
use std::io::Write;

use bundle::attestation::Attestation;
use bundle::digest::{self, Digest};
use bundle::keys::SigningKey;
use bundle::manifest::{self, Hashes};
use bundle::provenance::{
    Access, BOUNDS, Build, ControlTotals, Org, Product, Provenance, Request, SCHEMA, Section,
    VerificationKey,
};
use bundle::walkthrough::{self, Walkthrough};
use bundle::zip;
use db::exports::{Entries, Entry, Export};
use engine::{Failure, StepContext, Workflow as _};
use evidence::pack;
use evidence::time::Time;
use serde::{Deserialize, Serialize};
use storage::{Key, Storage};
use tokio_util::sync::CancellationToken;

use super::attest::Attested;
use super::collect::{Collected, Notes};
use super::stamp::Stamped;
use super::{BuildPack, index, removed};
use crate::hashed::{Hashed, Stored};
use crate::stage::{self, Altered, Sink, Source, Staged};
use crate::{Ports, trouble};

/// What the pack is put together from.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) collected: &'a Collected,
    pub(super) attested: &'a Attested,
    pub(super) report: Option<&'a Staged>,
}

/// A whole pack, staged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sealed {
    pub(super) key: Key,
    pub(super) file_name: String,
    pub(super) size_bytes: u64,
    pub(super) sha256: String,
    pub(super) manifest_sha256: String,
    pub(super) pdf_included: bool,
    pub(super) entries: Entries,
    pub(super) attested_seq: i64,
    pub(super) attested_hash: String,
}

/// The ZIP in storage is not the one that was written.
#[derive(Debug, thiserror::Error)]
#[error("the pack came back from storage with other bytes than were written")]
struct Corrupted;

/// The step.
pub(super) async fn pack(
    step: StepContext<Ports>,
    pack: BuildPack,
    parts: Parts<'_>,
    stamped: &Stamped,
) -> Result<Sealed, Failure> {
    let Prepared { notes, file_name, mut contents, manifest_sha256 } =
        prepared(&step, pack, parts).await?;
    if let Some(token) = stamped.token_over(&manifest_sha256) {
        contents.0.insert(pack::TIME_STAMP.to_owned(), Content::Staged(token.clone()));
    }
    let entries = contents.entries();
    let key = Key::staging(&stage::attempt(&step), "pack.zip");
    let modified = notes.summary.period.end;
    let Stored { digest, fingerprint } = zipped(&step.storage, &key, contents, modified).await?;
    if stage::fingerprint_of(&step.storage, &key).await? != fingerprint {
        return Err(Failure::transient(Corrupted).code(trouble::STORAGE));
    }
    Ok(Sealed {
        key,
        file_name,
        size_bytes: digest.bytes,
        sha256: digest.sha256,
        manifest_sha256,
        pdf_included: parts.report.is_some(),
        entries,
        attested_seq: parts.attested.head_seq,
        attested_hash: parts.attested.head_hash_hex.clone(),
    })
}

/// The SHA-256 of the `MANIFEST.txt` that these parts will have, lower-case hex.
pub(super) async fn manifest_sha256(
    step: &StepContext<Ports>,
    pack: BuildPack,
    parts: Parts<'_>,
) -> Result<String, Failure> {
    Ok(prepared(step, pack, parts).await?.manifest_sha256)
}

/// Everything but the time stamp. Same parts, same bytes.
struct Prepared {
    notes: Notes,
    file_name: String,
    contents: Contents,
    manifest_sha256: String,
}

async fn prepared(
    step: &StepContext<Ports>,
    pack: BuildPack,
    parts: Parts<'_>,
) -> Result<Prepared, Failure> {
    let notes: Notes = stage::load(&step.storage, &parts.collected.notes).await?;
    let attestation: Attestation = stage::load(&step.storage, &parts.attested.attestation).await?;
    let key = super::key::chosen(step, &parts.attested.key_id)?;
    let export = export(step, pack).await.map_err(trouble::database)?;
    let file_name = pack::file_name(&notes.summary.org.slug, &notes.summary.period);
    let mut contents = Contents::staged(parts);
    contents.write(pack::AUDIT_LOG_VERIFY, walkthrough(step, &notes, &file_name, &key)?);
    let provenance = provenance(step, &notes, &export, &contents, &key)?;
    contents.write(pack::PROVENANCE, provenance.render().map_err(trouble::internal)?);
    let of = index::Of { pack, contents: &contents, key_id: &key.id() };
    let index = index::page(step, &notes, &attestation, of);
    contents.write(pack::INDEX_HTML, index.map_err(trouble::internal)?);
    let signed = attestation.sign(&contents.hashes(), &key).map_err(trouble::internal)?;
    contents.write(pack::CHAIN_ATTESTATION, signed.render());
    let manifest = contents.manifest();
    let manifest_sha256 = digest::sha256_hex(manifest.as_bytes());
    contents.write(pack::MANIFEST, manifest);
    Ok(Prepared { notes, file_name, contents, manifest_sha256 })
}

async fn export(step: &StepContext<Ports>, pack: BuildPack) -> db::Result<Export> {
    let mut tx = db::OrgTx::begin(&step.pool, pack.org).await?;
    let export = db::exports::get(&mut tx, pack.org, pack.export).await?;
    tx.rollback().await?;
    Ok(export)
}

fn walkthrough(
    step: &StepContext<Ports>,
    notes: &Notes,
    file_name: &str,
    key: &SigningKey,
) -> Result<String, Failure> {
    let text = walkthrough::render(&Walkthrough {
        file_name,
        org_slug: &notes.summary.org.slug,
        period: &notes.summary.period,
        key_id: &key.id(),
        keys_url: &keys_url(step),
    });
    text.map_err(trouble::internal)
}

pub(super) fn keys_url(step: &StepContext<Ports>) -> String {
    format!("{}/.well-known/driftpack-keys.json", step.product.base_url)
}

fn provenance(
    step: &StepContext<Ports>,
    notes: &Notes,
    export: &Export,
    contents: &Contents,
    key: &SigningKey,
) -> Result<Provenance, Failure> {
    let org = &notes.summary.org;
    let mut sections = notes.sections.clone();
    for name in [pack::SUMMARY_PDF, pack::AUDIT_LOG_VERIFY] {
        sections
            .extend(contents.digest(name).map(|digest| Section::file(name, digest, Vec::new())));
    }
    let signing_key = VerificationKey::of(&key.public()).map_err(trouble::internal)?;
    Ok(Provenance {
        schema: SCHEMA.to_owned(),
        product: Product {
            name: step.product.name.clone(),
            version: step.product.version.clone(),
            build: step.product.build.clone(),
            base_url: step.product.base_url.clone(),
            environment: step.product.environment.clone(),
        },
        plan: notes.plan.clone(),
        org: Org { id: org.id, slug: org.slug.clone(), name: org.name.clone() },
        request: Request {
            export_id: export.id,
            requested_by: export.requested_by,
            role: export.requested_role,
            // The API accepts this request from people only.
            auth_method: "oidc".to_owned(),
            request_id: Some(export.request_id.clone()),
            requested_at: export.requested_at,
        },
        period: notes.summary.period,
        period_bounds: BOUNDS.to_owned(),
        snapshot: notes.snapshot.clone(),
        attempt: notes.attempt,
        build: Build {
            workflow: BuildPack::NAME.to_owned(),
            run_id: step.run_id(),
            read_at: notes.snapshot.taken_at,
        },
        sections,
        control_totals: ControlTotals::from(&notes.summary),
        tie_out: notes.tie_out.clone(),
        sequence_gaps: notes.sequence_gaps.clone(),
        exclusions: removed::exclusions(notes),
        access: Access::enforced(),
        changes: notes.changes.clone(),
        signing_key: Some(signing_key),
        time_stamp_authority: step.proof.authority.as_ref().map(|authority| authority.name.clone()),
    })
}

/// The entries of the pack, by name: copied from storage, or at hand.
#[derive(Default)]
pub(super) struct Contents(BTreeMap<String, Content>);

enum Content {
    Staged(Staged),
    Written(String),
}

impl Content {
    fn digest(&self) -> Digest {
        match self {
            Self::Staged(staged) => staged.digest(),
            Self::Written(text) => digest::of(text.as_bytes()),
        }
    }

    fn rows(&self) -> Option<u64> {
        match self {
            Self::Staged(staged) => staged.rows,
            Self::Written(_) => None,
        }
    }
}

impl Contents {
    fn staged(parts: Parts<'_>) -> Self {
        let staged = parts.collected.entries.iter().chain(parts.report);
        let content = |staged: &Staged| (staged.entry.clone(), Content::Staged(staged.clone()));
        Self(staged.map(content).collect())
    }

    fn write(&mut self, name: &str, text: String) {
        self.0.insert(name.to_owned(), Content::Written(text));
    }

    fn digest(&self, name: &str) -> Option<Digest> {
        self.0.get(name).map(Content::digest)
    }

    fn hashes(&self) -> Hashes {
        self.0.iter().map(|(name, content)| (name.clone(), content.digest().sha256)).collect()
    }

    fn manifest(&self) -> String {
        let hashes = self.hashes();
        let pairs: Vec<_> =
            hashes.iter().map(|(name, sha256)| (name.as_str(), sha256.as_str())).collect();
        manifest::render(&pairs)
    }

    /// In the order of the ZIP.
    fn in_order(&self) -> impl Iterator<Item = (&'static str, &Content)> {
        pack::ENTRIES.iter().filter_map(|name| Some((*name, self.0.get(*name)?)))
    }

    pub(super) fn entries(&self) -> Entries {
        let entry = |(name, content): (&str, &Content)| {
            let Digest { sha256, bytes, .. } = content.digest();
            Entry { name: name.to_owned(), rows: content.rows(), bytes, sha256 }
        };
        Entries(self.in_order().map(entry).collect())
    }
}

/// Writes the ZIP on a blocking thread; gives what went to storage.
async fn zipped(
    storage: &Storage,
    key: &Key,
    contents: Contents,
    modified: Time,
) -> Result<Stored, Failure> {
    let stop = CancellationToken::new();
    let _stop_when_dropped = stop.clone().drop_guard();
    let (storage, key) = (storage.clone(), key.clone());
    let thread =
        tokio::task::spawn_blocking(move || write(&storage, &key, &contents, modified, &stop));
    thread.await.map_err(|died| Failure::transient(died).code(trouble::INTERNAL))?
}

fn write(
    storage: &Storage,
    key: &Key,
    contents: &Contents,
    modified: Time,
    stop: &CancellationToken,
) -> Result<Stored, Failure> {
    let sink = Sink::create(storage, key, stop).map_err(stage::from_io)?;
    let mut zip = zip::Writer::new(Hashed::new(sink), modified);
    for (name, content) in contents.in_order() {
        match content {
            Content::Written(text) => {
                let mut entry = zip.entry(name).map_err(stage::unwrapped)?;
                entry.write_all(text.as_bytes()).map_err(stage::from_io)?;
                entry.finish().map_err(stage::unwrapped)?;
            }
            Content::Staged(staged) => copy(storage, staged, &mut zip, stop)?,
        }
    }
    zip.finish().map_err(stage::unwrapped)?.finish().map_err(stage::from_io)
}

/// Copies a staged entry into the ZIP, compressed as it is where it was compressed before.
fn copy<W: Write>(
    storage: &Storage,
    staged: &Staged,
    zip: &mut zip::Writer<W>,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let source = Source::open(storage, &staged.key, stop).map_err(stage::from_io)?;
    let is_same = if let Some(packed) = &staged.packed {
        let mut entry = zip.packed(&staged.entry, packed).map_err(stage::unwrapped)?;
        source.pour(&mut entry).map_err(stage::from_io)?;
        match entry.finish() {
            Err(bundle::Error::Repacked { .. }) => false,
            finished => finished.map(|()| true).map_err(stage::unwrapped)?,
        }
    } else {
        let mut entry = zip.entry(&staged.entry).map_err(stage::unwrapped)?;
        source.pour(&mut entry).map_err(stage::from_io)?;
        entry.finish().map_err(stage::unwrapped)?.sha256 == staged.sha256
    };
    if is_same { Ok(()) } else { Err(Altered::failure(&staged.key)) }
}
