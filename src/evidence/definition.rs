//! What the figures of a pack mean, in words that stand beside them: in `summary.pdf` and in `index.html`.
//!
//! One place, so that two pages cannot explain the same number in two ways. What each column of a CSV means is said where the
//! columns are (`bundle::section`).

use crate::risk::RiskLevel;
use crate::sla;

/// One figure or word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    pub name: &'static str,
    pub meaning: String,
    /// Entries, and columns in them, from which it can be recounted; empty where a word is explained, not a number.
    pub recount: &'static str,
}

/// What is true of every figure.
pub const GENERAL: [&str; 4] = [
    "Times are UTC. A period, like a month, contains its start and not its end.",
    "Everything that can change (findings, rules, states, plan) is shown as it was at the end of the period, read from \
     history; what was changed later does not show.",
    "A ratio is shown with both its parts. Where there is nothing to divide by there is a dash (in the tables a blank), \
     never 0 % or 100 %; 100 % is all of it and 0 % none of it, whatever the rounding.",
    "The risk level is the one given at detection, so that a later change of rules moves nothing between rows; the level by \
     the rules of the latest scan that saw the finding stands beside it as risk_level_now.",
];

/// Every definition, in the order in which a reader meets the figures.
pub fn all() -> Vec<Definition> {
    let mut all = coverage();
    all.extend(backlog());
    all.extend(speed());
    all.extend(words());
    all
}

fn define(name: &'static str, meaning: impl Into<String>, recount: &'static str) -> Definition {
    Definition { name, meaning: meaning.into(), recount }
}

fn coverage() -> Vec<Definition> {
    vec![
        define(
            "Scope coverage",
            "States with at least one complete scan in a month ÷ states in scope in that month; over the period the sums of \
             both. A state is in scope from its registration, or from its first scan if that is earlier, until it is \
             switched off or removed. Partial and failed scans do not count as a look.",
            "coverage_monthly.csv: sources_with_complete_scan ÷ sources_in_scope",
        ),
        define(
            "Cadence",
            "Complete scans ÷ scans that were due by schedule, month by month and state by state, so that one state scanned \
             often does not make up for another. States without a schedule are on neither side.",
            "coverage_monthly.csv: scans_done, scans_expected; scans.csv; state_sources.csv",
        ),
        define(
            "Gap",
            "A time in which a state in scope had no complete scan, if it is longer than its schedule allows or no schedule is \
             known. What drifted and was put back within a gap was not seen by anybody.",
            "scans.csv: observed_at of rows with status done",
        ),
        define(
            "Managed",
            "Resources that code manages ÷ resources that were found, by the last complete scan of each state in the month \
             whose tool tells the two apart (driftctl does; a plan sees managed resources only and is on neither side).",
            "coverage_monthly.csv: resources_managed ÷ resources_checked",
        ),
        define(
            "Drifted",
            "Resources that differ or are gone ÷ resources that were compared, by the last complete scan of each state in the \
             month that counted them.",
            "coverage_monthly.csv: drifted ÷ resources_compared",
        ),
    ]
}

fn backlog() -> Vec<Definition> {
    vec![
        define(
            "Finding",
            "One resource that differs from its code in one way (changed, missing or extra), followed over time: it keeps its \
             number when it is moved in code and when it comes back. It belongs to the period if it was open at any moment of it.",
            "findings.csv: one row each",
        ),
        define(
            "Open at start, open at end",
            "Open up to the first moment of the period, and up to its end. Open at start + opened + reopened − resolved − \
             accepted − false positive = open at end, for each risk level; a pack in which it does not hold is not made.",
            "remediation_sla.csv, and again from findings.csv: open_at_start, *_count, open_at_end",
        ),
        define(
            "Closed",
            "Resolved (a complete scan no longer shows it), accepted as a risk, or marked a false positive by a person. Partial, \
             failed and late scans close nothing.",
            "remediation_sla.csv: resolved + accepted + false_positive",
        ),
        define(
            "Open per month",
            "What was open at the end of each month of the period: what the month before left, plus and minus what happened.",
            "data.json: summary.open_monthly",
        ),
    ]
}

fn speed() -> Vec<Definition> {
    let target = |level: &RiskLevel| format!("{level} {} h", sla::target_hours(*level));
    let targets: Vec<String> = RiskLevel::ALL.iter().map(target).collect();
    vec![
        define(
            "Time to resolve",
            "From the scan that first saw the finding (after a reopening: saw it again) to the first complete scan that no longer \
             showed it, for resolutions in the period. The change itself was seen by nobody: the true start lies between \
             last_clean_scan_at and detected_at, so the error is at most the interval between scans. Accepted risks and false \
             positives have no time to resolve; they are counted as closed and left out here.",
            "findings.csv: time_to_resolve_hours",
        ),
        define(
            "Median, 90th percentile",
            "Half, and nine tenths, of the times are not longer; interpolated between neighbours (percentile_cont). Blank where \
             nothing was resolved. The open backlog stands beside them, because times of closed findings alone flatter.",
            "remediation_sla.csv",
        ),
        define(
            "Within target",
            format!(
                "Resolved within the target ÷ (resolved + still open past the target). Open findings whose time is not up are on \
                 neither side and are counted beside it. Targets: {}. They are fixed in this version of the product, for every \
                 organisation and period alike; an organisation's own policy may set others, against which remediation_sla.csv \
                 and findings.csv can be read.",
                targets.join(", ")
            ),
            "remediation_sla.csv: within_sla ÷ (resolved + overdue_open)",
        ),
        define(
            "Age",
            "From the latest opening of a finding to the end of the period.",
            "remediation_sla.csv: mean_open_age_hours, oldest_open_age_hours",
        ),
    ]
}

fn words() -> Vec<Definition> {
    vec![
        define(
            "Resolution",
            "How a finding was closed. no_longer_observed: a complete scan does not show it any more. reverted: it was a missing \
             resource, and the plan that closed it has the resource in the state again. codified: it was a missing resource \
             that neither state nor code asks for any more, or an unmanaged one that code manages now. accepted_risk, \
             false_positive: a person's decision. Whether a changed resource was put back or its code was brought in line \
             cannot be told from scans, which hold no values here: such findings say no_longer_observed.",
            "findings.csv: resolution",
        ),
        define(
            "Set aside",
            "What a rule or a person kept from being an open finding: differences without meaning (absent, empty and null alike), \
             drift that a custom rule ignores, accepted risks, false positives. Each is listed with who, when and why.",
            "exceptions.csv",
        ),
        define(
            "Serial, lineage",
            "Number and identity of the state that was compared. Plans, plan streams and driftctl reports do not carry them, so \
             they are blank for scans that come from those.",
            "scans.csv: serial, lineage",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::finding::Resolution;

    #[test]
    fn every_figure_is_defined_once() {
        let all = all();
        let names: HashSet<_> = all.iter().map(|definition| definition.name).collect();
        assert_eq!(names.len(), all.len());
        assert!(all.iter().all(|definition| definition.meaning.len() > 20));
    }

    #[test]
    fn the_targets_in_force_are_said() {
        let all = all();
        let within = all.iter().find(|definition| definition.name == "Within target").unwrap();
        for level in RiskLevel::ALL {
            assert!(within.meaning.contains(&format!("{level} {} h", sla::target_hours(*level))));
        }
    }

    #[test]
    fn every_resolution_is_explained() {
        let all = all();
        let words = all.iter().find(|definition| definition.name == "Resolution").unwrap();
        for resolution in Resolution::ALL {
            assert!(words.meaning.contains(resolution.as_str()), "{resolution}");
        }
    }
}
