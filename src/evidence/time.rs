//! Moments and periods. Everything is UTC, to the microsecond (what Postgres keeps).
//!
//! A [`Period`] is half-open: `start` belongs to it, `end` does not. That is the one meaning of "in
//! the period" everywhere, so that neighbouring periods neither overlap nor leave a gap.

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, SubsecRound, TimeZone, Timelike, Utc};
use serde::{Deserialize, Serialize};

const STAMP_BYTES: usize = 27;

/// A moment, UTC.
pub type Time = DateTime<Utc>;

/// `2026-01-31T23:59:59.000000Z`: RFC 3339, always six digits and `Z`, cut (not rounded) to the
/// microsecond.
pub fn stamp(time: Time) -> String {
    let mut text = Vec::with_capacity(STAMP_BYTES);
    push_stamp(&mut text, time);
    String::from_utf8(text).expect("digits and signs are ASCII")
}

/// Appends [`stamp`] to `out`. Packs hold millions of times, and formatting them digit by digit takes a tenth of the time that
/// chrono's formatter needs.
pub fn push_stamp(out: &mut Vec<u8>, time: Time) {
    match usual_stamp(time) {
        Some(text) => out.extend_from_slice(&text),
        None => out.extend_from_slice(time.to_rfc3339_opts(SecondsFormat::Micros, true).as_bytes()),
    }
}

/// [`stamp`] of a time in a year of four digits and outside a leap second: of whatever Postgres gives.
pub(crate) fn usual_stamp(time: Time) -> Option<[u8; STAMP_BYTES]> {
    // Without the offset, which is none: chrono would add it.
    let time = time.naive_utc();
    let (date, day_seconds, nanos) =
        (time.date(), time.num_seconds_from_midnight(), time.nanosecond());
    let (Ok(year @ 0..=9999), 0..1_000_000_000) = (u32::try_from(date.year()), nanos) else {
        return None;
    };
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    digits(&mut text[..4], year);
    digits(&mut text[5..7], date.month());
    digits(&mut text[8..10], date.day());
    digits(&mut text[11..13], day_seconds / 3600);
    digits(&mut text[14..16], day_seconds / 60 % 60);
    digits(&mut text[17..19], day_seconds % 60);
    digits(&mut text[20..26], nanos / 1000);
    Some(text)
}

/// The moment of which [`stamp`] makes this text; `None` for every other spelling.
pub fn read_stamp(text: &str) -> Option<Time> {
    match read_usual_stamp(text.as_bytes()) {
        Some(time) => Some(time),
        None => text.parse().ok().filter(|time| stamp(*time) == text),
    }
}

/// [`read_stamp`] of what [`usual_stamp`] makes.
pub(crate) fn read_usual_stamp(text: &[u8]) -> Option<Time> {
    if text.len() != STAMP_BYTES {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(
        i32::try_from(number(&text[..4])).ok()?,
        number(&text[5..7]),
        number(&text[8..10]),
    )?;
    let (hour, minute, second) =
        (number(&text[11..13]), number(&text[14..16]), number(&text[17..19]));
    let time = date.and_hms_micro_opt(hour, minute, second, number(&text[20..26]))?.and_utc();
    // What is between the digits, and what is none, shows here.
    (usual_stamp(time)? == text).then_some(time)
}

/// The number that the digits are, six at most; some number where they are none, which whoever asks then finds out.
fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit.wrapping_sub(b'0')))
}

/// The last digits of a number, as many as there is room for.
fn digits(room: &mut [u8], mut number: u32) {
    for digit in room.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).expect("one digit");
        number /= 10;
    }
}

/// The moment cut to whole microseconds, so that what is hashed is what Postgres gives back.
pub fn floor_micros(time: Time) -> Time {
    time.trunc_subsecs(6)
}

/// Hours from one moment to another, never negative.
pub fn hours_between(from: Time, to: Time) -> f64 {
    let micros = (to - from).num_microseconds().unwrap_or(i64::MAX).max(0);
    #[expect(clippy::cast_precision_loss, reason = "285 years of microseconds fit 53 bits")]
    let micros = micros as f64;
    micros / 3_600_000_000.0
}

/// Why a period is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    #[error("the period must start before it ends (the end is exclusive)")]
    StartNotBeforeEnd,
    #[error("the period must lie between the years 1970 and 9999")]
    OutOfRange,
}

/// `[start, end)`, in UTC, cut to microseconds; never empty, between 1970 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Bounds", into = "Bounds")]
#[non_exhaustive]
pub struct Period {
    pub start: Time,
    /// The first moment after the period.
    pub end: Time,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    start: Time,
    end: Time,
}

/// A calendar month (UTC) as far as a period covers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Month {
    /// Start of the month, or of the period if that is later.
    pub start: Time,
    /// End of the month, or of the period if that is earlier; exclusive.
    pub end: Time,
    /// `2026-01`.
    pub label: String,
    /// The period covers only a part of the calendar month.
    pub partial: bool,
}

impl Period {
    pub fn new(start: Time, end: Time) -> Result<Self, PeriodError> {
        let (start, end) = (floor_micros(start), floor_micros(end));
        if start >= end {
            return Err(PeriodError::StartNotBeforeEnd);
        }
        if start.year() < 1970 || end.year() > 9999 {
            return Err(PeriodError::OutOfRange);
        }
        Ok(Self { start, end })
    }

    pub fn contains(&self, time: Time) -> bool {
        self.start <= time && time < self.end
    }

    /// Whether something that began at `from` and ended at `to` (absent: still running) belongs to
    /// the period: because it ran in it, or because its end falls on a moment of it.
    ///
    /// An end exactly at `start` counts. It is an event of this period, so a roll-forward only ties
    /// to its rows when the row is there.
    pub fn overlaps(&self, from: Time, to: Option<Time>) -> bool {
        from < self.end && to.is_none_or(|to| to >= self.start)
    }

    /// The calendar months that the period touches, in order, without gaps.
    pub fn months(&self) -> Vec<Month> {
        let mut months = Vec::new();
        let mut first = month_start(self.start.year(), self.start.month());
        while first < self.end {
            let next = following(first);
            months.push(Month {
                start: first.max(self.start),
                end: next.min(self.end),
                label: first.format("%Y-%m").to_string(),
                partial: first < self.start || next > self.end,
            });
            first = next;
        }
        months
    }
}

fn month_start(year: i32, month: u32) -> Time {
    Utc.with_ymd_and_hms(year, month, 1, 0, 0, 0)
        .single()
        .expect("the first of a month at midnight UTC exists exactly once")
}

fn following(first: Time) -> Time {
    match first.month() {
        12 => month_start(first.year() + 1, 1),
        month => month_start(first.year(), month + 1),
    }
}

impl TryFrom<Bounds> for Period {
    type Error = PeriodError;

    fn try_from(bounds: Bounds) -> Result<Self, Self::Error> {
        Self::new(bounds.start, bounds.end)
    }
}

impl From<Period> for Bounds {
    fn from(period: Period) -> Self {
        Self { start: period.start, end: period.end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn period(start: &str, end: &str) -> Result<Period, PeriodError> {
        Period::new(at(start), at(end))
    }

    #[test]
    fn a_stamp_has_six_digits_and_cuts() {
        assert_eq!(stamp(at("2026-01-31T23:59:59.9999999+02:00")), "2026-01-31T21:59:59.999999Z");
        assert_eq!(stamp(at("2026-01-31T00:00:00Z")), "2026-01-31T00:00:00.000000Z");
        let fine = at("2026-01-31T00:00:00.123456789Z");
        assert_eq!(floor_micros(fine), at("2026-01-31T00:00:00.123456Z"));
    }

    proptest::proptest! {
        #[test]
        fn a_stamp_is_what_chrono_would_write(micros in -80_000_000_000_000_000_i64..300_000_000_000_000_000) {
            let time = Time::from_timestamp_micros(micros).unwrap();
            proptest::prop_assert_eq!(stamp(time), time.to_rfc3339_opts(SecondsFormat::Micros, true));
            proptest::prop_assert_eq!(read_stamp(&stamp(time)), Some(time));
        }
    }

    #[test]
    fn empty_reversed_and_far_off_periods_are_refused() {
        let day = "2026-01-01T00:00:00Z";
        assert_eq!(period(day, day), Err(PeriodError::StartNotBeforeEnd));
        assert_eq!(period(day, "2025-12-31T00:00:00Z"), Err(PeriodError::StartNotBeforeEnd));
        let nanos = period("2026-01-01T00:00:00.0000001Z", "2026-01-01T00:00:00.0000009Z");
        assert_eq!(nanos, Err(PeriodError::StartNotBeforeEnd));
        assert_eq!(period("1969-12-31T00:00:00Z", day), Err(PeriodError::OutOfRange));
        assert!(
            serde_json::from_str::<Period>(&format!(r#"{{"start":"{day}","end":"{day}"}}"#))
                .is_err()
        );
    }

    #[test]
    fn months_cover_the_period_without_gaps() {
        let period = period("2025-11-15T12:00:00Z", "2026-02-01T00:00:00Z").unwrap();
        let months = period.months();
        let labels: Vec<_> =
            months.iter().map(|month| (month.label.as_str(), month.partial)).collect();
        assert_eq!(labels, [("2025-11", true), ("2025-12", false), ("2026-01", false)]);
        assert_eq!((months[0].start, months[2].end), (period.start, period.end));
        assert!(months.windows(2).all(|pair| pair[0].end == pair[1].start));
    }

    #[test]
    fn fifty_years_are_six_hundred_months() {
        let period = period("1976-01-01T00:00:00Z", "2026-01-01T00:00:00Z").unwrap();
        assert_eq!(period.months().len(), 600);
    }

    #[test]
    fn the_end_is_outside_and_what_ends_at_the_start_is_inside() {
        let (start, end) = (at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"));
        let period = Period::new(start, end).unwrap();
        assert!(period.contains(start) && !period.contains(end));
        let before = at("2025-12-01T00:00:00Z");
        assert!(period.overlaps(before, None) && period.overlaps(before, Some(start)));
        assert!(!period.overlaps(end, None));
        assert!(!period.overlaps(before, Some(start - chrono::Duration::microseconds(1))));
    }

    #[test]
    fn hours_are_never_negative() {
        let start = at("2026-01-01T00:00:00Z");
        let later = start + chrono::Duration::minutes(90);
        assert!((hours_between(start, later) - 1.5).abs() < 1e-9);
        assert!(hours_between(later, start) <= 0.0);
    }
}
