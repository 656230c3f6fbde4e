//! The course of the open findings: the roll-forward, month by month and level by level.
//!
//! Months follow from each other: each opens with what the one before closed with. So the whole course hangs on two
//! counts that were made apart from it, what was open at the start and at the end of the period: [`Course::ties`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::metrics::RollForward;
use crate::pack::{Sla, Summary};
use crate::risk::RiskLevel;
use crate::time::Period;

/// How the open findings came and went in one month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenMonth {
    /// `2026-01`.
    pub month: String,
    pub partial_month: bool,
    /// Per risk level as at detection, every level.
    pub levels: BTreeMap<RiskLevel, RollForward>,
}

/// What happened to findings of one level in one month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transitions {
    /// `2026-01`.
    pub month: String,
    pub risk_level: RiskLevel,
    pub opened: u64,
    pub reopened: u64,
    pub resolved: u64,
    pub accepted: u64,
    pub false_positive: u64,
}

impl OpenMonth {
    /// Over all levels.
    pub fn total(&self) -> RollForward {
        self.levels.values().copied().sum()
    }

    /// Open at the end of the month.
    pub fn open(&self, level: RiskLevel) -> u64 {
        self.levels.get(&level).map_or(0, |roll| roll.open_at_end)
    }
}

/// Every month of the period, from what was open at its start (as `levels` say) and what happened in it.
///
/// Counts that contradict each other give a course that does not tie, never a panic.
pub fn months(
    period: &Period,
    levels: &[Sla],
    transitions: impl IntoIterator<Item = Transitions>,
) -> Vec<OpenMonth> {
    let mut happened: BTreeMap<(String, RiskLevel), Transitions> =
        transitions.into_iter().map(|row| ((row.month.clone(), row.risk_level), row)).collect();
    let mut open: BTreeMap<RiskLevel, u64> =
        levels.iter().map(|level| (level.risk_level, level.roll_forward.open_at_start)).collect();
    let month = |month: crate::time::Month| {
        let roll = |level: RiskLevel| {
            let row = happened.remove(&(month.label.clone(), level));
            let at_start = open.get(&level).copied().unwrap_or_default();
            let roll = row.map_or_else(
                || RollForward {
                    open_at_start: at_start,
                    open_at_end: at_start,
                    ..RollForward::default()
                },
                |row| row.after(at_start),
            );
            open.insert(level, roll.open_at_end);
            (level, roll)
        };
        OpenMonth {
            levels: RiskLevel::ALL.iter().copied().map(roll).collect(),
            month: month.label,
            partial_month: month.partial,
        }
    };
    period.months().into_iter().map(month).collect()
}

impl Transitions {
    fn after(&self, open_at_start: u64) -> RollForward {
        let came = open_at_start.saturating_add(self.opened).saturating_add(self.reopened);
        let went = self.resolved.saturating_add(self.accepted).saturating_add(self.false_positive);
        RollForward {
            open_at_start,
            opened: self.opened,
            reopened: self.reopened,
            resolved: self.resolved,
            accepted: self.accepted,
            false_positive: self.false_positive,
            open_at_end: came.saturating_sub(went),
        }
    }
}

/// The course in a summary against its roll-forward of the whole period.
#[derive(Debug, Clone, Copy)]
pub struct Course<'a>(pub &'a Summary);

impl Course<'_> {
    /// Whether the months are those of the period, each ties and opens with what the one before closed with, and all of
    /// them together are the roll-forward of each level.
    pub fn ties(self) -> bool {
        let Self(summary) = self;
        let months = &summary.open_monthly;
        let calendar = summary.period.months();
        let is_calendar = months.len() == calendar.len()
            && months.iter().zip(&calendar).all(|(month, calendar)| {
                (month.month.as_str(), month.partial_month)
                    == (calendar.label.as_str(), calendar.partial)
            });
        is_calendar && summary.sla.iter().all(|level| is_whole(months, level))
    }
}

fn is_whole(months: &[OpenMonth], level: &Sla) -> bool {
    let course: Option<Vec<RollForward>> =
        months.iter().map(|month| month.levels.get(&level.risk_level).copied()).collect();
    let (Some(course), whole) = (course, level.roll_forward) else { return false };
    let (Some(first), Some(last)) = (course.first(), course.last()) else { return false };
    let follow = course.windows(2).all(|pair| pair[0].open_at_end == pair[1].open_at_start);
    let sum: RollForward = course.iter().copied().sum();
    let joined =
        RollForward { open_at_start: first.open_at_start, open_at_end: last.open_at_end, ..sum };
    follow && joined == whole && course.iter().all(RollForward::ties)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period() -> Period {
        let at = |text: &str| text.parse().unwrap();
        Period::new(at("2026-01-10T00:00:00Z"), at("2026-04-01T00:00:00Z")).unwrap()
    }

    fn level(risk_level: RiskLevel, roll_forward: RollForward) -> Sla {
        Sla {
            risk_level,
            roll_forward,
            hours_to_resolve: crate::pack::Spread::default(),
            oldest_open_hours: None,
            mean_open_hours: None,
            target_hours: 24,
            within_sla: crate::metrics::Ratio::default(),
            overdue_open: 0,
        }
    }

    fn happened(month: &str, opened: u64, resolved: u64) -> Transitions {
        Transitions {
            month: month.into(),
            risk_level: RiskLevel::High,
            opened,
            reopened: 0,
            resolved,
            accepted: 0,
            false_positive: 0,
        }
    }

    fn levels() -> Vec<Sla> {
        let high = RollForward {
            open_at_start: 2,
            opened: 5,
            resolved: 4,
            open_at_end: 3,
            ..RollForward::default()
        };
        let roll = |level| if level == RiskLevel::High { high } else { RollForward::default() };
        RiskLevel::ALL.iter().map(|risk| level(*risk, roll(*risk))).collect()
    }

    #[test]
    fn a_month_opens_with_what_the_one_before_closed_with() {
        let months =
            months(&period(), &levels(), [happened("2026-03", 1, 3), happened("2026-01", 4, 1)]);
        let open: Vec<_> = months.iter().map(|month| month.open(RiskLevel::High)).collect();
        assert_eq!(open, [5, 5, 3], "nothing happened in February");
        assert!(months[0].partial_month && !months[1].partial_month);
        assert_eq!(months[2].total().open_at_end, 3);
    }

    #[test]
    fn months_that_lost_or_gained_something_are_no_course() {
        let ties = |transitions: Vec<Transitions>| {
            let (period, levels) = (period(), levels());
            let months = months(&period, &levels, transitions);
            levels.iter().all(|level| is_whole(&months, level))
        };
        assert!(ties(vec![happened("2026-01", 4, 1), happened("2026-03", 1, 3)]));
        assert!(!ties(vec![happened("2026-01", 4, 1)]));
        assert!(!ties(vec![happened("2026-01", 5, 1), happened("2026-03", 1, 3)]));
        assert!(!ties(vec![happened("2026-01", 0, u64::MAX)]));
        assert!(!ties(vec![happened("2025-12", 5, 4)]), "a month outside of the period");
    }
}
