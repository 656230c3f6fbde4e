//! The shortest way to the verdict on a stored entry: its text is compared with its columns, byte by byte, and nothing of it is parsed.
//!
//! Invariant: a text that agrees is canonical, and says what the columns say; a test holds this way to the long one. What does not agree
//! may well be right: [`super::entry::Text::parse`] tells.

use super::entry::Text;
use super::plain::{BYTES_MAX, integer, is_plain, value};
use super::verify::Row;
use super::{ChainId, Hash};
use crate::time::{Time, usual_stamp};

const SEQ_MAX: i64 = 1 << 53;

/// What an entry says whose columns and text say the same, in the one canonical way.
pub(super) fn text<'a>(row: &Row<'a>) -> Option<Text<'a>> {
    let mut rest = Rest(row.canonical.as_bytes());
    let is_usual = rest.0.len() <= BYTES_MAX
        && (1..=SEQ_MAX).contains(&row.seq)
        && row.created_at.timestamp_subsec_nanos().is_multiple_of(1000);
    let prev_hash: Option<Hash> = match row.prev_hash {
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
        && rest.hash(prev_hash)
        && rest.take(b",\"seq\":")
        && rest.number(row.seq)
        && rest.0 == b"}";
    agrees.then(|| Text {
        chain: ChainId::from_uuid(row.chain),
        seq: row.seq,
        id: row.id,
        actor_type: row.actor_type.into(),
        actor_id: row.actor_id.into(),
        action: row.action.into(),
        created_at: row.created_at,
        detail: row.detail.into(),
        origin: row.origin.into(),
        outcome: row.outcome.into(),
        prev_hash,
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

/// Whether the text is an object in the one form that RFC 8785 gives it, of an easy kind.
fn is_plain_object(text: &str) -> bool {
    text.starts_with('{') && value(text.as_bytes(), 0) == Some(&[])
}
