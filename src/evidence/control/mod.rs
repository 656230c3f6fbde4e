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

/// Every control, in the order of `controls.csv`: framework by framework.
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

    /// A control that goes missing is noticed here, not by an auditor.
    #[test]
    fn the_mapping_has_every_control_that_it_is_known_for() {
        let published = [
            ("SOC 2", "CC6.8 CC7.1 CC7.2 CC7.3 CC7.4 CC7.5 CC8.1 CC2.1 CC4.2"),
            (
                "ISO 27001:2022",
                "A.5.9 A.5.25 A.5.26 A.5.28 A.5.33 A.5.36 A.8.8 A.8.9 A.8.15 A.8.16 A.8.17 A.8.32 9.1 10.2",
            ),
            (
                "PCI DSS 4.0.1",
                "1.2.1 1.2.2 1.2.7 1.2.8 2.2.1 6.5.1 10.2.1.2 10.2.1.5 10.2.1.7 10.2.2 10.3.2 10.3.4 10.4.1.1 10.5.1 10.6.1 \
                 10.7.2 10.7.3 11.5.2 12.4.2 12.5.1",
            ),
            (
                "HIPAA",
                "164.308(a)(1)(ii)(D) 164.308(a)(6)(ii) 164.308(a)(8) 164.312(b) 164.312(c)(1) 164.312(c)(2) 164.316(b)(2)(i)",
            ),
            ("CIS Controls v8.1", "1.1 4.1 4.2 8.1 8.2 8.4 8.5 8.10 8.11"),
            (
                "NIST SP 800-53r5",
                "AU-3 AU-6 AU-7 AU-8 AU-9 AU-9(2) AU-9(3) AU-9(4) AU-10 AU-10(1) AU-10(2) AU-10(3) AU-11 AU-12 CA-7 CA-7(4) \
                 CM-2 CM-2(2) CM-3 CM-3(7) CM-5(1) CM-6 CM-6(1) CM-6(2) CM-8 CM-8(3) IR-4 IR-5 SI-4 SI-4(5) SI-7 SI-7(1) \
                 SI-7(6) SI-7(7) SI-7(8)",
            ),
        ];
        let published: Vec<(&str, &str)> = published
            .iter()
            .flat_map(|(framework, ids)| ids.split_whitespace().map(|id| (*framework, id)))
            .collect();
        let mapped: Vec<_> = all().iter().map(|control| (control.framework, control.id)).collect();
        assert_eq!(mapped, published);
    }

    #[test]
    fn no_reason_claims_that_a_control_is_met() {
        for control in all() {
            let words = format!("{} {}", control.title, control.why).to_lowercase();
            for claim in
                ["compliant", "complies", "satisf", "certif", "fulfil", "is met", "guarantee"]
            {
                assert!(!words.contains(claim), "{}: {claim}", control.id);
            }
        }
    }

    #[test]
    fn a_partial_control_says_what_it_is_a_part_of() {
        for control in all().iter().filter(|control| control.strength == Strength::Partial) {
            assert!(control.why.len() > 15, "{}: a part of what?", control.id);
        }
    }

    #[test]
    fn the_soc_2_criteria_on_detection_and_change_come_first() {
        let first: Vec<&str> = all().iter().take(7).map(|control| control.id).collect();
        assert_eq!(first, ["CC6.8", "CC7.1", "CC7.2", "CC7.3", "CC7.4", "CC7.5", "CC8.1"]);
        assert!(all().iter().take(7).all(|control| control.framework == "SOC 2"));
    }
}
