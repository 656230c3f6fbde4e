//! Text from outside as a string of CSS: what stands in the margins of every page.
//!
//! A style element is raw text, in which no reference is read, so HTML's escaping would be shown and a `</style` would end it. Here
//! every ASCII character but letters, digits and blanks is written by its number, and the blank that ends the number.

use std::fmt::Write as _;

use evidence::visible::is_invisible;

/// `text` as a quoted string; whatever it holds, it stays one.
pub(crate) fn string(text: &str) -> String {
    let mut css = String::from("\"");
    for c in text.chars() {
        if is_invisible(c) {
            write!(css, "⟨U+{:04X}⟩", u32::from(c)).expect("writing to a String cannot fail");
        } else if c.is_ascii() && !c.is_ascii_alphanumeric() && c != ' ' {
            write!(css, "\\{:x} ", u32::from(c)).expect("writing to a String cannot fail");
        } else {
            css.push(c);
        }
    }
    css.push('"');
    css
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_ends_the_string_or_the_style() {
        let css = string("a</style><script>\"; } \\ \n\u{202E}é");
        assert!(
            !css[1..css.len() - 1].contains(['<', '>', '"', ';', '}', '\n', '\u{202E}']),
            "{css}"
        );
        assert!(css.starts_with("\"a\\3c \\2f style") && css.ends_with("é\""), "{css}");
    }

    proptest! {
        #[test]
        fn a_string_holds_only_letters_digits_blanks_and_numbers(text in any::<String>()) {
            let css = string(&text);
            let plain = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || c == ' ' || c == '\\' || c == '+';
            prop_assert!(css[1..css.len() - 1].chars().all(plain), "{css}");
        }
    }
}
