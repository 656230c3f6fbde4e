//! What one scan saw, whatever tool wrote it down.
//!
//! An [`Observation`] holds names only: addresses, types, attribute names. No attribute value of a
//! resource ever enters it, so none can leave the product by it.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::finding::Resolution;
use crate::text::words;
use crate::time::Time;

words! {
    /// How the infrastructure differs from what Terraform recorded.
    pub enum DriftType as "drift type" {
        /// Recorded, but gone.
        Missing = "missing",
        /// There, but not managed.
        Extra = "extra",
        /// There, but different.
        Changed = "changed",
    }
}

words! {
    /// How much a scan could see.
    pub enum ScanStatus as "scan status" {
        /// Everything in its scope: the only kind whose silence about a finding resolves it.
        Done = "done",
        /// Some of its scope; what it saw counts, what it did not see says nothing.
        Partial = "partial",
        /// Nothing.
        Failed = "failed",
    }
}

words! {
    /// Where a Terraform state lives.
    pub enum SourceKind as "state source kind" {
        S3 = "s3",
        Gcs = "gcs",
        AzureBlob = "azure_blob",
        Tfc = "tfc",
        Local = "local",
        Upload = "upload",
    }
}

words! {
    /// The format of a scan file.
    pub enum Format as "scan format" {
        /// `terraform show -json`.
        Plan = "plan_json",
        /// The redacted plan of HCP Terraform (`plan_format_version`).
        RedactedPlan = "plan_json_redacted",
        /// `terraform plan -json`, one message a line.
        UiStream = "ui_stream",
        /// `driftctl scan -o json://`.
        Driftctl = "driftctl_json",
    }
}

words! {
    /// Kinds of tools that name resources and see drift in the same way. What one of them cannot see
    /// says nothing about what the other one found.
    pub enum ToolFamily as "tool family" {
        /// Compares the state with the infrastructure: knows addresses, sees `changed` and `missing`.
        Terraform = "terraform",
        /// Compares what is there with the state: knows ids, sees `extra` and `missing`.
        Driftctl = "driftctl",
    }
}

impl Format {
    pub const fn family(self) -> ToolFamily {
        match self {
            Self::Plan | Self::RedactedPlan | Self::UiStream => ToolFamily::Terraform,
            Self::Driftctl => ToolFamily::Driftctl,
        }
    }
}

/// One drifted resource. At most one per address and type of drift in an observation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drift {
    pub address: String,
    pub resource_type: String,
    pub resource_name: String,
    pub provider: Option<String>,
    pub drift_type: DriftType,
    /// Names, sorted, without duplicates; empty when the tool does not tell them.
    pub changed_attributes: Vec<String>,
}

/// A resource that has another address than before; its findings keep their identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Move {
    pub from: String,
    pub to: String,
}

/// Differences that a named rule set aside: not findings, but counted and listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Noise {
    pub rule: &'static str,
    pub address: String,
    pub attributes: Vec<String>,
}

/// Something in the file that was read in a way worth knowing about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    pub code: &'static str,
    pub message: String,
}

/// Which resources are there and wanted, as far as a file tells: from it follows how a drift went away.
///
/// A file holds no values here, so of a resource that was `changed` it cannot be told whether the resource was put back or
/// its code was brought in line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Addresses that are there and managed, and that the tool has compared.
    pub there: BTreeSet<String>,
    /// Other addresses that state or code knows: still to be made, or not compared.
    pub known: BTreeSet<String>,
    /// Whether the two sets hold everything that state and code know.
    pub is_whole: bool,
}

impl Standing {
    /// How a drift went away that the scan does not show any more.
    pub fn resolution(&self, address: &str, drift_type: DriftType) -> Resolution {
        let is_there = self.there.contains(address);
        match drift_type {
            DriftType::Missing if is_there => Resolution::Reverted,
            DriftType::Missing if self.is_whole && !self.known.contains(address) => {
                Resolution::Codified
            }
            DriftType::Extra if is_there => Resolution::Codified,
            DriftType::Missing | DriftType::Extra | DriftType::Changed => {
                Resolution::NoLongerObserved
            }
        }
    }
}

/// What one scan saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Observation {
    pub format: Format,
    /// `terraform`, `opentofu` or `driftctl`.
    pub tool: &'static str,
    pub tool_version: Option<String>,
    /// When the tool looked, if the file says so.
    pub observed_at: Option<Time>,
    pub status: ScanStatus,
    /// Why it is not `done`.
    pub error: Option<String>,
    /// Whether the file speaks of drift at all; an absent list is not an empty one.
    pub drift_reported: bool,
    /// Resources that were checked; those that turned out missing among them.
    pub resources_total: Option<u64>,
    /// Those of them that the state knows; absent when the tool sees no others.
    pub resources_managed: Option<u64>,
    pub drifts: Vec<Drift>,
    pub moves: Vec<Move>,
    pub noise: Vec<Noise>,
    pub warnings: Vec<Warning>,
    /// Absent: none of the formats carries it.
    pub serial: Option<i64>,
    pub lineage: Option<String>,
    #[serde(skip)]
    pub standing: Standing,
}

impl Observation {
    /// Resources that are there but different.
    pub fn drifted(&self) -> u64 {
        self.count(DriftType::Changed)
    }

    pub fn missing(&self) -> u64 {
        self.count(DriftType::Missing)
    }

    pub fn extra(&self) -> u64 {
        self.count(DriftType::Extra)
    }

    fn count(&self, drift_type: DriftType) -> u64 {
        self.drifts.iter().filter(|drift| drift.drift_type == drift_type).count() as u64
    }
}
