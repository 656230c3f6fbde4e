//! The short way to the verdict on an ordinary entry: its text is compared with its columns, byte by byte, instead of being parsed,
//! written again and compared.
//!
//! Invariant: what is plain is canonical, and its columns agree with it; a test holds this way to the long one. What is not plain may
//! well be right (escaped characters, keys that are not ASCII, deep nesting): the long way tells.

use super::verify::{Place, Row};
use super::{ChainId, Hash};
use crate::time::{Time, usual_stamp};

/// Far less than an entry may have.
const DEPTH_MAX: usize = 8;
const BYTES_MAX: usize = 16 * 1024;
/// Fewer digits than the largest integer that a double holds.
const DIGITS_MAX: usize = 15;
const SEQ_MAX: i64 = 1 << 53;

/// The place of an entry whose row says twice the same, in the one canonical way.
pub(super) fn place(row: &Row<'_>) -> Option<Place> {
    let mut rest = Rest(row.canonical.as_bytes());
    let is_usual = rest.0.len() <= BYTES_MAX
        && (1..=SEQ_MAX).contains(&row.seq)
        && row.created_at.timestamp_subsec_nanos().is_multiple_of(1000);
    let previous: Option<Hash> = match row.prev_hash {
        None => None,
        Some(hash) => Some(hash.try_into().ok()?),
    };
    let agrees = is_usual
        && rest.take(b"{\"action\":")
        && rest.text(row.action)
        && rest.take(b",\"actor\":{\"id\":")
        && rest.text(row.actor_id)
        && rest.take(b",\"type\":")
        && rest.text(row.actor_type)
        && rest.take(b"},\"chain\":\"")
        && rest.chain(row)
        && rest.take(b"\",\"created_at\":\"")
        && rest.time(row.created_at)
        && rest.take(b"\",\"detail\":")
        && is_plain_object(row.detail)
        && rest.take(row.detail.as_bytes())
        && rest.take(b",\"id\":\"")
        && rest.id(row.id)
        && rest.take(b"\",\"origin\":")
        && rest.text(row.origin)
        && rest.take(b",\"outcome\":")
        && rest.text(row.outcome)
        && rest.take(b",\"prev_hash\":")
        && rest.hash(previous)
        && rest.take(b",\"seq\":")
        && rest.number(row.seq)
        && rest.0 == b"}";
    let chain = ChainId::from_uuid(row.chain);
    agrees.then_some(Place {
        chain,
        seq: row.seq,
        is_genesis: row.action == chain.genesis().as_str(),
        created_at: row.created_at,
        previous,
    })
}

/// What is still to be compared.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take(&mut self, expected: &[u8]) -> bool {
        let Some(rest) = self.0.strip_prefix(expected) else { return false };
        self.0 = rest;
        true
    }

    fn text(&mut self, expected: &str) -> bool {
        is_plain(expected.as_bytes())
            && self.take(b"\"")
            && self.take(expected.as_bytes())
            && self.take(b"\"")
    }

    fn id(&mut self, expected: uuid::Uuid) -> bool {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        self.take(expected.as_hyphenated().encode_lower(&mut text).as_bytes())
    }

    fn time(&mut self, expected: Time) -> bool {
        usual_stamp(expected).is_some_and(|text| self.take(&text))
    }

    fn number(&mut self, expected: i64) -> bool {
        let Some(rest) = integer(self.0) else { return false };
        let digits = &self.0[..self.0.len() - rest.len()];
        self.0 = rest;
        let value = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
        value == expected
    }

    fn chain(&mut self, row: &Row<'_>) -> bool {
        match ChainId::from_uuid(row.chain) {
            ChainId::Org(org) => self.id(org.0),
            ChainId::Platform => self.take(b"platform"),
        }
    }

    fn hash(&mut self, expected: Option<Hash>) -> bool {
        let Some(hash) = expected else { return self.take(b"null") };
        let mut text = [0; 64];
        hex::encode_to_slice(hash, &mut text).expect("two digits a byte");
        self.take(b"\"") && self.take(&text) && self.take(b"\"")
    }
}

/// Whether a text stands in JSON as it is. Without an early end, so that many bytes are looked at at once.
fn is_plain(text: &[u8]) -> bool {
    let special = |byte: &u8| u8::from(matches!(byte, 0..b' ' | b'"' | b'\\'));
    text.iter().fold(0, |found, byte| found | special(byte)) == 0
}

/// Whether the text is an object in the one form that RFC 8785 gives it, of an easy kind.
fn is_plain_object(text: &str) -> bool {
    text.starts_with('{') && value(text.as_bytes(), 0) == Some(&[])
}

/// What comes after a value.
fn value(text: &[u8], depth: usize) -> Option<&[u8]> {
    match text.first()? {
        b'"' => string(text).map(|(_, rest)| rest),
        b'{' if depth < DEPTH_MAX => members(&text[1..], depth + 1),
        b'[' if depth < DEPTH_MAX => items(&text[1..], depth + 1),
        b't' => text.strip_prefix(b"true"),
        b'f' => text.strip_prefix(b"false"),
        b'n' => text.strip_prefix(b"null"),
        b'-' if text.get(1) != Some(&b'0') => integer(&text[1..]),
        b'0'..=b'9' => integer(text),
        _ => None,
    }
}

fn members(mut text: &[u8], depth: usize) -> Option<&[u8]> {
    if let Some(rest) = text.strip_prefix(b"}") {
        return Some(rest);
    }
    let mut before: Option<&[u8]> = None;
    loop {
        let (key, rest) = string(text)?;
        // Of ASCII keys the order of bytes is that of UTF-16.
        if !key.is_ascii() || before.is_some_and(|before| before >= key) {
            return None;
        }
        before = Some(key);
        text = value(rest.strip_prefix(b":")?, depth)?;
        if let Some(rest) = text.strip_prefix(b"}") {
            return Some(rest);
        }
        text = text.strip_prefix(b",")?;
    }
}

fn items(mut text: &[u8], depth: usize) -> Option<&[u8]> {
    if let Some(rest) = text.strip_prefix(b"]") {
        return Some(rest);
    }
    loop {
        text = value(text, depth)?;
        if let Some(rest) = text.strip_prefix(b"]") {
            return Some(rest);
        }
        text = text.strip_prefix(b",")?;
    }
}

/// A string that needs no escapes, and what comes after it.
fn string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.strip_prefix(b"\"")?;
    let end = memchr::memchr(b'"', text)?;
    let (string, rest) = (&text[..end], &text[end + 1..]);
    is_plain(string).then_some((string, rest))
}

/// Without a leading zero, and no fraction.
fn integer(text: &[u8]) -> Option<&[u8]> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let is_short = (1..=DIGITS_MAX).contains(&length) && (length == 1 || text[0] != b'0');
    is_short.then(|| &text[length..])
}
