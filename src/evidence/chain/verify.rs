//! Re-reading a chain, row by row, in constant memory.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::entry::{self, Text};
use super::{ChainId, Hash, alike};
use crate::text::words;
use crate::time::{Time, floor_micros};

words! {
    pub enum Status as "verification status" {
        Ok = "ok",
        Broken = "broken",
        /// Entries at the end are gone.
        Truncated = "truncated",
        /// There is nothing to verify, which is never `ok`.
        Empty = "empty",
    }
}

words! {
    /// What is wrong with an entry.
    pub enum BadKind as "fault" {
        /// Its text does not have its hash, is not canonical, or cannot stand at its place.
        Content = "content",
        /// It does not point to the entry before it.
        Link = "link",
        /// Its number is not the next one.
        Gap = "gap",
        /// Its columns say something else than its text.
        Columns = "columns",
        /// The head row disagrees with the last entry.
        Head = "head",
    }
}

words! {
    /// How much of a chain a check reads.
    pub enum Extent as "extent of a check" {
        /// From the last verified entry on, that one included.
        Partial = "partial",
        /// From the first entry on.
        Full = "full",
    }
}

/// Where verification starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At entry 1.
    Genesis,
    /// After the entry `seq`, which is known to have `hash`.
    From { seq: i64, hash: Hash },
    /// At entry `seq`, taking its `prev_hash` on trust: an excerpt.
    Excerpt { seq: i64 },
}

/// An entry as stored.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    pub canonical: &'a str,
    pub hash: &'a [u8],
    pub prev_hash: Option<&'a [u8]>,
    /// [`ChainId::as_uuid`].
    pub chain: Uuid,
    pub seq: i64,
    pub id: Uuid,
    pub action: &'a str,
    pub actor_type: &'a str,
    pub actor_id: &'a str,
    pub created_at: Time,
    pub detail: &'a str,
    pub origin: &'a str,
    pub outcome: &'a str,
}

/// The first entry that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadEntry {
    pub seq: i64,
    pub kind: BadKind,
}

/// What verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub status: Status,
    /// Entries found right, up to the first bad one.
    pub checked: u64,
    /// The first entry that was read; absent when there was none.
    pub verified_from_seq: Option<i64>,
    /// The last entry that was found right.
    pub head_seq: Option<i64>,
    pub head_hash: Option<Hash>,
    pub first_bad: Option<BadEntry>,
    /// For a person.
    pub message: String,
    /// The hashes at the watched positions that were read and found right.
    pub watched: BTreeMap<i64, Hash>,
}

/// Takes rows in order of seq; [`Self::finish`] gives the verdict.
///
/// Memory does not grow with rows, only with watched positions.
#[derive(Debug, Clone)]
pub struct Verifier {
    chain: ChainId,
    next_seq: i64,
    link: Link,
    /// The entry that `From` starts after; nothing may end before it.
    known: Option<(i64, Hash)>,
    first_seq: Option<i64>,
    last: Option<Last>,
    checked: u64,
    bad: Option<Fault>,
    /// `None`: asked for, not reached yet.
    watched: BTreeMap<i64, Option<Hash>>,
    /// What entries are known to have been; not reached yet.
    expected: BTreeMap<i64, Hash>,
}

/// What `prev_hash` of the next entry must be.
#[derive(Debug, Clone, Copy)]
enum Link {
    Null,
    Hash(Hash),
    Trusted,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    seq: i64,
    hash: Hash,
    created_at: Time,
}

#[derive(Debug, Clone)]
struct Fault {
    entry: BadEntry,
    message: &'static str,
}

impl Verifier {
    pub fn new(chain: ChainId, start: Start) -> Self {
        let (next_seq, link, known) = match start {
            Start::Genesis | Start::Excerpt { seq: 1 } => (1, Link::Null, None),
            Start::From { seq, hash } => {
                (seq.saturating_add(1), Link::Hash(hash), Some((seq, hash)))
            }
            Start::Excerpt { seq } => (seq, Link::Trusted, None),
        };
        Self {
            chain,
            next_seq,
            link,
            known,
            first_seq: None,
            last: None,
            checked: 0,
            bad: None,
            watched: BTreeMap::new(),
            expected: BTreeMap::new(),
        }
    }

    /// Entry `seq` had `hash` when somebody looked before: it must be there, and have it still. May be called for several;
    /// entries before the start are not looked at.
    #[must_use]
    pub fn expect(mut self, seq: i64, hash: Hash) -> Self {
        if seq >= self.next_seq {
            self.expected.insert(seq, hash);
        }
        self
    }

    /// Remember the hash of entry `seq` (`at_seq`); may be called for several.
    #[must_use]
    pub fn watch(mut self, seq: i64) -> Self {
        self.watched.insert(seq, None);
        self
    }

    /// The next stored row, in order of seq. Rows after a bad one are not looked at.
    pub fn feed(&mut self, row: Row<'_>) {
        self.first_seq.get_or_insert(row.seq);
        if self.bad.is_some() {
            return;
        }
        if row.seq != self.next_seq {
            return self.gap(row.seq);
        }
        let hash = entry::hash(row.canonical);
        if hash[..] != *row.hash {
            return self.fail(row.seq, BadKind::Content, "its text does not have the stored hash");
        }
        if let Some(text) = alike::text(&row) {
            return self.accept(&text, hash);
        }
        let Some(text) = Text::parse(row.canonical) else {
            return self.fail(row.seq, BadKind::Content, "its text is not canonical");
        };
        if !columns_agree(&row, &text) {
            return self.fail(
                row.seq,
                BadKind::Columns,
                "its columns say something else than its text",
            );
        }
        self.accept(&text, hash);
    }

    /// The next canonical text where there are no columns to compare (an exported excerpt); what it says, wherever it stands.
    pub fn feed_text<'a>(&mut self, canonical: &'a str) -> Option<Text<'a>> {
        let text = Text::parse(canonical);
        if self.bad.is_none() {
            self.judge(canonical, text.as_ref());
        }
        text
    }

    fn judge(&mut self, canonical: &str, text: Option<&Text<'_>>) {
        let Some(text) = text else {
            self.first_seq.get_or_insert(self.next_seq);
            return self.fail(self.next_seq, BadKind::Content, "its text is not canonical");
        };
        self.first_seq.get_or_insert(text.seq);
        if text.seq != self.next_seq {
            return self.gap(text.seq);
        }
        self.accept(text, entry::hash(canonical));
    }

    /// Checks the entry's place in the chain, and moves on.
    fn accept(&mut self, entry: &Text<'_>, hash: Hash) {
        if entry.chain != self.chain {
            return self.fail(entry.seq, BadKind::Content, "it belongs to another chain");
        }
        let linked = match self.link {
            Link::Null => entry.prev_hash.is_none(),
            Link::Hash(previous) => entry.prev_hash == Some(previous),
            Link::Trusted => entry.prev_hash.is_some(),
        };
        if !linked {
            return self.fail(entry.seq, BadKind::Link, "it does not point to the entry before it");
        }
        if (entry.seq == 1) != (entry.action == entry.chain.genesis().as_str()) {
            return self.fail(
                entry.seq,
                BadKind::Content,
                "a chain begins with its creation, once",
            );
        }
        if self.last.is_some_and(|last| entry.created_at < last.created_at) {
            return self.fail(entry.seq, BadKind::Content, "it is older than the entry before it");
        }
        if self.expected.remove(&entry.seq).is_some_and(|before| before != hash) {
            return self.fail(
                entry.seq,
                BadKind::Content,
                "it is not the entry that was there before",
            );
        }
        self.last = Some(Last { seq: entry.seq, hash, created_at: entry.created_at });
        self.link = Link::Hash(hash);
        self.next_seq = entry.seq.saturating_add(1);
        self.checked += 1;
        if let Some(slot) = self.watched.get_mut(&entry.seq) {
            *slot = Some(hash);
        }
    }

    /// A number was skipped (the missing one is bad), or came again (the repeated one is).
    fn gap(&mut self, found: i64) {
        self.fail(found.min(self.next_seq), BadKind::Gap, "the numbering is not 1, 2, 3, …");
    }

    fn fail(&mut self, seq: i64, kind: BadKind, message: &'static str) {
        self.bad = Some(Fault { entry: BadEntry { seq, kind }, message });
    }

    /// `head`: what the head row says, `None` where no head row exists by nature (an excerpt). When
    /// a stored chain has lost its head row, pass `Some((0, [0; 32]))`.
    ///
    /// A chain that ends before its head row, before an expected entry, or before `expected_min_seq`, is `truncated`.
    pub fn finish(mut self, head: Option<(i64, Hash)>, expected_min_seq: Option<i64>) -> Verdict {
        let end = self.last.map(|last| (last.seq, last.hash)).or(self.known);
        let end_seq = end.map_or(self.next_seq - 1, |(seq, _)| seq);
        let mut status = if self.first_seq.is_some() { Status::Ok } else { Status::Empty };
        let mut message = None;
        if self.bad.is_none() {
            if let Some(missing) = self.missing(head, end_seq) {
                status = Status::Truncated;
                self.bad = Some(missing);
            } else if let Some(head) = head.filter(|(seq, _)| *seq > 0 || end_seq > 0)
                && Some(head) != end
            {
                self.fail(end_seq, BadKind::Head, "the head row does not name this entry");
            }
            if self.bad.is_none() && expected_min_seq.is_some_and(|least| least > end_seq) {
                status = Status::Truncated;
                message = Some(format!(
                    "the chain ends at entry {end_seq}, before the entry {} that is expected",
                    expected_min_seq.unwrap_or_default()
                ));
            }
        }
        if self.bad.is_some() && status != Status::Truncated {
            status = Status::Broken;
        }
        let message = message.unwrap_or_else(|| self.explain(status));
        self.verdict(status, message)
    }

    /// The first entry that should be there, and is not.
    fn missing(&self, head: Option<(i64, Hash)>, end_seq: i64) -> Option<Fault> {
        let head_seq = head.map(|(seq, _)| seq);
        if head_seq.is_some_and(|seq| seq > end_seq) {
            let entry = BadEntry { seq: end_seq + 1, kind: BadKind::Head };
            return Some(Fault { entry, message: "the head row names later entries" });
        }
        // What is left is after the end, or it would have been read. A head row that was set back, too, names the last one left.
        self.expected.first_key_value()?;
        let seq = head_seq.map_or(end_seq, |seq| seq.clamp(0, end_seq)) + 1;
        let entry = BadEntry { seq, kind: BadKind::Gap };
        Some(Fault { entry, message: "an entry that was there before is not there any more" })
    }

    fn explain(&self, status: Status) -> String {
        match (&self.bad, status, self.last) {
            (Some(bad), Status::Truncated, _) => {
                format!("entries from {} on are gone: {}", bad.entry.seq, bad.message)
            }
            (Some(bad), ..) => format!("entry {} is bad: {}", bad.entry.seq, bad.message),
            (None, _, Some(last)) => {
                let first = self.first_seq.unwrap_or(last.seq);
                format!("entries {first} to {} are complete and linked", last.seq)
            }
            (None, _, None) => "there are no entries to verify".to_owned(),
        }
    }

    fn verdict(self, status: Status, message: String) -> Verdict {
        Verdict {
            status,
            checked: self.checked,
            verified_from_seq: self.first_seq,
            head_seq: self.last.map(|last| last.seq),
            head_hash: self.last.map(|last| last.hash),
            first_bad: self.bad.map(|bad| bad.entry),
            message,
            watched: self
                .watched
                .into_iter()
                .filter_map(|(seq, hash)| Some((seq, hash?)))
                .collect(),
        }
    }
}

pub(super) fn columns_agree(row: &Row<'_>, text: &Text<'_>) -> bool {
    row.chain == text.chain.as_uuid()
        && row.seq == text.seq
        && row.id == text.id
        && row.action == text.action
        && row.actor_type == text.actor_type
        && row.actor_id == text.actor_id
        && floor_micros(row.created_at) == floor_micros(text.created_at)
        && row.detail == text.detail
        && row.origin == text.origin
        && row.outcome == text.outcome
        && row.prev_hash == text.prev_hash.as_ref().map(|hash| &hash[..])
}

impl Verdict {
    /// The hash at a watched position, if it was read and found right.
    pub fn at(&self, seq: i64) -> Option<Hash> {
        self.watched.get(&seq).copied()
    }
}
