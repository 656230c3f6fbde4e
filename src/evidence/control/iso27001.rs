//! ISO/IEC 27001:2022: Annex A, then the clauses.

use super::Entry::{
    Attestation, AuditEvents, Coverage, Exceptions, Findings, Manifest, Provenance, Remediation,
    Rules, Scans, Sources,
};
use super::{Row, Strength};

pub(super) const FRAMEWORK: &str = "ISO 27001:2022";

pub(super) const ROWS: &[Row] = &[
    Row(
        "A.5.9",
        "Inventory of assets",
        &[Coverage, Findings],
        Strength::Partial,
        "Resources that nobody had declared were found.",
    ),
    Row(
        "A.5.25",
        "Assessing security events",
        &[Findings, Exceptions, AuditEvents],
        Strength::Partial,
        "The decision recorded for each finding, with the person, the time and the reason.",
    ),
    Row(
        "A.5.26",
        "Responding to incidents",
        &[Findings, Remediation],
        Strength::Partial,
        "Times to close, per risk level.",
    ),
    Row(
        "A.5.28",
        "Collecting evidence",
        &[Manifest, Attestation, Provenance],
        Strength::Strong,
        "Where each file comes from, and that it is unchanged since.",
    ),
    Row(
        "A.5.33",
        "Protecting records",
        &[Attestation, AuditEvents, Manifest],
        Strength::Strong,
        "The log is chained, and a change to it shows.",
    ),
    Row(
        "A.5.36",
        "Compliance with own rules",
        &[Findings, Coverage, Exceptions],
        Strength::Partial,
        "Deviations found, and exceptions that were granted.",
    ),
    Row(
        "A.8.8",
        "Technical vulnerabilities",
        &[Findings],
        Strength::Partial,
        "Only those that come from configuration drift.",
    ),
    Row(
        "A.8.9",
        "Configuration management",
        &[Findings, Sources, Coverage, Rules],
        Strength::Strong,
        "The baseline, its monitoring, and what was done about deviations.",
    ),
    Row(
        "A.8.15",
        "Logging",
        &[AuditEvents, Attestation],
        Strength::Strong,
        "Activities are logged, and the log is protected.",
    ),
    Row(
        "A.8.16",
        "Monitoring",
        &[Scans, Coverage],
        Strength::Strong,
        "That monitoring took place, with its gaps.",
    ),
    Row(
        "A.8.17",
        "Clocks",
        &[Provenance],
        Strength::Partial,
        "The times of the snapshot and of the build; the clock's source is the operator's matter.",
    ),
    Row(
        "A.8.32",
        "Changes",
        &[Findings, AuditEvents],
        Strength::Partial,
        "Changes that went around the process were noticed.",
    ),
    Row(
        "9.1",
        "Measuring and evaluating",
        &[Coverage, Remediation],
        Strength::Partial,
        "Metrics with their definitions and both parts of each ratio.",
    ),
    Row(
        "10.2",
        "Corrective action",
        &[Findings, Remediation],
        Strength::Partial,
        "What was done about each deviation, and how soon.",
    ),
];
