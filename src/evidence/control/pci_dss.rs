//! PCI DSS 4.0.1.

use super::Entry::{
    Attestation, AuditEvents, Coverage, Exceptions, Findings, Provenance, Remediation, Rules,
    Scans, Sources,
};
use super::{Row, Strength};

pub(super) const FRAMEWORK: &str = "PCI DSS 4.0.1";

pub(super) const ROWS: &[Row] = &[
    Row(
        "1.2.1",
        "Rules of network controls are defined",
        &[Sources, Rules],
        Strength::Partial,
        "The declared state is the configured standard.",
    ),
    Row(
        "1.2.2",
        "Changes to network controls are approved",
        &[Findings],
        Strength::Partial,
        "Changes to security groups and firewalls that nobody declared were noticed.",
    ),
    Row(
        "1.2.7",
        "Half-yearly review of network controls",
        &[Scans, Findings],
        Strength::Partial,
        "Automated comparison ran; a person's review is still needed.",
    ),
    Row(
        "1.2.8",
        "Network configuration matches what is active",
        &[Findings, Coverage],
        Strength::Strong,
        "Declared and active configuration were compared, and differences listed.",
    ),
    Row(
        "2.2.1",
        "Configuration standards",
        &[Sources, Rules, Findings],
        Strength::Partial,
        "The baseline and the deviations from it.",
    ),
    Row(
        "6.5.1",
        "Procedure for changes",
        &[Findings, AuditEvents],
        Strength::Partial,
        "Deviations from the procedure; approvals are kept elsewhere.",
    ),
    Row(
        "10.2.1.2",
        "Administrative actions are logged",
        &[AuditEvents],
        Strength::Partial,
        "For this product only.",
    ),
    Row(
        "10.2.1.5",
        "Changes to credentials are logged",
        &[AuditEvents],
        Strength::Partial,
        "For API keys of this product only.",
    ),
    Row(
        "10.2.1.7",
        "Creation and deletion of objects is logged",
        &[AuditEvents],
        Strength::Partial,
        "For objects of this product only.",
    ),
    Row(
        "10.2.2",
        "Content of log entries",
        &[AuditEvents],
        Strength::Strong,
        "Each entry holds who, what, when, outcome, origin, and the object's id.",
    ),
    Row(
        "10.3.2",
        "Logs are protected from change",
        &[Attestation, AuditEvents],
        Strength::Strong,
        "The log is append-only and chained.",
    ),
    Row(
        "10.3.4",
        "Changes to logs are detected",
        &[Attestation],
        Strength::Strong,
        "Verifying the chain is a mechanism that detects changes.",
    ),
    Row(
        "10.4.1.1",
        "Automated review of logs",
        &[Attestation],
        Strength::Partial,
        "The whole chain was verified when the pack was built; its content was not reviewed.",
    ),
    Row(
        "10.5.1",
        "Logs are kept for a year",
        &[Provenance],
        Strength::Partial,
        "The period that the history covers; packs themselves expire after 90 days.",
    ),
    Row(
        "10.6.1",
        "Clocks agree",
        &[Provenance],
        Strength::Partial,
        "The times of the snapshot and of the build.",
    ),
    Row(
        "10.7.2",
        "Failures of security controls are detected",
        &[Scans, Coverage, Exceptions],
        Strength::Strong,
        "Failed and partial scans and gaps between scans are listed.",
    ),
    Row(
        "10.7.3",
        "Failures of security controls are answered",
        &[Scans, Coverage],
        Strength::Partial,
        "How long each failure of detection lasted; the answer is recorded elsewhere.",
    ),
    Row(
        "11.5.2",
        "Change detection at least weekly",
        &[Scans, Findings],
        Strength::Partial,
        "How often comparison ran, for infrastructure configuration, not for files.",
    ),
    Row(
        "12.4.2",
        "Quarterly reviews at service providers",
        &[Scans, Remediation],
        Strength::Partial,
        "Material for the review, not the review.",
    ),
    Row(
        "12.5.1",
        "Inventory of components",
        &[Coverage, Findings],
        Strength::Partial,
        "Undeclared components were found.",
    ),
];
