//! Numbers, times and long texts as a reader likes them.
//!
//! Nothing is rounded to look better than it is: a percentage stands beside its parts, and the absence of a value is a dash,
//! never 0 or 100.

use chrono::SecondsFormat;
use evidence::metrics::Ratio;
use evidence::time::{Period, Time};

/// What stands where there is no value.
pub(crate) const NONE: &str = "–";

/// `1,234,567`.
pub(crate) fn count(number: impl Into<i128>) -> String {
    let number = number.into();
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    if number < 0 {
        text.push('−');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1,234` or a dash.
pub(crate) fn count_or_dash(number: Option<impl Into<i128>>) -> String {
    number.map_or_else(|| NONE.to_owned(), count)
}

/// `97.5 %`, or a dash when there is nothing to divide by.
pub(crate) fn percent(ratio: Ratio) -> String {
    ratio.percent().map_or_else(|| NONE.to_owned(), |percent| format!("{percent:.1} %"))
}

/// `39 of 40`.
pub(crate) fn parts(ratio: Ratio) -> String {
    format!("{} of {}", count(ratio.numerator), count(ratio.denominator))
}

/// `0.4 h`, `36.5 h`, `412 h (17.2 d)`, or a dash.
pub(crate) fn hours(hours: Option<f64>) -> String {
    match hours {
        None => NONE.to_owned(),
        Some(hours) if hours < 100.0 => format!("{hours:.1} h"),
        Some(hours) => format!("{} h ({:.1} d)", whole(hours), hours / 24.0),
    }
}

/// `36.5 h`, or `51.4 d` from a hundred hours on, or a dash: for narrow columns.
pub(crate) fn short_hours(hours: Option<f64>) -> String {
    match hours {
        Some(hours) if hours >= 100.0 => format!("{:.1} d", hours / 24.0),
        hours => self::hours(hours),
    }
}

/// `2026-01-31 14:05 UTC`.
pub(crate) fn minute(time: Time) -> String {
    time.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// `1.2 kB`, `34.5 MB`: units of a thousand.
pub(crate) fn bytes(bytes: u64) -> String {
    let mut unit = 1_000;
    for name in ["kB", "MB", "GB"] {
        if bytes < unit * 1_000 || name == "GB" {
            let tenths = bytes.saturating_mul(10) / unit;
            return if bytes < 1_000 {
                format!("{bytes} B")
            } else {
                format!("{}.{} {name}", count(tenths / 10), tenths % 10)
            };
        }
        unit *= 1_000;
    }
    count(bytes)
}

/// `2026-01-31T14:05:00Z`, with as many digits as it has.
pub(crate) fn exact(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// `1 January 2026 to 31 March 2026`: the days that the period touches, its last day included.
pub(crate) fn days(period: Period) -> String {
    let day = |time: Time| time.format("%-d %B %Y").to_string();
    let last = period.end - chrono::Duration::microseconds(1);
    let (first, last) = (day(period.start), day(last));
    if first == last { first } else { format!("{first} to {last}") }
}

/// A text of at most `max` characters, or its beginning and how long it is.
pub(crate) fn cut(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some((end, _)) => {
            format!("{}… ({} characters)", &text[..end], count(text.chars().count() as u64))
        }
    }
}

/// The first `max` names, and how many more there are.
pub(crate) fn names(all: &[String], max: usize) -> String {
    if all.is_empty() {
        return NONE.to_owned();
    }
    let shown: Vec<String> = all.iter().take(max).map(|name| cut(name, 60)).collect();
    match all.len().saturating_sub(max) {
        0 => shown.join(", "),
        more => format!("{} and {} more", shown.join(", "), count(more as u64)),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "hours of ten thousand years fit an i64")]
fn whole(number: f64) -> String {
    count(number.round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        let shown = [0_i64, 7, 999, 1_000, 100_000, 1_234_567, -4_321].map(count);
        assert_eq!(shown, ["0", "7", "999", "1,000", "100,000", "1,234,567", "−4,321"]);
    }

    #[test]
    fn sizes_have_a_unit() {
        let shown = [0, 999, 1_000, 34_567_890, 5_000_000_000_000].map(bytes);
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "34.5 MB", "5,000.0 GB"]);
    }

    #[test]
    fn hours_gain_days_when_they_are_many() {
        assert_eq!(hours(None), "–");
        assert_eq!(hours(Some(0.04)), "0.0 h");
        assert_eq!(hours(Some(36.54)), "36.5 h");
        assert_eq!(hours(Some(1_234.5)), "1,235 h (51.4 d)");
    }

    #[test]
    fn a_period_ends_on_the_last_day_it_touches() {
        let at = |text: &str| text.parse::<Time>().unwrap();
        let period = |start, end| Period::new(at(start), at(end)).unwrap();
        let quarter = period("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z");
        assert_eq!(days(quarter), "1 January 2026 to 31 March 2026");
        let hour = period("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z");
        assert_eq!(days(hour), "1 January 2026");
    }

    #[test]
    fn a_long_text_says_how_long_it_is() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äöü… (4 characters)");
        assert_eq!(names(&["a".into(), "b".into(), "c".into()], 2), "a, b and 1 more");
    }
}
