//! Steps `publish_object`, `publish` and `sweep`: the pack becomes what can be downloaded.
//!
//! The object first, the row second: a row that says `done` always has its object. An object whose row never followed is
//! retention's to find.

use db::exports::Built;
use engine::{Connection, Failure, StepContext};
use evidence::chain::Hash;
use storage::Key;

use super::seal::Sealed;
use super::{BuildPack, Published, cause};
use crate::{Ports, trouble};

/// A checkpoint whose digest is no digest: only a changed database can hold one.
#[derive(Debug, thiserror::Error)]
#[error("a recorded digest is not 64 hexadecimal digits")]
struct NoDigest;

/// Step `publish_object`: moves the ZIP to its lasting key. Repeatable.
pub(super) async fn object(
    step: StepContext<Ports>,
    pack: BuildPack,
    sealed: &Sealed,
) -> Result<Key, Failure> {
    let to = Key::artifact(pack.org.0, pack.export.0, &digest(&sealed.sha256)?);
    step.storage.publish(&sealed.key, &to).await.map_err(trouble::storage)?;
    Ok(to)
}

/// Step `publish`: the row and its audit entry, in the transaction of the step.
///
/// The object is looked up once more: an operator may retry this step long after the one that moved it.
pub(super) async fn row(
    tx: &mut Connection,
    step: StepContext<Ports>,
    pack: BuildPack,
    sealed: &Sealed,
    object: &Key,
) -> Result<Published, Failure> {
    step.storage.stat(object).await.map_err(trouble::storage)?;
    let built = Built {
        file_name: sealed.file_name.clone(),
        size_bytes: sealed.size_bytes,
        sha256: digest(&sealed.sha256)?,
        manifest_sha256: digest(&sealed.manifest_sha256)?,
        pdf_included: sealed.pdf_included,
        entries: sealed.entries.clone(),
        object_key: object.to_string(),
        attested_seq: sealed.attested_seq,
        attested_hash: digest(&sealed.attested_hash)?,
    };
    db::scope(tx, pack.org).await.map_err(trouble::database)?;
    let cause = cause(step.run_id(), step.now());
    let done = db::exports::complete(tx, pack.org, pack.export, &built, &cause).await;
    done.map_err(trouble::database)?;
    Ok(Published {
        object_key: object.to_string(),
        sha256: sealed.sha256.clone(),
        size_bytes: sealed.size_bytes,
    })
}

/// Step `sweep`: nothing that this run staged is left.
pub(super) async fn sweep(step: StepContext<Ports>) -> Result<(), Failure> {
    step.storage.sweep(step.run_id()).await.map_err(trouble::storage)
}

fn digest(text: &str) -> Result<Hash, Failure> {
    let mut digest = Hash::default();
    hex::decode_to_slice(text, &mut digest).map_err(|_| trouble::internal(NoDigest))?;
    Ok(digest)
}
