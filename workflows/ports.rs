//! What steps reach the world through. At most six fields; a step takes the ones it needs.

use bundle::keys::SigningKey;
use engine::{Clock, Pool};
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
    /// Signs attestations.
    pub keys: SigningKey,
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
