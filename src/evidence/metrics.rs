//! Numbers that must tie out: ratios that keep both their parts, and the roll-forward.
//!
//! Nothing here rounds silently: a ratio of nothing has no percentage (not 0, not 100), and only
//! all of something is 100 %.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::risk::RiskLevel;

/// A part of a whole, with both numbers kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Ratio {
    pub numerator: u64,
    pub denominator: u64,
}

/// As written: with the percentage, which is ignored when read back.
#[derive(Serialize, Deserialize)]
struct Written {
    numerator: u64,
    denominator: u64,
    #[serde(default, skip_deserializing)]
    percent: Option<f64>,
}

/// How the number of open findings went from the start of a period to its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RollForward {
    pub open_at_start: u64,
    pub opened: u64,
    pub reopened: u64,
    pub resolved: u64,
    pub accepted: u64,
    pub false_positive: u64,
    pub open_at_end: u64,
}

/// A second count of the roll-forward, per risk level at detection, from the rows of the findings
/// themselves; constant memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    levels: BTreeMap<RiskLevel, RollForward>,
    total: RollForward,
    findings: u64,
}

/// Why a count does not tie out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("finding {number} does not tie: {roll:?}")]
    Finding { number: i64, roll: RollForward },
    #[error("with finding {number} the sums are larger than any honest count")]
    Overflow { number: i64 },
    #[error("the roll-forward of {level} does not tie: reported {reported:?}, counted {counted:?}")]
    Level { level: RiskLevel, reported: RollForward, counted: RollForward },
}

impl Ratio {
    pub const fn new(numerator: u64, denominator: u64) -> Self {
        Self { numerator, denominator }
    }

    /// Percent with one decimal; `None` when there is nothing to divide by.
    ///
    /// 100.0 only for the whole and 0.0 only for nothing: 9,999 of 10,000 is 99.9.
    pub fn percent(self) -> Option<f64> {
        let (part, whole) = (u128::from(self.numerator), u128::from(self.denominator));
        if whole == 0 {
            return None;
        }
        let mut per_mille = (part * 1000 + whole / 2) / whole;
        if part < whole {
            per_mille = per_mille.min(999);
        }
        if part > 0 {
            per_mille = per_mille.max(1);
        }
        #[expect(clippy::cast_precision_loss, reason = "one decimal is kept")]
        let per_mille = per_mille as f64;
        Some(per_mille / 10.0)
    }
}

impl RollForward {
    /// `open_at_start + opened + reopened − resolved − accepted − false_positive = open_at_end`.
    pub fn ties(&self) -> bool {
        let wide = |counts: &[u64]| counts.iter().map(|count| u128::from(*count)).sum::<u128>();
        wide(&[self.open_at_start, self.opened, self.reopened])
            == wide(&[self.resolved, self.accepted, self.false_positive, self.open_at_end])
    }

    /// `None` where a sum does not fit.
    fn plus(self, other: Self) -> Option<Self> {
        Some(Self {
            open_at_start: self.open_at_start.checked_add(other.open_at_start)?,
            opened: self.opened.checked_add(other.opened)?,
            reopened: self.reopened.checked_add(other.reopened)?,
            resolved: self.resolved.checked_add(other.resolved)?,
            accepted: self.accepted.checked_add(other.accepted)?,
            false_positive: self.false_positive.checked_add(other.false_positive)?,
            open_at_end: self.open_at_end.checked_add(other.open_at_end)?,
        })
    }
}

/// Sums that would not fit stay at the largest count, which ties with nothing.
impl std::iter::Sum for RollForward {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), |sum, part| Self {
            open_at_start: sum.open_at_start.saturating_add(part.open_at_start),
            opened: sum.opened.saturating_add(part.opened),
            reopened: sum.reopened.saturating_add(part.reopened),
            resolved: sum.resolved.saturating_add(part.resolved),
            accepted: sum.accepted.saturating_add(part.accepted),
            false_positive: sum.false_positive.saturating_add(part.false_positive),
            open_at_end: sum.open_at_end.saturating_add(part.open_at_end),
        })
    }
}

impl Tally {
    /// Counts one finding's own roll-forward (`open_at_*` are 0 or 1); refuses one that does not tie, or with which the sums
    /// would not fit.
    pub fn add(&mut self, number: i64, level: RiskLevel, roll: RollForward) -> Result<(), Error> {
        if !roll.ties() || roll.open_at_start > 1 || roll.open_at_end > 1 || roll.opened > 1 {
            return Err(Error::Finding { number, roll });
        }
        let overflow = Error::Overflow { number };
        let counted = self.level(level).plus(roll).ok_or(overflow.clone())?;
        self.total = self.total.plus(roll).ok_or(overflow)?;
        self.levels.insert(level, counted);
        self.findings += 1;
        Ok(())
    }

    /// How many findings were counted.
    pub fn findings(&self) -> u64 {
        self.findings
    }

    /// The count for a level; all zero when none was seen.
    pub fn level(&self, level: RiskLevel) -> RollForward {
        self.levels.get(&level).copied().unwrap_or_default()
    }

    /// The count over all levels.
    pub fn total(&self) -> RollForward {
        self.total
    }

    /// Compares with what the pack reports for each level.
    pub fn check(&self, reported: &BTreeMap<RiskLevel, RollForward>) -> Result<(), Error> {
        for level in RiskLevel::ALL.iter().copied() {
            let (counted, reported) =
                (self.level(level), reported.get(&level).copied().unwrap_or_default());
            if counted != reported || !reported.ties() {
                return Err(Error::Level { level, reported, counted });
            }
        }
        Ok(())
    }
}

impl From<Written> for Ratio {
    fn from(written: Written) -> Self {
        Self::new(written.numerator, written.denominator)
    }
}

impl From<Ratio> for Written {
    fn from(ratio: Ratio) -> Self {
        let percent = ratio.percent();
        Self { numerator: ratio.numerator, denominator: ratio.denominator, percent }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn opened() -> RollForward {
        RollForward { opened: 1, open_at_end: 1, ..RollForward::default() }
    }

    #[test]
    fn nothing_has_no_percentage_and_only_all_is_100() {
        for (part, whole, percent) in [
            (0, 0, None),
            (5, 0, None),
            (0, 7, Some(0.0)),
            (7, 7, Some(100.0)),
            (1, 3, Some(33.3)),
            (2, 3, Some(66.7)),
            (9_999, 10_000, Some(99.9)),
            (1, 1_000_000, Some(0.1)),
            (u64::MAX - 1, u64::MAX, Some(99.9)),
        ] {
            assert_eq!(Ratio::new(part, whole).percent(), percent, "{part}/{whole}");
        }
    }

    #[test]
    fn a_ratio_is_written_with_both_its_parts() {
        let json = serde_json::to_string(&Ratio::new(1, 3)).unwrap();
        assert_eq!(json, r#"{"numerator":1,"denominator":3,"percent":33.3}"#);
        assert_eq!(serde_json::from_str::<Ratio>(&json).unwrap(), Ratio::new(1, 3));
        let none = serde_json::to_value(Ratio::default()).unwrap();
        assert!(none["percent"].is_null());
    }

    #[test]
    fn counts_too_large_to_be_summed_are_refused() {
        let huge = RollForward { reopened: u64::MAX, resolved: u64::MAX, ..RollForward::default() };
        let mut tally = Tally::default();
        tally.add(1, RiskLevel::High, huge).unwrap();
        let whole = tally.clone();
        for level in [RiskLevel::High, RiskLevel::Low] {
            assert_eq!(tally.add(2, level, huge), Err(Error::Overflow { number: 2 }));
        }
        assert_eq!(tally, whole);
    }

    #[test]
    fn a_finding_that_does_not_tie_is_refused_by_its_number() {
        let mut tally = Tally::default();
        tally.add(1, RiskLevel::High, opened()).unwrap();
        let wrong = RollForward { open_at_end: 0, ..opened() };
        let refused = tally.add(2, RiskLevel::High, wrong);
        assert_eq!(refused, Err(Error::Finding { number: 2, roll: wrong }));
        assert_eq!((tally.findings(), tally.total()), (1, opened()));
    }

    #[test]
    fn a_report_that_differs_from_the_rows_is_refused_by_its_level() {
        let mut tally = Tally::default();
        tally.add(1, RiskLevel::High, opened()).unwrap();
        let mut reported = BTreeMap::from([(RiskLevel::High, opened())]);
        assert_eq!(tally.check(&reported), Ok(()));
        reported.insert(RiskLevel::Low, opened());
        let refused = tally.check(&reported).unwrap_err();
        assert!(matches!(refused, Error::Level { level: RiskLevel::Low, .. }));
        assert!(tally.check(&BTreeMap::new()).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn a_percentage_lies_between_nothing_and_all(part in any::<u64>(), more in any::<u64>()) {
            let ratio = Ratio::new(part, part.saturating_add(more));
            if let Some(percent) = ratio.percent() {
                prop_assert!((0.0..=100.0).contains(&percent));
                prop_assert_eq!(percent >= 100.0, ratio.numerator == ratio.denominator);
                prop_assert_eq!(percent <= 0.0, ratio.numerator == 0);
            }
        }
    }
}
