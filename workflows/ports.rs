//! What steps reach the world through. At most six fields; a step takes the ones it needs.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use bundle::keyring::Keyring;
use bundle::keys::PublicKey;
use engine::{Clock, Pool};
use futures_util::future::BoxFuture;
use render::Chromium;
use storage::Storage;

/// The ports of every workflow.
#[derive(Clone)]
pub struct Ports {
    /// Connections of the role `driftpack_app`.
    pub pool: Pool,
    pub storage: Storage,
    /// Absent where PDF rendering is off: packs then have no `summary.pdf`.
    pub renderer: Option<Chromium>,
    /// What makes packs provable: who signs, who dates.
    pub proof: Proof,
    /// The engine's clock.
    pub clock: Clock,
    pub product: Product,
}

/// What the packs say about the program that made them.
#[derive(Clone, Debug)]
pub struct Product {
    pub name: String,
    pub version: String,
    /// The commit it was built from.
    pub build: String,
    /// Where its API is reached, without a slash at the end.
    pub base_url: String,
    /// `production` or `development`, as configured.
    pub environment: String,
}

/// Who signs attestations, and who dates packs.
#[derive(Clone, Debug)]
pub struct Proof {
    pub keys: Keys,
    /// Absent: packs bear no time stamp.
    pub authority: Option<Authority>,
}

/// The key ring in force. It can be replaced while steps run, so that keys are changed without a restart.
#[derive(Clone)]
pub struct Keys(Arc<RwLock<Arc<Keyring>>>);

impl Keys {
    pub fn new(ring: Keyring) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(ring))))
    }

    pub fn ring(&self) -> Arc<Keyring> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn replace(&self, ring: Keyring) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
    }

    /// The public keys as they are published.
    pub fn public(&self) -> Vec<PublicKey> {
        self.ring().published().keys
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keys").field(&self.ring()).finish()
    }
}

/// A time-stamp authority (RFC 3161), reached by whoever composes the program: workflows speak no HTTP.
#[derive(Clone)]
pub struct Authority {
    /// Its address without anything secret, as packs name it.
    pub name: String,
    pub ask: Ask,
}

/// Sends a request (DER) and gives the answer's body, or why there is none. Bounds time and size itself.
pub type Ask = Arc<dyn Fn(Vec<u8>) -> BoxFuture<'static, Result<Vec<u8>, String>> + Send + Sync>;

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("name", &self.name).finish_non_exhaustive()
    }
}
