//! Text that came from outside, made safe to show.
//!
//! Invariants
//! - No value can become markup: `& < > " '` are written as references.
//! - What a reader sees is what is there: control characters, bidirectional overrides, zero-width and filler characters appear
//!   as `⟨U+202E⟩`, so a name can neither forge a line nor hide a part of itself.
//!
//! Only for display: raw values stay as they are in `data.json`.

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
        c if is_invisible(c) => write!(dest, "⟨U+{:04X}⟩", u32::from(c)),
        c => dest.write_char(c),
    }
}

#[cfg(test)]
mod tests {
    use askama::filters::Escaper as _;
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        let mut out = String::new();
        Visible.write_escaped_str(&mut out, text).unwrap();
        out
    }

    #[test]
    fn markup_becomes_text() {
        assert_eq!(shown("<img src='x'>&\""), "&lt;img src=&#39;x&#39;&gt;&amp;&quot;");
    }

    #[test]
    fn what_cannot_be_seen_is_named() {
        assert_eq!(shown("a\u{202E}b\u{200B}\n\u{0}"), "a⟨U+202E⟩b⟨U+200B⟩⟨U+000A⟩⟨U+0000⟩");
        assert_eq!(shown("Zürich 東京 🙂"), "Zürich 東京 🙂");
    }

    proptest! {
        #[test]
        fn nothing_shown_is_markup_or_invisible(text in any::<String>()) {
            let shown = shown(&text);
            prop_assert!(!shown.contains(['<', '>', '"', '\'']));
            prop_assert!(!shown.chars().any(is_invisible));
        }
    }
}
