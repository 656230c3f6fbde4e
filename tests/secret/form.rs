//! A secret, and every form in which it could stand in a text.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

/// Shorter ones could be in a text by chance.
const BYTES_MIN: usize = 8;

/// What must be found nowhere.
pub(crate) struct Secret {
    pub(crate) name: String,
    /// What to look for, and how it is called.
    forms: Vec<(&'static str, String)>,
}

impl Secret {
    pub(crate) fn new(name: impl Into<String>, bytes: &[u8]) -> Self {
        let name = name.into();
        assert!(bytes.len() >= BYTES_MIN, "{name} is too short to be recognised");
        let mut forms = vec![
            ("in hexadecimal", hex::encode(bytes)),
            ("in hexadecimal", hex::encode_upper(bytes)),
            ("as a list of numbers", list(bytes)),
        ];
        forms.extend(base64(bytes));
        if let Ok(text) = std::str::from_utf8(bytes) {
            forms.push(("as it is", text.to_owned()));
            // As JSON and as Rust's Debug write it.
            forms.push((
                "escaped",
                text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"),
            ));
            for (what, encoded) in
                [("in a URL", percent(text, "%20")), ("in a form", percent(text, "+"))]
            {
                forms.push((what, encoded.to_lowercase()));
                // An Authorization header has it like this (RFC 6749, 2.3.1).
                forms.extend(base64(encoded.as_bytes()));
                forms.push((what, encoded));
            }
        }
        forms.sort();
        forms.dedup_by(|one, other| one.1 == other.1);
        Self { name, forms }
    }

    /// The form in which it is in the text, and where.
    pub(crate) fn find(&self, text: &str) -> Option<(&'static str, usize)> {
        self.forms.iter().find_map(|(what, form)| text.find(form).map(|at| (*what, at)))
    }
}

/// `104, 117, 110`, as Rust's Debug writes bytes, without brackets: it may stand among others.
fn list(bytes: &[u8]) -> String {
    bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ")
}

fn percent(text: &str, space: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => {
                encoded.push(byte.into());
            }
            b' ' => encoded.push_str(space),
            other => {
                // Writing to a String cannot fail.
                let _ = write!(encoded, "%{other:02X}");
            }
        }
    }
    encoded
}

/// What does not depend on the bytes before and after it, for each place at which it may begin within three bytes.
fn base64(bytes: &[u8]) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for alphabet in [&STANDARD, &URL_SAFE] {
        for before in 0..3 {
            found.push(("in Base64", core(alphabet, bytes, before)));
        }
    }
    found
}

fn core(alphabet: &Alphabet, bytes: &[u8], before: usize) -> String {
    let whole = [&vec![0; before], bytes].concat();
    let text = GeneralPurpose::new(alphabet, NO_PAD).encode(&whole);
    // The digits that share bits with a neighbour: 2 of one byte before, 3 of two.
    let from = [0, 2, 3][before];
    let to = text.len() - usize::from(whole.len() % 3 != 0);
    text[from..to].to_owned()
}

#[test]
fn a_secret_is_found_in_every_form_and_wherever_it_begins() {
    let text = "hunter2: with % and +";
    let secret = Secret::new("it", text.as_bytes());
    let engine = base64::engine::general_purpose::STANDARD;
    for before in ["", "a", "ab", "abc", "abcd"] {
        for after in ["", "z", "zy", "zyx"] {
            let whole = format!("{before}{text}{after}");
            assert!(secret.find(&whole).is_some());
            assert!(secret.find(&engine.encode(&whole)).is_some(), "{whole}");
            assert!(secret.find(&hex::encode(&whole)).is_some(), "{whole}");
            assert!(secret.find(&format!("{:?}", whole.as_bytes())).is_some(), "{whole}");
            assert!(secret.find(&serde_json::Value::from(whole.as_str()).to_string()).is_some());
        }
    }
    assert!(secret.find("client_secret=hunter2%3A+with+%25+and+%2B&x").is_some());
    assert!(secret.find("/hunter2%3a%20with%20%25%20and%20%2b").is_some());
    assert!(secret.find(&engine.encode("packs:hunter2%3A+with+%25+and+%2B")).is_some());
    assert!(secret.find("hunter2: with % and").is_none());
}
