//! The period of a pack, as it is chosen on the page: whole days, UTC.

use std::collections::HashMap;

use chrono::{Datelike as _, Duration, Months, NaiveDate, NaiveTime};
use evidence::org::{PackWindow, Plan};
use evidence::time::{Period, Time};

use crate::errors::{Input, Result};
use crate::pages::form;

/// A period that one click chooses.
pub(super) struct Preset {
    pub(super) label: &'static str,
    pub(super) period: Days,
    /// Why the plan does not reach back so far; `None`: it does.
    pub(super) barred: Option<String>,
}

/// From the first day up to, not including, the day `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Days {
    pub(super) start: NaiveDate,
    pub(super) end: NaiveDate,
}

/// What is chosen, and what could be.
pub(super) struct Choice {
    pub(super) presets: Vec<Preset>,
    pub(super) chosen: Days,
    pub(super) today: NaiveDate,
    /// The earliest day that the plan reaches back to.
    pub(super) earliest: Option<NaiveDate>,
    /// Why the address names no period; the first preset is chosen instead.
    pub(super) fault: Option<String>,
}

impl Days {
    pub(super) fn period(self) -> Result<Period> {
        let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
        let period = Period::new(midnight(self.start), midnight(self.end));
        Ok(period.map_err(|error| Input::InvalidPeriod(error.to_string()))?)
    }

    /// The last day that belongs to it.
    pub(super) fn last(self) -> NaiveDate {
        self.end.pred_opt().unwrap_or(self.end)
    }

    /// `path` with this period in its query.
    pub(super) fn address(self, path: &str) -> String {
        let (start, last) = (self.start.to_string(), self.last().to_string());
        form::address(path, &[("start", Some(&start)), ("end", Some(&last))])
    }
}

impl Choice {
    pub(super) fn of(query: &HashMap<String, String>, plan: Plan, now: Time) -> Self {
        let today = now.date_naive();
        let earliest = match plan.pack_window() {
            PackWindow::Days(days) => {
                Some((now - Duration::days(days.into())).date_naive() + Duration::days(1))
            }
            PackWindow::Unlimited | PackWindow::None => None,
        };
        let presets = presets(today, earliest);
        let first = presets
            .iter()
            .find(|preset| preset.barred.is_none())
            .map_or(presets[0].period, |preset| preset.period);
        let (chosen, fault) = match (query.get("start"), query.get("end")) {
            (Some(start), Some(end)) => match days(start, end) {
                Ok(days) => (days, None),
                Err(error) => (first, Some(error.message())),
            },
            _ => (first, None),
        };
        Self { presets, chosen, today, earliest, fault }
    }

    pub(super) fn is_chosen(&self, preset: &Preset) -> bool {
        self.chosen == preset.period
    }
}

fn presets(today: NaiveDate, earliest: Option<NaiveDate>) -> Vec<Preset> {
    let month = today.with_day(1).unwrap_or(today);
    let quarter = month - Months::new(month.month0() % 3);
    let back =
        |from: NaiveDate, months: u32| from.checked_sub_months(Months::new(months)).unwrap_or(from);
    let mut all = vec![
        ("Last month", Days { start: back(month, 1), end: month }),
        ("Last quarter", Days { start: back(quarter, 3), end: quarter }),
        ("Last 12 months", Days { start: back(month, 12), end: month }),
    ];
    if let Some(start) = earliest {
        all.insert(0, ("Last 30 days", Days { start, end: today }));
    }
    let barred = |days: Days| {
        earliest.filter(|earliest| days.start < *earliest).map(|earliest| {
            format!(
                "Your plan reaches back to {}; Enterprise has no limit.",
                earliest.format("%-d %B %Y")
            )
        })
    };
    all.into_iter()
        .map(|(label, period)| Preset { label, period, barred: barred(period) })
        .collect()
}

/// What a form or an address says: `end` is the last day.
fn days(start: &str, end: &str) -> Result<Days> {
    let day = |text: &str| {
        text.parse::<NaiveDate>()
            .map_err(|_| Input::InvalidPeriod("a day is written as 2026-01-31".to_owned()))
    };
    let end = day(end)?
        .succ_opt()
        .ok_or_else(|| Input::InvalidPeriod("the end is too late".to_owned()))?;
    let days = Days { start: day(start)?, end };
    days.period()?;
    Ok(days)
}

/// The period between two days, both included.
pub(super) fn parse(start: &str, end: &str) -> Result<Period> {
    days(start, end)?.period()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(query: &[(&str, &str)], plan: Plan) -> Choice {
        let query =
            query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Choice::of(&query, plan, "2026-05-14T08:00:00Z".parse().unwrap())
    }

    #[test]
    fn presets_are_whole_calendar_months() {
        let choice = choice(&[], Plan::Enterprise);
        let told: Vec<_> = choice
            .presets
            .iter()
            .map(|p| format!("{} {} {}", p.label, p.period.start, p.period.end))
            .collect();
        assert_eq!(
            told,
            [
                "Last month 2026-04-01 2026-05-01",
                "Last quarter 2026-01-01 2026-04-01",
                "Last 12 months 2025-05-01 2026-05-01"
            ]
        );
        assert!(choice.is_chosen(&choice.presets[0]));
    }

    #[test]
    fn a_plan_with_a_window_says_why_a_preset_is_out_of_reach() {
        let choice = choice(&[], Plan::Team);
        assert_eq!(choice.presets[0].label, "Last 30 days");
        assert!(choice.presets[0].barred.is_none());
        assert_eq!(
            choice.presets[1].barred.as_deref(),
            Some("Your plan reaches back to 15 April 2026; Enterprise has no limit.")
        );
    }

    #[test]
    fn the_end_that_a_person_names_belongs_to_the_period() {
        let choice = choice(&[("start", "2026-02-01"), ("end", "2026-02-28")], Plan::Enterprise);
        assert_eq!(choice.chosen.end.to_string(), "2026-03-01");
        assert_eq!(choice.chosen.address("/x"), "/x?start=2026-02-01&end=2026-02-28");
    }

    #[test]
    fn an_address_without_a_period_has_the_first_preset_and_says_why() {
        for (start, end) in
            [("2026-02-30", "2026-03-01"), ("2026-03-01", "2026-02-01"), ("x", "+262142-12-31")]
        {
            let choice = choice(&[("start", start), ("end", end)], Plan::Enterprise);
            assert!(
                choice.fault.is_some() && choice.is_chosen(&choice.presets[0]),
                "{start} {end}"
            );
        }
    }
}
