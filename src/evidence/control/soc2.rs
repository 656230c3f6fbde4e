//! SOC 2 (Trust Services Criteria): those on detection and change first.

use super::Entry::{
    Attestation, AuditEvents, Coverage, Exceptions, Findings, Manifest, Provenance, Remediation,
    Rules, Scans, Sources,
};
use super::{Row, Strength};

pub(super) const FRAMEWORK: &str = "SOC 2";

pub(super) const ROWS: &[Row] = &[
    Row(
        "CC6.8",
        "Unauthorized or malicious software",
        &[Findings, Scans],
        Strength::Partial,
        "Configuration that was changed outside the code was noticed; software on hosts is not looked at.",
    ),
    Row(
        "CC7.1",
        "Detection of configuration changes and vulnerabilities",
        &[Findings, Scans, Coverage, Sources, Rules],
        Strength::Strong,
        "Comparison with the declared state ran, over a stated scope, by stated rules, and its results are listed, unknown components included.",
    ),
    Row(
        "CC7.2",
        "Monitoring for anomalies",
        &[Scans, Coverage, Exceptions],
        Strength::Partial,
        "How often detection ran, where it failed, and what its filters set aside.",
    ),
    Row(
        "CC7.3",
        "Evaluation of security events",
        &[Findings, Exceptions, AuditEvents],
        Strength::Partial,
        "What was decided about each finding, when, by whom and why; whether it was an incident is decided elsewhere.",
    ),
    Row(
        "CC7.4",
        "Response to security incidents",
        &[Findings, Remediation],
        Strength::Partial,
        "How soon findings were closed; the incident programme itself is not covered.",
    ),
    Row(
        "CC7.5",
        "Recovery from security incidents",
        &[Findings],
        Strength::Partial,
        "Which resources came back to their declared state, and which drifted again.",
    ),
    Row(
        "CC8.1",
        "Change management",
        &[AuditEvents, Findings, Sources, Rules],
        Strength::Partial,
        "Changes outside the declared process, the baseline, and who changed the detection rules; approvals stay in version control and ticketing.",
    ),
    Row(
        "CC2.1",
        "Relevant and reliable information",
        &[Provenance, Manifest, Attestation],
        Strength::Strong,
        "Queries, parameters, counts and digests let a reader judge the reports without trusting their maker.",
    ),
    Row(
        "CC4.2",
        "Following up deficiencies",
        &[Remediation, Findings],
        Strength::Partial,
        "Ages of open deviations and how they were closed.",
    ),
];
