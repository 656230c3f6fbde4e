//! Findings as they are answered.

use poem_openapi::Object;
use uuid::Uuid;

use crate::api::time::Timestamp;
use crate::api::word::{DriftType, FindingEventKind, FindingResolution, FindingStatus, RiskLevel};

/// A drifted resource, followed over time.
#[derive(Debug, Clone, Object)]
pub(crate) struct Finding {
    id: Uuid,
    /// Per organisation, without gaps.
    number: i64,
    state_source_id: Uuid,
    /// Name of the source today.
    state_source: String,
    address: String,
    resource_type: String,
    resource_name: String,
    #[oai(nullable)]
    provider: Option<String>,
    drift_type: DriftType,
    /// As at detection.
    risk_level: RiskLevel,
    /// As at the latest scan that saw it.
    risk_level_now: RiskLevel,
    /// What graded it at detection: `builtin:<id>`, `custom:<id>` or `default`.
    risk_rule: String,
    /// Names only, never values.
    changed_attributes: Vec<String>,
    status: FindingStatus,
    #[oai(nullable)]
    resolution: Option<FindingResolution>,
    /// The first scan that saw it.
    detected_at: Timestamp,
    /// The latest complete scan before it: the true start lies in between.
    #[oai(nullable)]
    last_clean_scan_at: Option<Timestamp>,
    last_seen_at: Timestamp,
    /// Start of the latest time open.
    open_since: Timestamp,
    reopen_count: i32,
    #[oai(nullable)]
    resolved_at: Option<Timestamp>,
    /// Opaque id of a person; absent when a scan resolved it.
    #[oai(nullable)]
    resolved_by: Option<String>,
    #[oai(nullable)]
    resolution_reason: Option<String>,
}

/// A part of the list of findings.
#[derive(Debug, Object)]
pub(crate) struct FindingList {
    pub(crate) findings: Vec<Finding>,
    /// For the next part; absent at the end.
    #[oai(nullable)]
    pub(crate) next_after_number: Option<i64>,
}

/// A finding, with everything that happened to it.
#[derive(Debug, Clone, Object)]
pub(crate) struct FindingDetail {
    #[oai(flatten)]
    finding: Finding,
    /// In order.
    events: Vec<FindingEvent>,
}

/// What happened to a finding, and what it was from then on.
#[derive(Debug, Clone, Object)]
pub(crate) struct FindingEvent {
    /// 1 for the first.
    seq: i32,
    kind: FindingEventKind,
    status: FindingStatus,
    #[oai(nullable)]
    resolution: Option<FindingResolution>,
    address: String,
    changed_attributes: Vec<String>,
    risk_level_now: RiskLevel,
    occurred_at: Timestamp,
    /// When the next one occurred; absent: still so.
    #[oai(nullable)]
    until: Option<Timestamp>,
    recorded_at: Timestamp,
    actor_type: String,
    actor_id: String,
    #[oai(nullable)]
    reason: Option<String>,
    /// The scan that caused it.
    #[oai(nullable)]
    scan_id: Option<Uuid>,
}

impl FindingDetail {
    pub(super) fn new(finding: db::findings::Finding, events: Vec<db::findings::Event>) -> Self {
        Self {
            finding: finding.into(),
            events: events.into_iter().map(FindingEvent::from).collect(),
        }
    }
}

impl From<db::findings::Finding> for Finding {
    fn from(finding: db::findings::Finding) -> Self {
        Self {
            id: finding.id.0,
            number: finding.number,
            state_source_id: finding.state_source_id.0,
            state_source: finding.state_source,
            address: finding.address,
            resource_type: finding.resource_type,
            resource_name: finding.resource_name,
            provider: finding.provider,
            drift_type: finding.drift_type.into(),
            risk_level: finding.risk_level.into(),
            risk_level_now: finding.risk_level_now.into(),
            risk_rule: finding.risk_rule,
            changed_attributes: finding.changed_attributes,
            status: finding.status.into(),
            resolution: finding.resolution.map(Into::into),
            detected_at: finding.detected_at.into(),
            last_clean_scan_at: finding.last_clean_scan_at.map(Into::into),
            last_seen_at: finding.last_seen_at.into(),
            open_since: finding.open_since.into(),
            reopen_count: finding.reopen_count,
            resolved_at: finding.resolved_at.map(Into::into),
            resolved_by: finding.resolved_by,
            resolution_reason: finding.resolution_reason,
        }
    }
}

impl From<db::findings::Event> for FindingEvent {
    fn from(event: db::findings::Event) -> Self {
        Self {
            seq: event.seq,
            kind: event.kind.into(),
            status: event.status.into(),
            resolution: event.resolution.map(Into::into),
            address: event.address,
            changed_attributes: event.changed_attributes,
            risk_level_now: event.risk_level_now.into(),
            occurred_at: event.occurred_at.into(),
            until: event.until.map(Into::into),
            recorded_at: event.recorded_at.into(),
            actor_type: event.actor_kind,
            actor_id: event.actor_id,
            reason: event.reason,
            scan_id: event.scan_id,
        }
    }
}
