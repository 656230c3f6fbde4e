//! The one way to standard output and standard error.
//!
//! Results go to standard output, everything else to standard error, so that both can be piped. A closed pipe ends the
//! words, not the program.

use std::fmt::Display;
use std::io::Write as _;

/// A result.
pub(crate) fn out(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A remark.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A table with aligned columns; the first row is the header. Control characters in cells are shown as `�`.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let clean: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    let width = |column: usize| {
        clean
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<_> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    clean.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Text from outside, safe for a terminal: no control characters, no change of writing direction.
pub(crate) fn printable(text: &str) -> String {
    let is_unsafe = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_unsafe(c) { '\u{fffd}' } else { c }).collect()
}

/// As [`printable`], line by line.
pub(crate) fn lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_aligns_and_shows_no_control_characters() {
        let rows = vec![
            vec!["a".to_owned(), "b".to_owned()],
            vec!["\u{1b}[2Jlonger".to_owned(), "x\u{202e}y".to_owned()],
        ];
        assert_eq!(table(&rows), "a           b\n\u{fffd}[2Jlonger  x\u{fffd}y");
    }
}
