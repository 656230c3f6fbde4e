//! `MANIFEST.txt`: `<sha256>  <name>` for every other entry, sorted by name, LF.
//!
//! The form is the one that both `sha256sum -c --strict` and Perl's `shasum -a 256 -c` take. A
//! manifest cannot protect itself: the signature in `chain-attestation.json` covers what it lists.

use std::collections::BTreeMap;

use crate::Error;
use crate::zip::is_safe_name;

/// Hashes (lower-case hex SHA-256) by name.
pub type Hashes = BTreeMap<String, String>;

pub fn render(entries: &[(&str, &str)]) -> String {
    let sorted: BTreeMap<_, _> = entries.iter().copied().collect();
    sorted.iter().fold(String::new(), |text, (name, sha256)| text + sha256 + "  " + name + "\n")
}

/// Takes exactly what [`render`] writes.
pub fn parse(text: &str) -> Result<Hashes, Error> {
    let mut hashes = Hashes::new();
    let fault = |line, fault| Err(Error::Manifest { line, fault });
    if text.contains('\r') {
        return fault(
            1,
            "has CR line ends; the manifest was converted, and macOS's shasum refuses it",
        );
    }
    let Some(body) = text.strip_suffix('\n') else {
        return fault(text.lines().count().max(1), "does not end with a line feed");
    };
    for (position, line) in body.split('\n').enumerate() {
        let number = position + 1;
        let Some((sha256, name)) = line.split_once("  ") else {
            return fault(number, "is not «sha256, two spaces, name»");
        };
        if !is_sha256_hex(sha256) {
            return fault(number, "does not begin with 64 lower-case hex digits");
        }
        if !is_safe_name(name) {
            return fault(number, "names no plain file");
        }
        if hashes.last_key_value().is_some_and(|(last, _)| last.as_str() >= name) {
            return fault(number, "is a repetition or out of order");
        }
        hashes.insert(name.to_owned(), sha256.to_owned());
    }
    Ok(hashes)
}

/// 64 lower-case hex digits.
pub(crate) fn is_sha256_hex(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ZERO: &str = "0000000000000000000000000000000000000000000000000000000000000000";

    #[test]
    fn every_other_form_is_refused_with_its_line() {
        let good = format!("{ZERO}  a\n{ZERO}  b\n");
        assert_eq!(parse(&good).unwrap().len(), 2);
        for bad in [
            String::new(),
            "\n".to_owned(),
            good.replace('\n', "\r\n"),
            good.trim_end().to_owned(),
            format!("{good}\n"),
            format!("{ZERO} *a\n"),
            format!("{ZERO}  ../a\n"),
            format!("{ZERO}  /a\n"),
            format!("\\{ZERO}  a\n"),
            format!("{ZERO}  a\n{ZERO}  a\n"),
            format!("{ZERO}  b\n{ZERO}  a\n"),
            format!("{}  a\n", ZERO.replace('0', "A")),
        ] {
            assert!(matches!(parse(&bad), Err(Error::Manifest { .. })), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_rendered_is_parsed(
            names in proptest::collection::btree_set("[A-Za-z0-9][A-Za-z0-9_-]{0,20}", 1..10),
        ) {
            let entries: Vec<_> = names.iter().rev().map(|name| (name.as_str(), ZERO)).collect();
            let parsed = parse(&render(&entries)).unwrap();
            prop_assert_eq!(parsed.len(), names.len());
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*|([0-9a-f]{64}  [a-z]\n)*") {
            let _ = parse(&text);
        }
    }
}
