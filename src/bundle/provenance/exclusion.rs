//! What a pack leaves out or sets aside.

use evidence::pack::{self, Summary};
use serde::{Deserialize, Serialize};

/// Something that the pack does not contain, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exclusion {
    pub what: String,
    pub why: String,
    /// How much; absent where it cannot be counted from inside.
    pub count: Option<u64>,
    /// The entry that lists it.
    pub listed_in: Option<String>,
}

impl Exclusion {
    pub fn new(what: &str, why: &str) -> Self {
        Self { what: what.to_owned(), why: why.to_owned(), count: None, listed_in: None }
    }

    fn counted(what: &str, why: &str, count: u64, entry: &str) -> Self {
        Self { count: Some(count), listed_in: Some(entry.to_owned()), ..Self::new(what, why) }
    }

    /// What this pack leaves out or sets aside, with counts, and then what no pack contains.
    pub fn of(summary: &Summary) -> Vec<Self> {
        let (aside, headline) = (&summary.exceptions, &summary.headline);
        let listed = |what, why, count| Self::counted(what, why, count, pack::EXCEPTIONS);
        let mut all = vec![
            listed(
                "Differences without meaning",
                "Absent, empty and null are one value; such resources are no findings.",
                aside.noise_resources,
            ),
            listed(
                "Drift that a custom rule ignores",
                "The organisation's rule says that it is no finding.",
                aside.ignored_by_custom_rules,
            ),
            listed("Accepted risks", "A person accepted them: not open.", aside.accepted_risks),
            listed("False positives", "A person marked them so: not open.", aside.false_positives),
            listed(
                "Disabled rules",
                "Custom rules that were switched off in the period grade nothing.",
                aside.disabled_rules,
            ),
            listed(
                "Late scans",
                "Observed before a scan that was there already: they count, and move no finding.",
                aside.late_scans,
            ),
            Self::counted(
                "Partial and failed scans",
                "They resolve nothing, and are no look at the state in the coverage.",
                headline.scans_partial + headline.scans_failed,
                pack::SCANS,
            ),
        ];
        all.extend(Self::standing());
        all
    }

    /// What no pack contains.
    pub fn standing() -> Vec<Self> {
        vec![
            Self::new(
                "Login and sign-in events",
                "People sign in at the organisation's identity provider, which is the source of these records.",
            ),
            Self::new(
                "SCIM provisioning events",
                "They are recorded only for organisations that use SCIM; without SCIM there are none.",
            ),
            Self::new(
                "Values of changed attributes",
                "findings.csv names the attributes that changed. Their values may be secret and are left out.",
            ),
            Self::new(
                "What no scan saw",
                "Changes that came and went between two scans, and resources that no registered state knows.",
            ),
            Self::new(
                "History from before the first scan, or that the plan no longer keeps",
                "What was never recorded cannot be shown; months without scans are in the tables, with blanks.",
            ),
        ]
    }
}
