//! Which controls of which frameworks the entries of a pack speak to, as data.
//!
//! Ids are the frameworks'; titles and reasons are our own words. The mapping says what an entry can
//! help to show, never that a control is met: that is the auditor's judgement.

mod cis;
mod hipaa;
mod iso27001;
mod nist;
mod pci_dss;
mod soc2;

use crate::pack;
use crate::text::words;

words! {
    /// How much the evidence shows.
    pub enum Strength as "strength" {
        /// That the control operated.
        Strong = "strong",
        /// A part of it, or its design only.
        Partial = "partial",
    }
}

/// One control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    pub framework: &'static str,
    pub id: &'static str,
    pub title: &'static str,
    /// Names of [`pack::ENTRIES`].
    pub entries: Vec<&'static str>,
    pub strength: Strength,
    pub why: &'static str,
}

/// Id, title, entries, strength, why.
struct Row(&'static str, &'static str, &'static [Entry], Strength, &'static str);

/// The entries of a pack that are evidence in themselves.
#[derive(Clone, Copy)]
enum Entry {
    Findings,
    Scans,
    Coverage,
    Remediation,
    Exceptions,
    Rules,
    Sources,
    AuditEvents,
    Attestation,
    Manifest,
    Provenance,
}

impl Entry {
    const fn name(self) -> &'static str {
        match self {
            Self::Findings => pack::FINDINGS,
            Self::Scans => pack::SCANS,
            Self::Coverage => pack::COVERAGE_MONTHLY,
            Self::Remediation => pack::REMEDIATION_SLA,
            Self::Exceptions => pack::EXCEPTIONS,
            Self::Rules => pack::CUSTOM_RULES,
            Self::Sources => pack::STATE_SOURCES,
            Self::AuditEvents => pack::AUDIT_EVENTS,
            Self::Attestation => pack::CHAIN_ATTESTATION,
            Self::Manifest => pack::MANIFEST,
            Self::Provenance => pack::PROVENANCE,
        }
    }
}

/// Every control, in the order of `controls.csv`.
pub fn all() -> Vec<Control> {
    [
        (soc2::FRAMEWORK, soc2::ROWS),
        (iso27001::FRAMEWORK, iso27001::ROWS),
        (pci_dss::FRAMEWORK, pci_dss::ROWS),
        (hipaa::FRAMEWORK, hipaa::ROWS),
        (cis::FRAMEWORK, cis::ROWS),
        (nist::FRAMEWORK, nist::ROWS),
    ]
    .into_iter()
    .flat_map(|(framework, rows)| rows.iter().map(move |row| row.control(framework)))
    .collect()
}

impl Row {
    fn control(&self, framework: &'static str) -> Control {
        let Self(id, title, entries, strength, why) = *self;
        let entries = entries.iter().map(|entry| entry.name()).collect();
        Control { framework, id, title, entries, strength, why }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_control_is_listed_once_and_points_at_entries_of_the_pack() {
        let mut seen = HashSet::new();
        for control in all() {
            assert!(seen.insert((control.framework, control.id)), "{} twice", control.id);
            assert!(!control.entries.is_empty() && !control.why.is_empty());
            for entry in &control.entries {
                assert!(pack::ENTRIES.contains(entry), "{entry}");
            }
        }
    }

    #[test]
    fn the_soc_2_criteria_on_detection_and_change_come_first() {
        let first: Vec<&str> = all().iter().take(7).map(|control| control.id).collect();
        assert_eq!(first, ["CC6.8", "CC7.1", "CC7.2", "CC7.3", "CC7.4", "CC7.5", "CC8.1"]);
        assert!(all().iter().take(7).all(|control| control.framework == "SOC 2"));
    }
}
