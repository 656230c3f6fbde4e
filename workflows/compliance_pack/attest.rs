//! Step `attest`: the whole audit chain was re-hashed, and every earlier pack's position looked up on it.
//!
//! The attestation speaks of the moment of the sections: where the chain stood then, what earlier packs had attested by then. That
//! is looked at while the sections are read; a chain that was not whole then is looked at again here, as it is now, so that a run
//! can go on after it was mended. A chain that does not verify makes no pack: permanent, `chain_broken`. It is staged unsigned; the signature covers the other
//! entries and comes in `seal`, by the key that is chosen here.

use std::collections::BTreeMap;

use bundle::attestation::{Attestation, PeriodRange, Position, Previous, SCHEMA};
use db::chain::Options;
use db::section::Snapshot;
use engine::{Failure, StepContext};
use evidence::chain::{ChainId, Hash, Status, Verdict};
use evidence::ids::ExportId;
use serde::{Deserialize, Serialize};
use storage::Key;

use super::collect::{Collected, Notes};
use super::facts::{Earlier, Positions};
use super::{BuildPack, key};
use crate::stage::{self, Staged};
use crate::{Ports, trouble};

/// Where the attestation is, and the position that it names.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Attested {
    pub(super) attestation: Staged,
    pub(super) head_seq: i64,
    pub(super) head_hash_hex: String,
    /// Of the key that the pack is signed with.
    pub(super) key_id: String,
}

/// Why there is nothing to attest.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the audit chain is {status}: {message}")]
    Chain { status: Status, message: String },
    #[error("entry {seq} of the audit chain has another hash than when the sections were read")]
    Head { seq: i64 },
    #[error("the pack {export} attested entry {seq} with another hash than the chain has")]
    Earlier { export: ExportId, seq: i64 },
    #[error("entry {0} of the audit chain was not reached")]
    Missing(i64),
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        Self::permanent(broken).code(trouble::CHAIN_BROKEN)
    }
}

/// The step.
pub(super) async fn chain(
    step: StepContext<Ports>,
    pack: BuildPack,
    collected: &Collected,
) -> Result<Attested, Failure> {
    let notes: Notes = stage::load(&step.storage, &collected.notes).await?;
    let key_id = key::choose(&step, notes.snapshot.taken_at)?;
    let hashes = match notes.hashes.clone() {
        Some(hashes) => hashes,
        None => intact(
            verify(&step, pack, &notes.positions).await.map_err(trouble::database)?,
            &notes.positions,
        )?,
    };
    let attestation = attestation(&step.product.base_url, pack, &notes, &hashes)?;
    let bytes = serde_json::to_vec(&attestation).map_err(trouble::internal)?;
    let key = Key::staging(&stage::attempt(&step), "attestation.json");
    let staged = stage::put(&step.storage, key, "attestation.json", bytes).await?;
    let Attestation { head_seq, head_hash_hex, .. } = attestation;
    Ok(Attested { attestation: staged, head_seq, head_hash_hex, key_id })
}

async fn verify(
    step: &StepContext<Ports>,
    pack: BuildPack,
    positions: &Positions,
) -> db::Result<Verdict> {
    let mut snapshot = Snapshot::begin(&step.pool, pack.org).await?;
    let (chain, options) = (ChainId::Org(pack.org), options(positions));
    let verified = db::chain::verify(&mut snapshot, chain, &options).await?;
    snapshot.close().await?;
    Ok(verified.verdict)
}

/// What the chain must hold, and which of its hashes are wanted.
pub(super) fn options(positions: &Positions) -> Options {
    let mut watch: Vec<i64> = positions.earlier.iter().map(|earlier| earlier.seq).collect();
    watch.extend([1, positions.requested_seq, positions.chain.head_seq]);
    Options { watch, expected_min_seq: Some(positions.chain.head_seq), ..Options::default() }
}

/// The hashes at the watched positions, if the chain is whole and its head of then is where it was.
pub(super) fn intact(verdict: Verdict, positions: &Positions) -> Result<Hashes, Failure> {
    let Verdict { status, message, watched, .. } = verdict;
    if status != Status::Ok {
        return Err(Broken::Chain { status, message }.into());
    }
    let (hashes, seq) = (Hashes(watched), positions.chain.head_seq);
    if hashes.hex(seq)? != positions.chain.head_hash_hex {
        return Err(Broken::Head { seq }.into());
    }
    Ok(hashes)
}

/// Hashes by position.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Hashes(BTreeMap<i64, Hash>);

impl Hashes {
    fn hex(&self, seq: i64) -> Result<String, Failure> {
        let hash = self.0.get(&seq).ok_or(Broken::Missing(seq))?;
        Ok(hex::encode(hash))
    }

    /// An earlier pack, if the chain still has the very hash that it attested.
    fn previous(&self, earlier: &Earlier) -> Result<Previous, Failure> {
        let Earlier { export, seq, hash_hex } = earlier.clone();
        if self.hex(seq)? != hash_hex {
            return Err(Broken::Earlier { export, seq }.into());
        }
        Ok(Previous { export_id: export, seq, hash_hex })
    }
}

fn attestation(
    base_url: &str,
    pack: BuildPack,
    notes: &Notes,
    hashes: &Hashes,
) -> Result<Attestation, Failure> {
    let Positions { chain, requested_seq, earlier } = &notes.positions;
    let (audit, head_seq) = (notes.summary.audit, chain.head_seq);
    let previous: Result<_, _> = earlier.iter().map(|earlier| hashes.previous(earlier)).collect();
    Ok(Attestation {
        schema: SCHEMA.to_owned(),
        chain: chain.chain.clone(),
        canonical_version: chain.canonical_version.clone(),
        verified_at: notes.snapshot.taken_at,
        status: Status::Ok,
        checked: u64::try_from(head_seq).unwrap_or_default(),
        head_seq,
        head_hash_hex: chain.head_hash_hex.clone(),
        genesis_hash_hex: hashes.hex(1)?,
        period: PeriodRange { first_seq: audit.first_seq, last_seq: audit.last_seq },
        requested: Position { seq: *requested_seq, hash_hex: hashes.hex(*requested_seq)? },
        previous_attestations: previous?,
        verify_url: format!(
            "{base_url}/api/v2/orgs/{}/audit-log/verify?at_seq={head_seq}",
            pack.org
        ),
        signature: None,
    })
}
