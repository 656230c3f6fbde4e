//! The HIPAA Security Rule (45 CFR 164).

use super::Entry::{
    Attestation, AuditEvents, Coverage, Findings, Manifest, Provenance, Remediation, Scans,
};
use super::{Row, Strength};

pub(super) const FRAMEWORK: &str = "HIPAA";

pub(super) const ROWS: &[Row] = &[
    Row(
        "164.308(a)(1)(ii)(D)",
        "Review of system activity",
        &[AuditEvents, Scans],
        Strength::Partial,
        "Records of activity and of the scans that looked at it.",
    ),
    Row(
        "164.308(a)(6)(ii)",
        "Response and reporting",
        &[Findings, Remediation],
        Strength::Partial,
        "Outcomes are recorded.",
    ),
    Row(
        "164.308(a)(8)",
        "Periodic evaluation",
        &[Coverage, Findings],
        Strength::Partial,
        "A technical evaluation that recurs.",
    ),
    Row(
        "164.312(b)",
        "Audit controls",
        &[AuditEvents, Attestation],
        Strength::Strong,
        "A mechanism that records activity and lets it be examined.",
    ),
    Row(
        "164.312(c)(1)",
        "Integrity",
        &[Attestation, Manifest],
        Strength::Partial,
        "Of this product's records, not of health information.",
    ),
    Row(
        "164.312(c)(2)",
        "Mechanism to authenticate",
        &[Attestation, Manifest],
        Strength::Partial,
        "Of this product's records, not of health information.",
    ),
    Row(
        "164.316(b)(2)(i)",
        "Keeping documentation",
        &[Provenance],
        Strength::Partial,
        "Packs expire after 90 days, so the customer must keep the file.",
    ),
];
