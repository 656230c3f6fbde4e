//! Scans as they are answered.

use db::scans::{Ingested, Suppressed as SuppressedRow};
use poem_openapi::{Enum, Object};
use serde_json::Value;
use uuid::Uuid;

use crate::api::time::Timestamp;
use crate::api::word::ScanStatus;

/// A drift scan.
#[derive(Debug, Clone, Object)]
pub(crate) struct Scan {
    pub(crate) id: Uuid,
    state_source_id: Uuid,
    /// Name of the source today.
    state_source: String,
    status: ScanStatus,
    /// What the file was: `plan_json`, `plan_json_redacted`, `ui_stream` or `driftctl_json`.
    format: String,
    tool: String,
    #[oai(nullable)]
    tool_version: Option<String>,
    observed_at: Timestamp,
    ingested_at: Timestamp,
    /// Observed before the newest scan of its source: it counts, and moved no finding.
    late: bool,
    /// Whether the file speaks of drift at all; silence is not the same as none.
    drift_reported: bool,
    #[oai(nullable)]
    resources_total: Option<i64>,
    #[oai(nullable)]
    resources_managed: Option<i64>,
    /// Resources that are there but different.
    drifted: i64,
    /// Resources that are recorded but gone.
    missing: i64,
    /// Resources that are there but not managed.
    extra: i64,
    /// Differences that mean nothing, such as null and an empty list.
    noise_suppressed: i64,
    /// Drifts that a custom rule keeps from being findings.
    ignored: i64,
    #[oai(nullable)]
    serial: Option<i64>,
    #[oai(nullable)]
    lineage: Option<String>,
    /// Who handed it in: `user:<id>` or `api_key:<id>`.
    triggered_by: String,
    /// What the sender said about its pipeline.
    ci: Value,
    /// Why it is not `done`.
    #[oai(nullable)]
    error: Option<String>,
    /// What was read in a way worth knowing about: `{code, message}`.
    warnings: Value,
    /// Of the unpacked file, lower-case hex.
    content_sha256: String,
    /// Of the unpacked file.
    size_bytes: i64,
}

/// Where the time of observation was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ObservedAtSource {
    /// The request's `observed_at`.
    Caller,
    /// The file.
    File,
    /// The time of receipt.
    Receipt,
}

/// What came of handing in a scan.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ScanReceipt")]
pub(crate) struct Receipt {
    #[oai(flatten)]
    pub(crate) scan: Scan,
    observed_at_source: ObservedAtSource,
    /// These bytes were there already.
    pub(crate) duplicate: bool,
    pub(crate) findings: Effects,
}

/// What a scan did to findings; all zero for one that was there already.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ScanEffects")]
pub(crate) struct Effects {
    pub(crate) opened: u64,
    pub(crate) reopened: u64,
    pub(crate) updated: u64,
    pub(crate) moved: u64,
    pub(crate) resolved: u64,
}

/// A part of the list of scans.
#[derive(Debug, Object)]
pub(crate) struct ScanList {
    pub(crate) scans: Vec<Scan>,
    /// For the next part; absent at the end.
    #[oai(nullable)]
    pub(crate) next_cursor: Option<String>,
}

/// A drift scan, with what became no finding.
#[derive(Debug, Clone, Object)]
pub(crate) struct ScanDetail {
    #[oai(flatten)]
    scan: Scan,
    suppressed: Vec<Suppressed>,
}

/// What a scan showed and no finding came of.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ScanSuppressed")]
pub(crate) struct Suppressed {
    /// `noise` (a built-in rule) or `ignored` (a custom rule).
    kind: String,
    /// Name of the built-in rule, or id of the custom rule.
    rule: String,
    resources: i64,
    attributes: i64,
}

impl Receipt {
    pub(super) fn new(ingested: Ingested, source: ObservedAtSource) -> Self {
        let Ingested { scan, duplicate, opened, reopened, updated, moved, resolved } = ingested;
        Self {
            scan: scan.into(),
            observed_at_source: source,
            duplicate,
            findings: Effects { opened, reopened, updated, moved, resolved },
        }
    }
}

impl ScanDetail {
    pub(super) fn new(scan: db::scans::Scan, suppressed: Vec<SuppressedRow>) -> Self {
        let suppressed = suppressed.into_iter().map(|row| Suppressed {
            kind: row.kind,
            rule: row.rule,
            resources: row.resources,
            attributes: row.attributes,
        });
        Self { scan: scan.into(), suppressed: suppressed.collect() }
    }
}

impl From<db::scans::Scan> for Scan {
    fn from(scan: db::scans::Scan) -> Self {
        Self {
            id: scan.id.0,
            state_source_id: scan.state_source_id.0,
            state_source: scan.state_source,
            status: scan.status.into(),
            format: scan.format,
            tool: scan.tool,
            tool_version: scan.tool_version,
            observed_at: scan.observed_at.into(),
            ingested_at: scan.ingested_at.into(),
            late: scan.late,
            drift_reported: scan.drift_reported,
            resources_total: scan.resources_total,
            resources_managed: scan.resources_managed,
            drifted: scan.drifted,
            missing: scan.missing,
            extra: scan.extra,
            noise_suppressed: scan.noise_suppressed,
            ignored: scan.ignored,
            serial: scan.serial,
            lineage: scan.lineage,
            triggered_by: scan.triggered_by,
            ci: scan.ci,
            error: scan.error,
            warnings: scan.warnings,
            content_sha256: hex::encode(scan.content_sha256),
            size_bytes: scan.size_bytes,
        }
    }
}
