//! Text for a terminal of 80 columns: tables that fit, ages, times, lines that are wrapped.
//!
//! Invariant: what comes out holds no control character that came from outside.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::say::printable;

/// What a terminal has at least.
pub(crate) const COLUMNS: usize = 80;
/// Between the columns of a table.
const GAP: usize = 2;
/// A column is not cut to less.
const COLUMN_MIN: usize = 8;

/// A table within [`COLUMNS`]; the first row is the header. The first column is whole: it is what a next command is given.
/// Of the others the widest are cut.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let clean: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    let widths = widths(&clean);
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let cell = cut(cell, *width);
            format!("{cell:<width$}")
        });
        cells.collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end().to_owned()
    };
    clean.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = (0..columns).map(width).collect();
    while widths.iter().sum::<usize>() + GAP * columns.saturating_sub(1) > COLUMNS {
        let Some(widest) = widths.iter_mut().skip(1).max() else { break };
        if *widest <= COLUMN_MIN {
            break;
        }
        *widest -= 1;
    }
    widths
}

/// The text in at most `width` characters.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// The text in lines of at most [`COLUMNS`] characters, each after `indent` spaces.
pub(crate) fn wrapped(text: &str, indent: usize) -> String {
    let (width, mut lines, mut line) = (COLUMNS - indent, Vec::new(), String::new());
    for word in text.lines().flat_map(str::split_whitespace).map(printable) {
        let mut word = word.as_str();
        let mut room = width.saturating_sub(line.chars().count() + usize::from(!line.is_empty()));
        if word.chars().count() > room && !line.is_empty() {
            lines.push(std::mem::take(&mut line));
            room = width;
        }
        while let Some((end, _)) = word.char_indices().nth(room) {
            lines.push(word[..end].to_owned());
            (word, room) = (&word[end..], width);
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines.join(&format!("\n{}", " ".repeat(indent)))
}

/// How long ago a time of the service's is, in one unit: `12s`, `3m`, `5h`, `9d`. Empty where there is none.
pub(crate) fn ago(at: &Value, now: DateTime<Utc>) -> String {
    moment(at).map(|at| span((now - at).num_seconds())).unwrap_or_default()
}

/// How far ahead a time of the service's is.
pub(crate) fn ahead(at: &Value, now: DateTime<Utc>) -> String {
    moment(at).map(|at| span((at - now).num_seconds())).unwrap_or_default()
}

/// A number of seconds in one unit, never less than nothing.
pub(crate) fn span(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7_200 => format!("{}m", seconds / 60),
        seconds @ 7_200..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// How long something took, to the millisecond where it was short.
pub(crate) fn took(from: &Value, to: &Value) -> String {
    let (Some(from), Some(to)) = (moment(from), moment(to)) else { return String::new() };
    match (to - from).num_milliseconds().max(0) {
        ms @ 0..10_000 => format!("{ms}ms"),
        ms => span(ms / 1000),
    }
}

/// A time of the service's, to the second.
pub(crate) fn time(at: &Value) -> String {
    moment(at).map(|at| at.format("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default()
}

fn moment(at: &Value) -> Option<DateTime<Utc>> {
    at.as_str()?.parse().ok()
}

/// A text of the service's, empty where there is none; JSON otherwise.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => spaced(other),
    }
}

/// JSON with spaces where a line may end.
fn spaced(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(name, member)| {
                format!("{}: {}", Value::from(name.as_str()), spaced(member))
            });
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(spaced).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|cell| (*cell).to_owned()).collect()
    }

    #[test]
    fn a_table_fits_80_columns_and_keeps_its_first_one_whole() {
        let long = "x".repeat(60);
        let id = "0198c2f1-8a40-7f00-8d21-5e6f7a8b9c0d";
        let table = table(&[row(&["ID", "TEXT", "STATE"]), row(&[id, &long, "failed"])]);
        assert!(table.lines().all(|line| line.chars().count() <= COLUMNS), "{table}");
        assert!(table.contains(id) && table.contains("…  failed"), "{table}");
    }

    #[test]
    fn lines_are_wrapped_between_words_and_long_words_anywhere() {
        let text = format!("a short one {} and\u{1b}[2J more {}", "y".repeat(75), "z".repeat(200));
        let lines = wrapped(&text, 4);
        assert!(lines.lines().all(|line| line.chars().count() <= COLUMNS), "{lines}");
        assert!(!lines.contains('\u{1b}'));
        let joined: String = lines.chars().filter(|c| !c.is_whitespace()).collect();
        assert_eq!(joined.matches('z').count(), 200);
        assert_eq!(wrapped("", 4), "");
    }

    #[test]
    fn json_can_be_wrapped_and_is_json_still() {
        let value = json!({"a": [1, "x, \"y\"", null], "b": {}});
        let text = text(&value);
        assert_eq!(text, r#"{"a": [1, "x, \"y\"", null], "b": {}}"#);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn ages_have_one_unit() {
        for (seconds, told) in
            [(-5, "0s"), (119, "119s"), (120, "2m"), (7_200, "2h"), (172_800, "2d")]
        {
            assert_eq!(span(seconds), told);
        }
        let (from, to) = (json!("2026-04-02T09:15:00Z"), json!("2026-04-02T09:15:04.5Z"));
        assert_eq!(took(&from, &to), "4500ms");
        assert_eq!(took(&from, &json!(null)), "");
    }
}
