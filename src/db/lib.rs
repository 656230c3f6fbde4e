#![doc = include_str!("README.md")]

mod cause;
mod column;
mod error;
mod page;
mod scope;

pub mod api_keys;
pub mod chain;
pub mod chain_checks;
pub mod commit;
pub mod deletion;
pub mod erasure;
pub mod exports;
mod fields;
pub mod findings;
pub mod generate;
pub mod handover;
pub mod idempotency;
pub mod invitations;
pub mod isolation;
pub mod limits;
pub mod members;
pub mod operations;
pub mod orgs;
pub mod pool;
pub mod retention;
pub mod rules;
pub mod scans;
pub mod section;
pub mod sessions;
pub mod state_sources;
#[cfg(feature = "testing")]
pub mod testing;
pub mod upgrade;
pub mod users;

pub use cause::Cause;
pub use error::{Error, Result};
pub use page::{Page, Slice};
pub use scope::{OrgTx, scope, scope_platform};

use sqlx::PgPool;
use sqlx::migrate::Migrator;

/// The application's migrations, forward only.
pub static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// The group role that the server and the workers run as; the first migration creates it.
pub const APP_ROLE: &str = "driftpack_app";

/// Brings the database up to date. `owner` connects as the role that owns the tables.
pub async fn migrate(owner: &PgPool) -> Result<()> {
    Ok(MIGRATOR.run(owner).await?)
}
