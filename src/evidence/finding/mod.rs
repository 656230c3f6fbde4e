//! The life of a finding: pure decisions, no storage.
//!
//! A finding is one drifted resource followed over time. Its identity is (organisation, state
//! source, address, drift type); a move changes the address and keeps the identity. Every decision
//! takes what is stored ([`Current`]) and what happened, and gives the [`Event`] to store, or
//! nothing.
//!
//! Invariants:
//! - Scans that are partial never resolve; failed and late ones move nothing at all.
//! - Accepted risks and false positives are left alone by scans (a move still renames them).
//! - Events of one finding are strictly ordered in time, so the intervals between them never
//!   overlap and are never empty.
//! - The risk level at detection never changes, also when the finding is reopened. The level of the
//!   latest scan that saw it does, by an event of its own if by no other, so that it is known for
//!   every moment of the past.

mod decide;
#[cfg(test)]
mod tests;

use crate::ids::ScanId;
use crate::risk::RiskLevel;
use crate::scan::{DriftType, ScanStatus};
use crate::text::words;
use crate::time::Time;

pub use decide::{may_become, on_not_seen, on_person, on_seen};

use crate::metrics::RollForward;
use crate::time::Period;

words! {
    pub enum Status as "finding status" {
        Open = "open",
        Resolved = "resolved",
        Accepted = "accepted",
        FalsePositive = "false_positive",
    }
}

words! {
    /// How a finding was closed.
    pub enum Resolution as "resolution" {
        /// A complete scan does not show it any more; nobody said why.
        NoLongerObserved = "no_longer_observed",
        /// The infrastructure was put back.
        Reverted = "reverted",
        /// The code was changed to match.
        Codified = "codified",
        AcceptedRisk = "accepted_risk",
        FalsePositive = "false_positive",
    }
}

words! {
    pub enum EventKind as "finding event" {
        Detected = "detected",
        Updated = "updated",
        /// Nothing changed but what the rules say of it.
        Regraded = "regraded",
        Moved = "moved",
        Resolved = "resolved",
        Reopened = "reopened",
        Accepted = "accepted",
        FalsePositive = "false_positive",
    }
}

words! {
    /// What a person can decide about a finding.
    pub enum Decision as "decision" {
        /// Open → accepted.
        Accept = "accepted_risk",
        /// Open → false positive.
        FalsePositive = "false_positive",
        /// Accepted or false positive → open.
        Reopen = "reopen",
    }
}

/// A finding as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    pub status: Status,
    pub resolution: Option<Resolution>,
    pub address: String,
    pub drift_type: DriftType,
    /// As at detection.
    pub risk_level: RiskLevel,
    /// As at the latest scan that saw it.
    pub risk_level_now: RiskLevel,
    pub changed_attributes: Vec<String>,
    /// Start of the latest time open.
    pub open_since: Time,
    /// When the newest event occurred: the start of the current interval.
    pub occurred_at: Time,
}

/// The scan that a decision follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan {
    pub id: ScanId,
    pub observed_at: Time,
    pub status: ScanStatus,
    /// Observed earlier than the newest scan of its source: stored and counted, moves nothing.
    pub late: bool,
}

/// One drift as the scan saw it, at its address after moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen<'a> {
    pub address: &'a str,
    /// Empty for `changed` drift: the tool does not tell the names.
    pub changed_attributes: &'a [String],
    /// Today's grade; `None`: a custom rule says ignore.
    pub level: Option<RiskLevel>,
}

/// A transition to store: the state of the finding from `occurred_at` on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub kind: EventKind,
    pub status: Status,
    pub resolution: Option<Resolution>,
    pub address: String,
    pub changed_attributes: Vec<String>,
    /// As at detection.
    pub risk_level: RiskLevel,
    /// As at the latest scan that saw it.
    pub risk_level_now: RiskLevel,
    /// Start of the latest time open: hours to resolve = `occurred_at` − `open_since`.
    pub open_since: Time,
    pub occurred_at: Time,
    /// The scan that caused it; absent for a person's decision.
    pub scan: Option<ScanId>,
    /// The person's reason.
    pub reason: Option<String>,
}

/// Why a person's decision is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("a finding that is {from} cannot become {to}")]
    Transition { from: Status, to: Status },
    #[error("a reason is required: 1 to 2000 characters, no control characters but line breaks")]
    Reason,
}

impl Current {
    /// The finding after its first event, or after a further one.
    pub fn after(event: &Event, drift_type: DriftType) -> Self {
        Self {
            status: event.status,
            resolution: event.resolution,
            address: event.address.clone(),
            drift_type,
            risk_level: event.risk_level,
            risk_level_now: event.risk_level_now,
            changed_attributes: event.changed_attributes.clone(),
            open_since: event.open_since,
            occurred_at: event.occurred_at,
        }
    }
}

/// The roll-forward of one finding, from its whole history in order: what the numbers of a pack
/// mean. `open_at_start` is the state just before the period, `open_at_end` the state at its end.
pub fn roll_forward(history: &[Event], period: &Period) -> RollForward {
    let open_before = |time: Time| {
        let newest = history.iter().rfind(|event| event.occurred_at < time);
        u64::from(newest.is_some_and(|event| event.status == Status::Open))
    };
    let count = |kind: EventKind| {
        let within = |event: &&Event| event.kind == kind && period.contains(event.occurred_at);
        history.iter().filter(within).count() as u64
    };
    RollForward {
        open_at_start: open_before(period.start),
        opened: count(EventKind::Detected),
        reopened: count(EventKind::Reopened),
        resolved: count(EventKind::Resolved),
        accepted: count(EventKind::Accepted),
        false_positive: count(EventKind::FalsePositive),
        open_at_end: open_before(period.end),
    }
}
