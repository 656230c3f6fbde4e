//! Values as people read them.

use std::borrow::Borrow;
use std::fmt;

use askama::filters::Safe;
use evidence::time::Time;

/// A moment: absolute in UTC, and how long ago (or ahead) it is. As HTML.
pub(super) fn when(at: impl Borrow<Time>, now: impl Borrow<Time>) -> Safe<String> {
    let at = at.borrow();
    let (machine, day) = (at.format("%Y-%m-%dT%H:%M:%SZ"), at.format("%-d %b %Y, %H:%M UTC"));
    Safe(format!(
        "<time datetime=\"{machine}\">{day}</time> <span class=\"quiet nowrap\">{}</span>",
        ago(at, now)
    ))
}

/// Only the moment.
pub(super) fn moment(at: impl Borrow<Time>) -> Safe<String> {
    let at = at.borrow();
    let (machine, day) = (at.format("%Y-%m-%dT%H:%M:%SZ"), at.format("%-d %b %Y, %H:%M UTC"));
    Safe(format!("<time datetime=\"{machine}\">{day}</time>"))
}

/// Only the day, in UTC.
pub(super) fn day(at: impl Borrow<Time>) -> Safe<String> {
    let at = at.borrow();
    let (machine, day) = (at.format("%Y-%m-%d"), at.format("%-d %b %Y"));
    Safe(format!("<time datetime=\"{machine}\">{day}</time>"))
}

/// "3 minutes ago", "in 2 days".
pub(super) fn ago(at: impl Borrow<Time>, now: impl Borrow<Time>) -> String {
    let seconds = (*now.borrow() - *at.borrow()).num_seconds();
    if seconds.abs() < 5 {
        return "just now".to_owned();
    }
    let span = span(seconds.unsigned_abs());
    if seconds < 0 { format!("in {span}") } else { format!("{span} ago") }
}

/// A time span in its largest whole unit.
pub(super) fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")];
    let unit = UNITS.into_iter().find(|(length, _)| seconds >= *length).unwrap_or((1, "second"));
    let count = seconds / unit.0;
    format!("{count} {}{}", unit.1, if count == 1 { "" } else { "s" })
}

/// A span of work: `840 ms`, `12.3 s`, `4 min 10 s`.
pub(super) fn took(millis: i64) -> String {
    match millis {
        ..1000 => format!("{} ms", millis.max(0)),
        1000..60_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        60_000..3_600_000 => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1000),
        _ => format!("{} h {} min", millis / 3_600_000, millis % 3_600_000 / 60_000),
    }
}

/// With thin spaces between thousands.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 * 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// `1 finding`, `12 findings`.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A size: `812 B`, `4.1 MB`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut tenths = bytes / 100;
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// A state as a badge: a word, and a tone for the eye. Its text is HTML (`|safe`): neither comes from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Badge {
    pub(super) tone: &'static str,
    pub(super) word: &'static str,
}

impl fmt::Display for Badge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<span class=\"badge {}\">{}</span>", self.tone, self.word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_sizes_have_units() {
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!((count(999), count(1000)), ("999".to_owned(), "1\u{202f}000".to_owned()));
        assert_eq!((size(999), size(4_130_000)), ("999 B".to_owned(), "4.1 MB".to_owned()));
        assert_eq!(
            (took(840), took(12_345), took(250_000)),
            ("840 ms".into(), "12.3 s".into(), "4 min 10 s".into())
        );
    }

    #[test]
    fn times_are_told_relative_to_now_in_both_directions() {
        let now: Time = "2026-04-02T10:00:00Z".parse().unwrap();
        let at = |text: &str| ago(text.parse::<Time>().unwrap(), now);
        assert_eq!(at("2026-04-02T09:59:58Z"), "just now");
        assert_eq!(at("2026-04-02T09:00:00Z"), "1 hour ago");
        assert_eq!(at("2026-04-05T10:00:00Z"), "in 3 days");
    }
}
