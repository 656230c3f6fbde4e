//! `provenance.json`: how every figure of the pack came about, so that an auditor can judge the
//! completeness and accuracy of information produced by the entity (IPE).
//!
//! It covers every entry that exists when it is written: all but itself, `index.html`, `chain-attestation.json`, `MANIFEST.txt` and the
//! time stamp over that, which come after it and cover it. It holds opaque ids of people, no names.
//!
//! What an auditor asks of such information, and which member answers it, is [`QUESTIONS`].

mod access;
mod exclusion;
mod key;
mod question;
mod section;

use std::collections::BTreeMap;

use evidence::ids::{ExportId, OrgId, UserId};
use evidence::metrics::RollForward;
use evidence::org::{Plan, Role};
use evidence::pack::Summary;
use evidence::risk::RiskLevel;
use evidence::time::{Period, Time};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use access::{Access, ActionCount, Changes};
pub use exclusion::Exclusion;
pub use key::VerificationKey;
pub use question::QUESTIONS;
pub use section::{Query, Section};

use crate::Error;

/// The form of the file.
pub const SCHEMA: &str = "driftpack.provenance/v1";

/// How the period is to be read; stands beside its bounds.
pub const BOUNDS: &str = "[start, end), UTC: start belongs to the period, end does not";

/// How the moment was read; stands beside it.
pub const ISOLATION: &str = "one transaction, REPEATABLE READ, READ ONLY";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// [`SCHEMA`].
    pub schema: String,
    pub product: Product,
    pub org: Org,
    pub plan: PlanInForce,
    pub request: Request,
    pub period: Period,
    /// [`BOUNDS`].
    pub period_bounds: String,
    pub snapshot: Snapshot,
    /// The attempt of the build that wrote this file; a repeated attempt gives the same sections.
    pub attempt: u32,
    pub build: Build,
    pub sections: Vec<Section>,
    pub control_totals: ControlTotals,
    pub tie_out: TieOut,
    pub sequence_gaps: SequenceGaps,
    pub exclusions: Vec<Exclusion>,
    pub access: Access,
    pub changes: Changes,
    /// The key that signs the attestation, as the pack's maker names it. Trust it only if you know
    /// it from elsewhere. Absent in an unsigned pack.
    pub signing_key: Option<VerificationKey>,
    /// The authority (RFC 3161) that is asked for a token over `MANIFEST.txt`. It is asked when everything else is made, so
    /// this file cannot say whether it answered: a pack without `MANIFEST.txt.tsr` got none, or has lost it. Absent: none is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_stamp_authority: Option<String>,
}

/// Which system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    pub name: String,
    pub version: String,
    /// The commit it was built from.
    pub build: String,
    pub base_url: String,
    /// `production` or `development`, as its operator has configured it.
    pub environment: String,
}

/// Whose data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Org {
    pub id: OrgId,
    pub slug: String,
    pub name: String,
}

/// The plan at the end of the period, from history; it decides how far back history is kept and packs may reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanInForce {
    pub plan: Plan,
    pub since: Time,
    /// How many days back a pack may begin; absent: as far as history goes.
    pub window_days: Option<u32>,
}

/// The run that made the pack. Its end is in the audit log, as `audit_export.completed`: it cannot stand in what it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    pub workflow: String,
    pub run_id: Uuid,
    /// When its sections were read.
    pub read_at: Time,
}

/// Who asked, when, and how they had proved who they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub export_id: ExportId,
    pub requested_by: UserId,
    /// At the time of the request.
    pub role: Role,
    /// `oidc`.
    pub auth_method: String,
    pub request_id: Option<String>,
    pub requested_at: Time,
}

/// The one database moment that all sections come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    pub id: String,
    pub taken_at: Time,
    pub wal_lsn: Option<String>,
    /// The newest migration that was applied.
    pub migration: String,
    /// Version of the database.
    pub server_version: String,
    /// Which database system, and which database in it.
    pub installation: String,
    /// [`ISOLATION`].
    pub isolation: String,
}

/// The figures that appear in `data.json`, in the CSVs and in the PDF alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlTotals {
    pub findings: u64,
    pub roll_forward: RollForward,
    pub scans_done: u64,
    pub scans_partial: u64,
    pub scans_failed: u64,
    pub audit_entries: u64,
}

impl From<&Summary> for ControlTotals {
    fn from(summary: &Summary) -> Self {
        let headline = &summary.headline;
        Self {
            findings: headline.findings_in_period,
            roll_forward: headline.roll_forward,
            scans_done: headline.scans_done,
            scans_partial: headline.scans_partial,
            scans_failed: headline.scans_failed,
            audit_entries: summary.audit.entries,
        }
    }
}

/// The sums that were checked while the pack was built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TieOut {
    /// The roll-forward per risk level as at detection.
    pub levels: BTreeMap<RiskLevel, RollForward>,
    pub checks: Vec<TieCheck>,
}

/// Two counts of the same thing, made in two ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TieCheck {
    pub name: String,
    pub reported: i64,
    pub counted: i64,
}

impl TieCheck {
    pub fn ties(&self) -> bool {
        self.reported == self.counted
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SequenceGaps {
    /// The statements that were asked for the numbers.
    pub queries: Vec<Query>,
    /// The organisation's finding numbers, from 1 to the newest.
    pub finding_numbers: Sequence,
    /// The entries of the audit chain in the period.
    pub audit_seq: Sequence,
}

/// A run of numbers that should have no holes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    pub first: Option<i64>,
    pub last: Option<i64>,
    /// First and last number of each hole, the first ones.
    pub missing: Vec<(i64, i64)>,
    /// How many numbers are missing in all, those that are not listed among them.
    pub missing_total: u64,
}

impl Provenance {
    /// The bytes of the file.
    pub fn render(&self) -> Result<String, Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Reads the file; unknown members are refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        Ok(serde_json::from_slice(bytes)?)
    }
}
