//! Text that came from outside, made safe to show on a page.
//!
//! Invariants
//! - No value can become markup: `& < > " '` are written as references.
//! - What a reader sees is what is there: control characters, bidirectional overrides, zero-width and filler characters appear as
//!   `⟨U+202E⟩`. Line breaks stay: pages show them as the spaces that HTML makes of them, or as lines where it says so.
//!
//! Not for the values of form fields, which come back as they are: those are escaped as `htm`, plain HTML.

use std::fmt::{self, Write};

use evidence::visible::is_invisible;

/// The escaper of every template.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Visible;

impl askama::filters::Escaper for Visible {
    fn write_escaped_str<W: Write>(&self, mut dest: W, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| write_char(&mut dest, c))
    }

    fn write_escaped_char<W: Write>(&self, mut dest: W, c: char) -> fmt::Result {
        write_char(&mut dest, c)
    }
}

fn write_char(dest: &mut impl Write, c: char) -> fmt::Result {
    match c {
        '&' => dest.write_str("&amp;"),
        '<' => dest.write_str("&lt;"),
        '>' => dest.write_str("&gt;"),
        '"' => dest.write_str("&quot;"),
        '\'' => dest.write_str("&#39;"),
        '\n' | '\r' | '\t' => dest.write_char(c),
        c if is_invisible(c) => write!(dest, "⟨U+{:04X}⟩", u32::from(c)),
        c => dest.write_char(c),
    }
}

#[cfg(test)]
mod tests {
    use askama::filters::Escaper as _;

    use super::*;

    #[test]
    fn nothing_hides_and_nothing_becomes_markup() {
        let mut shown = String::new();
        Visible.write_escaped_str(&mut shown, "<b>\u{202e}txt.exe\"'&\n").unwrap();
        assert_eq!(shown, "&lt;b&gt;⟨U+202E⟩txt.exe&quot;&#39;&amp;\n");
    }
}
