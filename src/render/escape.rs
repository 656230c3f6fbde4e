//! Text that came from outside, made safe to show.
//!
//! Invariants
//! - No value can become markup: `& < > " '` are written as references.
//! - What a reader sees is what is there: control characters, bidirectional overrides, zero-width and filler characters appear
//!   as `⟨U+202E⟩`, so a name can neither forge a line nor hide a part of itself.
//!
//! Only for display: raw values stay as they are in `data.json`.

use std::fmt::{self, Write};

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

/// Whether a character shows nothing, or changes how others show.
///
/// Control characters (line breaks too: every value is shown on one line), format characters of Unicode's category Cf, separators of
/// lines and paragraphs, fillers, variation selectors, and what is no character at all.
pub(crate) fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(
            u32::from(c),
            0x00AD
                | 0x034F
                | 0x0600..=0x0605
                | 0x061C
                | 0x06DD
                | 0x070F
                | 0x0890..=0x0891
                | 0x08E2
                | 0x115F..=0x1160
                | 0x17B4..=0x17B5
                | 0x180B..=0x180F
                | 0x200B..=0x200F
                | 0x2028..=0x202E
                | 0x2060..=0x206F
                | 0x2800
                | 0x3164
                | 0xFE00..=0xFE0F
                | 0xFEFF
                | 0xFFA0
                | 0xFFF0..=0xFFFB
                | 0xFFFE..=0xFFFF
                | 0x110BD
                | 0x110CD
                | 0x13430..=0x1343F
                | 0x1BCA0..=0x1BCA3
                | 0x1D173..=0x1D17A
                | 0xE0000..=0xE0FFF
        )
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
