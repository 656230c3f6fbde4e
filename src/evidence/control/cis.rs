//! CIS Controls v8.1.

use super::Entry::{AuditEvents, Coverage, Findings, Provenance, Rules, Sources};
use super::{Row, Strength};

pub(super) const FRAMEWORK: &str = "CIS Controls v8.1";

pub(super) const ROWS: &[Row] = &[
    Row(
        "1.1",
        "Asset inventory",
        &[Coverage, Findings],
        Strength::Partial,
        "Undeclared resources were found.",
    ),
    Row(
        "4.1",
        "Secure configuration process",
        &[Sources, Rules, Findings],
        Strength::Partial,
        "The baseline, the rules, and the deviations.",
    ),
    Row(
        "4.2",
        "Secure configuration of network infrastructure",
        &[Findings],
        Strength::Partial,
        "Findings on network resources.",
    ),
    Row(
        "8.1",
        "Process for audit logs",
        &[AuditEvents],
        Strength::Partial,
        "For this product only.",
    ),
    Row(
        "8.2",
        "Collecting audit logs",
        &[AuditEvents],
        Strength::Partial,
        "For this product only.",
    ),
    Row(
        "8.4",
        "Time synchronization",
        &[Provenance],
        Strength::Partial,
        "The times of the snapshot and of the build.",
    ),
    Row("8.5", "Detailed audit logs", &[AuditEvents], Strength::Partial, "For this product only."),
    Row(
        "8.10",
        "Keeping audit logs",
        &[Provenance, AuditEvents],
        Strength::Partial,
        "The period that the history covers.",
    ),
    Row(
        "8.11",
        "Reviewing audit logs",
        &[AuditEvents],
        Strength::Partial,
        "Material for the review, not the review.",
    ),
];
