//! Step `render`: `summary.pdf`, where rendering is on.
//!
//! Its dates are those of the snapshot, so the same pack prints to the same bytes.

use bundle::attestation::Attestation;
use engine::{Failure, StepContext};
use evidence::pack;
use render::{Attested as ChainState, Entry, Product, Report, Requester};
use storage::Key;

use super::attest::Attested;
use super::collect::{Collected, Notes};
use super::{BuildPack, removed};
use crate::stage::{self, Staged};
use crate::{Ports, trouble};

/// The step; `None` where rendering is off.
pub(super) async fn report(
    step: StepContext<Ports>,
    pack: BuildPack,
    collected: &Collected,
    attested: &Attested,
) -> Result<Option<Staged>, Failure> {
    let Some(renderer) = &step.renderer else { return Ok(None) };
    let notes: Notes = stage::load(&step.storage, &collected.notes).await?;
    let attestation: Attestation = stage::load(&step.storage, &attested.attestation).await?;
    let dated = notes.summary.generated_at;
    let report = Report {
        export: pack.export,
        file_name: pack::file_name(&notes.summary.org.slug, &notes.summary.period),
        requester: requester(&step, pack).await.map_err(trouble::database)?,
        product: Product {
            name: step.product.name.clone(),
            version: step.product.version.clone(),
            build: step.product.build.clone(),
        },
        controls: evidence::control::all(),
        chain: chain_state(attestation, attested.key_id.clone()),
        entries: with_rows(collected),
        paper: renderer.paper(),
        history_from: removed::reaches_into(&notes),
        summary: notes.summary,
    };
    let html = render::html(&report).map_err(trouble::internal)?;
    let pdf = renderer.pdf(&html, dated).await.map_err(trouble::renderer)?;
    let key = Key::staging(&stage::attempt(&step), pack::SUMMARY_PDF);
    stage::put(&step.storage, key, pack::SUMMARY_PDF, pdf).await.map(Some)
}

/// The person, by an address that is looked up now and kept in no checkpoint.
async fn requester(step: &StepContext<Ports>, pack: BuildPack) -> db::Result<Requester> {
    let mut tx = db::OrgTx::begin(&step.pool, pack.org).await?;
    let export = db::exports::get(&mut tx, pack.org, pack.export).await?;
    tx.rollback().await?;
    Ok(Requester {
        name: export.requested_by_email.unwrap_or_else(|| export.requested_by.to_string()),
        role: Some(export.requested_role.to_string()),
        at: export.requested_at,
    })
}

pub(super) fn chain_state(attestation: Attestation, key_id: String) -> ChainState {
    ChainState {
        status: attestation.status.to_string(),
        verified_at: attestation.verified_at,
        checked: attestation.checked,
        head_seq: Some(attestation.head_seq),
        head_hash_hex: Some(attestation.head_hash_hex),
        genesis_hash_hex: Some(attestation.genesis_hash_hex),
        requested_seq: Some(attestation.requested.seq),
        previous_packs: u64::try_from(attestation.previous_attestations.len()).unwrap_or(u64::MAX),
        verify_url: attestation.verify_url,
        key_id,
    }
}

fn with_rows(collected: &Collected) -> Vec<Entry> {
    let entry =
        |staged: &Staged| staged.rows.map(|rows| Entry { name: staged.entry.clone(), rows });
    collected.entries.iter().filter_map(entry).collect()
}
