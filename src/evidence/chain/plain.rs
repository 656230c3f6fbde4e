//! The short way to what an ordinary entry says: its text is read in one pass, and every part of it has the one spelling that it can have,
//! so it need not be written again to be compared.
//!
//! Invariant: what is plain is canonical, and says the same by the long way; a test holds this way to that one. What is not plain may
//! well be right (escaped characters, keys that are not ASCII, deep nesting): the long way tells.

use uuid::Uuid;
use uuid::fmt::Hyphenated;

use super::entry::{Text, read_hash};
use super::{ChainId, Hash};
use crate::time::read_usual_stamp;

/// Far less than an entry may have.
const DEPTH_MAX: usize = 8;
pub(super) const BYTES_MAX: usize = 16 * 1024;
/// Fewer digits than the largest integer that a double holds.
const DIGITS_MAX: usize = 15;

/// What an ordinary text says.
pub(super) fn read(canonical: &str) -> Option<Text<'_>> {
    if canonical.len() > BYTES_MAX {
        return None;
    }
    let mut rest = Rest(canonical);
    rest.take("{\"action\":")?;
    let action = rest.text()?;
    rest.take(",\"actor\":{\"id\":")?;
    let actor_id = rest.text()?;
    rest.take(",\"type\":")?;
    let actor_type = rest.text()?;
    rest.take("},\"chain\":")?;
    let chain = rest.chain()?;
    rest.take(",\"created_at\":")?;
    let created_at = read_usual_stamp(rest.text()?.as_bytes())?;
    rest.take(",\"detail\":")?;
    let detail = rest.object()?;
    rest.take(",\"id\":")?;
    let id = read_id(rest.text()?)?;
    rest.take(",\"origin\":")?;
    let origin = rest.text()?;
    rest.take(",\"outcome\":")?;
    let outcome = rest.text()?;
    rest.take(",\"prev_hash\":")?;
    let prev_hash = match rest.take("null") {
        Some(()) => None,
        None => Some(rest.hash()?),
    };
    rest.take(",\"seq\":")?;
    let seq = rest.seq()?;
    (rest.0 == "}").then(|| Text {
        chain,
        seq,
        id,
        actor_type: actor_type.into(),
        actor_id: actor_id.into(),
        action: action.into(),
        created_at,
        detail: detail.into(),
        origin: origin.into(),
        outcome: outcome.into(),
        prev_hash,
    })
}

/// What is still to be read.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn take(&mut self, expected: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    /// So many bytes.
    fn cut(&mut self, bytes: usize) -> &'a str {
        let (cut, rest) = self.0.split_at(bytes);
        self.0 = rest;
        cut
    }

    fn text(&mut self) -> Option<&'a str> {
        let (inside, _) = string(self.0.as_bytes())?;
        let quoted = self.cut(inside.len() + 2);
        Some(&quoted[1..quoted.len() - 1])
    }

    fn object(&mut self) -> Option<&'a str> {
        let is_object = self.0.starts_with('{');
        let rest = value(self.0.as_bytes(), 0).filter(|_| is_object)?.len();
        Some(self.cut(self.0.len() - rest))
    }

    fn chain(&mut self) -> Option<ChainId> {
        match self.text()? {
            "platform" => Some(ChainId::Platform),
            // The platform's has another spelling.
            text => read_id(text).map(ChainId::from_uuid).filter(|id| *id != ChainId::Platform),
        }
    }

    fn hash(&mut self) -> Option<Hash> {
        let text = self.text()?;
        let is_lower = !text.bytes().any(|digit| digit.is_ascii_uppercase());
        read_hash(text).filter(|_| is_lower)
    }

    fn seq(&mut self) -> Option<i64> {
        let rest = integer(self.0.as_bytes())?.len();
        let digits = self.cut(self.0.len() - rest).bytes();
        let seq = digits.fold(0, |seq, digit| seq * 10 + i64::from(digit - b'0'));
        (seq >= 1).then_some(seq)
    }
}

/// An id in the one spelling that is written.
fn read_id(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    let mut spelling = [0; Hyphenated::LENGTH];
    (id.as_hyphenated().encode_lower(&mut spelling) == text).then_some(id)
}

/// Whether a text stands in JSON as it is. Without an early end, so that many bytes are looked at at once.
pub(super) fn is_plain(text: &[u8]) -> bool {
    let special = |byte: &u8| u8::from(matches!(byte, 0..b' ' | b'"' | b'\\'));
    text.iter().fold(0, |found, byte| found | special(byte)) == 0
}

/// What comes after a value that is in the one form that RFC 8785 gives it, of an easy kind.
pub(super) fn value(text: &[u8], depth: usize) -> Option<&[u8]> {
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
        // Of ASCII keys the order of bytes is that of UTF-16. Some of these mean something to serde_json.
        if !key.is_ascii() || key.starts_with(b"$") || before.is_some_and(|before| before >= key) {
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
pub(super) fn integer(text: &[u8]) -> Option<&[u8]> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let is_short = (1..=DIGITS_MAX).contains(&length) && (length == 1 || text[0] != b'0');
    is_short.then(|| &text[length..])
}
