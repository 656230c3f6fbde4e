//! Findings: drifted resources followed over time.
//!
//! Invariants
//! - The row of a finding and its newest event say the same.
//! - The events of a finding are consecutive intervals; only the end of the newest is ever written.
//! - Numbers have no gaps per organisation.
//!
//! What happens to a finding is decided by `evidence::finding`; this stores it.

mod decide;
mod read;
pub(crate) mod store;

use evidence::finding::{EventKind, Resolution, Status};
use evidence::ids::{FindingId, StateSourceId};
use evidence::risk::RiskLevel;
use evidence::scan::DriftType;
use evidence::time::Time;
use uuid::Uuid;

pub use decide::decide;
pub use read::{Filter, events, find, find_by_number, list};

/// A finding, as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub id: FindingId,
    /// Per organisation, without gaps.
    pub number: i64,
    pub state_source_id: StateSourceId,
    /// Name of the source today.
    pub state_source: String,
    pub address: String,
    pub resource_type: String,
    pub resource_name: String,
    pub provider: Option<String>,
    pub drift_type: DriftType,
    /// As at detection.
    pub risk_level: RiskLevel,
    /// As at the latest scan that saw it.
    pub risk_level_now: RiskLevel,
    /// What graded it at detection: `builtin:<id>`, `custom:<uuid>` or `default`.
    pub risk_rule: String,
    pub changed_attributes: Vec<String>,
    pub status: Status,
    pub resolution: Option<Resolution>,
    pub detected_at: Time,
    /// The latest complete scan before it was opened: the true start lies in between.
    pub last_clean_scan_at: Option<Time>,
    pub last_seen_at: Time,
    pub open_since: Time,
    pub reopen_count: i32,
    pub resolved_at: Option<Time>,
    /// Opaque id of a person; absent when a scan resolved it.
    pub resolved_by: Option<String>,
    pub resolution_reason: Option<String>,
}

/// One event of a finding, and what it was from then on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub seq: i32,
    pub kind: EventKind,
    pub status: Status,
    pub resolution: Option<Resolution>,
    pub address: String,
    pub changed_attributes: Vec<String>,
    pub risk_level_now: RiskLevel,
    pub open_since: Time,
    pub occurred_at: Time,
    /// When the next event occurred; absent: still so.
    pub until: Option<Time>,
    pub recorded_at: Time,
    pub actor_kind: String,
    pub actor_id: String,
    pub reason: Option<String>,
    pub scan_id: Option<Uuid>,
}
