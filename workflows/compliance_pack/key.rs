//! The key that a pack is signed with: chosen once, by `attest`, and the same one in every step after it.
//!
//! It must be valid at the moment that the pack speaks of (what a verifier looks at) and at the moment of signing. A ring without
//! such a key is a passing trouble: the ring is read again while steps are tried again.

use bundle::keys::SigningKey;
use engine::{Failure, StepContext};
use evidence::time::{Time, stamp};

use crate::{Ports, trouble};

#[derive(Debug, thiserror::Error)]
enum NoKey {
    #[error(
        "no signing key is valid both at {at}, of which the pack speaks, and now ({now}): {ring}; make one \
         (driftpack admin signing-key create), or let the one of then be valid until this pack is signed"
    )]
    Valid { at: String, now: String, ring: String },
    #[error(
        "the signing key {kid}, with which this pack was begun, is gone or no longer valid: put it back, or retry the run \
         from its step attest, which chooses another one"
    )]
    Gone { kid: String },
}

impl From<NoKey> for Failure {
    fn from(error: NoKey) -> Self {
        Self::transient(error).code(trouble::SIGNING_KEY)
    }
}

/// The id of the key to sign a pack with that speaks of the moment `at`.
pub(super) fn choose(step: &StepContext<Ports>, at: Time) -> Result<String, Failure> {
    let (ring, now) = (step.proof.keys.ring(), step.now());
    let chosen = ring.choose(&[at, now]).map(SigningKey::id);
    let none = || NoKey::Valid { at: stamp(at), now: stamp(now), ring: ring.explain() };
    Ok(chosen.ok_or_else(none)?)
}

/// The key that was chosen, if it may still sign.
pub(super) fn chosen(step: &StepContext<Ports>, kid: &str) -> Result<SigningKey, Failure> {
    let ring = step.proof.keys.ring();
    let key = ring.find(kid, &[step.now()]).cloned();
    Ok(key.ok_or_else(|| NoKey::Gone { kid: kid.to_owned() })?)
}
