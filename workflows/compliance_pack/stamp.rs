//! Step `stamp`: a time-stamp authority dates the pack, where one is configured.
//!
//! The token is over `MANIFEST.txt`, so the manifest is worked out here, and again by `seal`, which takes the token only if it is
//! over the manifest that it seals. The answer is staged and named by the checkpoint: a step that is repeated after this one gives
//! the same pack. No authority, whatever it does or does not answer, fails a pack: it ships without a token, the log says why,
//! and `provenance.json` says that a token was asked for.

use bundle::timestamp::{Request, Token};
use engine::{Failure, StepContext};
use evidence::pack;
use serde::{Deserialize, Serialize};
use storage::Key;

use super::seal::Parts;
use super::{BuildPack, seal};
use crate::stage::{self, Staged};
use crate::{Authority, Ports};

/// A network may fail once; an authority that fails twice in a row is not waited for.
const TRIES: u8 = 2;

/// What the authority gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamped {
    /// Over what; absent where no authority is asked.
    manifest_sha256: Option<String>,
    token: Option<Staged>,
}

impl Stamped {
    /// The token, if it is over this manifest.
    pub(super) fn token_over(&self, manifest_sha256: &str) -> Option<&Staged> {
        let over = self.manifest_sha256.as_ref()?;
        if over != manifest_sha256 {
            tracing::warn!(
                "the manifest has changed since it was time-stamped, as it does when the program is replaced: the pack ships without a time stamp; retry the run from its step stamp for one"
            );
            return None;
        }
        self.token.as_ref()
    }
}

/// The step.
pub(super) async fn manifest(
    step: StepContext<Ports>,
    pack: BuildPack,
    parts: Parts<'_>,
) -> Result<Stamped, Failure> {
    let Some(authority) = &step.proof.authority else { return Ok(Stamped::default()) };
    let manifest_sha256 = seal::manifest_sha256(&step, pack, parts).await?;
    let answer = match ask(&step, authority, &manifest_sha256).await {
        Ok(answer) => answer,
        Err(reason) => {
            tracing::warn!(
                authority = authority.name,
                reason,
                export = %pack.export,
                "the pack ships without a time stamp"
            );
            return Ok(Stamped { manifest_sha256: Some(manifest_sha256), token: None });
        }
    };
    let key = Key::staging(&stage::attempt(&step), pack::TIME_STAMP);
    let token = stage::put(&step.storage, key, pack::TIME_STAMP, answer).await?;
    Ok(Stamped { manifest_sha256: Some(manifest_sha256), token: Some(token) })
}

/// The authority's answer, if it is one to our question; else why not.
async fn ask(
    step: &StepContext<Ports>,
    authority: &Authority,
    manifest_sha256: &str,
) -> Result<Vec<u8>, String> {
    let mut sha256 = [0; 32];
    hex::decode_to_slice(manifest_sha256, &mut sha256).map_err(|error| error.to_string())?;
    let mut reason = String::new();
    for attempt in 0..TRIES {
        let request = Request::new(sha256, nonce(step, attempt));
        match (authority.ask)(request.der().to_vec()).await {
            Ok(answer) => match request.accept(&answer, step.now()) {
                Ok(Token { .. }) => return Ok(answer),
                Err(fault) => reason = format!("its answer is not accepted: {fault}"),
            },
            Err(error) => reason = error,
        }
    }
    Err(reason)
}

/// Not used before: a run's id is random, and no attempt of it asks twice with one number.
fn nonce(step: &StepContext<Ports>, attempt: u8) -> [u8; 8] {
    let seed = format!("{} {} {} {attempt}", step.run_id(), step.epoch(), step.attempt());
    let mut nonce = [0; 8];
    nonce.copy_from_slice(&bundle::digest::sha256_hex(seed.as_bytes()).as_bytes()[..8]);
    nonce
}
