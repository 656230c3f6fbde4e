//! Drift scans: reading them, and taking them in.
//!
//! Invariants
//! - The same bytes for the same source are one scan, however often and from however many sides,
//!   unless the file does not say when the tool looked and the sender says that it looked twice.
//! - A scan and everything that follows from it are one transaction.

mod effect;
mod hidden;
mod ingest;
mod moves;
mod place;
mod read;

use evidence::action::Actor;
use evidence::chain::Hash;
use evidence::ids::{ScanId, StateSourceId};
use evidence::scan::{Observation, ScanStatus};
use evidence::time::Time;
use serde_json::{Map, Value};

pub use ingest::ingest;
pub use read::{Filter, Suppressed, find, list, suppressed};

/// A scan, as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Scan {
    pub id: ScanId,
    pub state_source_id: StateSourceId,
    /// Name of the source today.
    pub state_source: String,
    pub status: ScanStatus,
    pub format: String,
    pub tool: String,
    pub tool_version: Option<String>,
    pub observed_at: Time,
    pub ingested_at: Time,
    /// Observed before the newest scan of its source: counted, but moved no finding.
    pub late: bool,
    pub drift_reported: bool,
    pub resources_total: Option<i64>,
    pub resources_managed: Option<i64>,
    pub drifted: i64,
    pub missing: i64,
    pub extra: i64,
    pub noise_suppressed: i64,
    /// Drifts that a custom rule keeps from being findings.
    pub ignored: i64,
    pub serial: Option<i64>,
    pub lineage: Option<String>,
    /// Who handed it in.
    pub triggered_by: String,
    /// An object: what the caller said about the pipeline.
    pub ci: Value,
    pub error: Option<String>,
    /// An array of `{code, message}`.
    pub warnings: Value,
    pub content_sha256: Hash,
    pub size_bytes: i64,
}

/// A scan to be taken in.
#[derive(Debug, Clone)]
pub struct Ingest {
    pub state_source: StateSourceId,
    pub observation: Observation,
    /// Resolved by the caller: the file's own time, else the sender's, else now; not in the future.
    pub observed_at: Time,
    /// Of the bytes handed in, unpacked.
    pub content_sha256: Hash,
    /// Length of the bytes handed in, unpacked.
    pub bytes: u64,
    /// Who handed it in, for people: `user`, `api_key` … and an opaque id.
    pub triggered_by: String,
    pub ci: Map<String, Value>,
    pub actor: Actor,
    /// Request id.
    pub origin: String,
    pub now: Time,
}

/// What came of it. The counts are of this scan's own effects, so all zero for a duplicate.
#[derive(Debug, Clone, PartialEq)]
pub struct Ingested {
    pub scan: Scan,
    /// These bytes were there already: `scan` is the scan of the first time.
    pub duplicate: bool,
    pub opened: u64,
    pub reopened: u64,
    pub updated: u64,
    pub moved: u64,
    pub resolved: u64,
}
