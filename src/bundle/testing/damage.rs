//! The damage corpus: packs that somebody changed, each with the answer that a verifier must give.
//!
//! It is data, in one place: our verifier, the independent one in Python and the page in the browser are held to the same files
//! and answers, and `DAMAGE.md` is written from it. Three kinds of attacker: one who changes bytes; one who also writes the
//! manifest anew; and one who holds the signing key, too (`+ key`), so that only figures, chain and earlier packs can tell.
//! Honest about the last kind: where nothing in a pack can tell, the answer is `ok`, and the note says what would.

mod chain;
mod container;
mod entries;
mod figures;
mod raw;
mod stamp;
mod table;

pub use table::markdown;

use super::{Sample, sample};
use crate::keys::PublicKey;
use crate::verify::Outcome;

/// One change of a good pack, and what must come of it.
#[derive(Clone, Copy)]
pub struct Damage {
    pub what: &'static str,
    /// The checks that must object; the names are those of the report.
    pub by: &'static [&'static str],
    pub result: Outcome,
    make: Make,
    key: Key,
    against: Option<fn() -> Sample>,
    /// Why the answer is this one, where it needs a word.
    pub note: &'static str,
}

#[derive(Clone, Copy)]
enum Make {
    Entries(fn(&mut Sample)),
    Bytes(fn(Vec<u8>) -> Vec<u8>),
    /// Change entries, then bytes.
    Both(fn(&mut Sample), fn(Vec<u8>) -> Vec<u8>),
}

/// Which key the verifier is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    /// The organisation's.
    Pinned,
    /// The organisation's, from its list of keys, which says that it was valid only before the pack was signed.
    Expired,
    /// None: trust on first use.
    None,
}

impl Key {
    /// What the verifier is given.
    fn given(self) -> Vec<PublicKey> {
        let key = sample().key;
        match self {
            Self::Pinned => vec![key.public()],
            Self::Expired => vec![key.valid(None, Some(super::period().start)).public()],
            Self::None => Vec::new(),
        }
    }
}

const fn damage(
    what: &'static str,
    by: &'static [&'static str],
    result: Outcome,
    make: fn(&mut Sample),
) -> Damage {
    of(what, by, result, Make::Entries(make))
}

const fn bytes(
    what: &'static str,
    by: &'static [&'static str],
    result: Outcome,
    make: fn(Vec<u8>) -> Vec<u8>,
) -> Damage {
    of(what, by, result, Make::Bytes(make))
}

const fn of(
    what: &'static str,
    by: &'static [&'static str],
    result: Outcome,
    make: Make,
) -> Damage {
    Damage { what, by, result, make, key: Key::Pinned, against: None, note: "" }
}

impl Damage {
    const fn note(mut self, note: &'static str) -> Self {
        self.note = note;
        self
    }

    /// The verifier is given no key.
    const fn without_key(mut self) -> Self {
        self.key = Key::None;
        self
    }

    /// The verifier is given a list in which the key has ended.
    const fn with_an_expired_key(mut self) -> Self {
        self.key = Key::Expired;
        self
    }

    /// The verifier is given an earlier pack, too.
    const fn against(mut self, older: fn() -> Sample) -> Self {
        self.against = Some(older);
        self
    }

    fn zip(&self) -> Vec<u8> {
        let mut sample = sample();
        match self.make {
            Make::Entries(make) => {
                make(&mut sample);
                sample.zip()
            }
            Make::Bytes(make) => make(sample.zip()),
            Make::Both(entries, bytes) => {
                entries(&mut sample);
                bytes(sample.zip())
            }
        }
    }
}

/// A file of the corpus, what the verifier is given beside it, and what it must say.
pub struct Case {
    /// `017-a-row-removed`: a file name.
    pub id: String,
    pub group: &'static str,
    pub what: String,
    pub by: &'static [&'static str],
    pub result: Outcome,
    pub note: &'static str,
    pub zip: Vec<u8>,
    /// The keys to pin; empty: trust on first use.
    pub keys: Vec<PublicKey>,
    /// Earlier packs.
    pub against: Vec<Vec<u8>>,
}

const GROUPS: [(&str, &[Damage]); 5] = [
    ("The container", container::DAMAGES),
    ("The list of files", entries::DAMAGES),
    ("Rows and figures", figures::DAMAGES),
    ("Chain, attestation and signature", chain::DAMAGES),
    ("The time stamp", stamp::DAMAGES),
];

const FLIPS: &str = "A bit flipped in each file";

/// Every case, in the order of `DAMAGE.md`.
pub fn corpus() -> Vec<Case> {
    let keys = vec![sample().key.public()];
    let mut cases = Vec::new();
    for (group, damages) in GROUPS {
        cases.extend(damages.iter().map(|damage| Case {
            id: String::new(),
            group,
            what: damage.what.to_owned(),
            by: damage.by,
            result: damage.result,
            note: damage.note,
            zip: damage.zip(),
            keys: damage.key.given(),
            against: damage.against.map(|older| older().zip()).into_iter().collect(),
        }));
    }
    for (position, (name, _)) in sample().entries.iter().enumerate() {
        cases.push(Case {
            id: String::new(),
            group: FLIPS,
            what: format!("a bit flipped in {name}"),
            by: &[],
            result: Outcome::Broken,
            note: "",
            zip: flipped(position).zip(),
            keys: keys.clone(),
            against: Vec::new(),
        });
    }
    for (position, case) in cases.iter_mut().enumerate() {
        case.id = format!("{:03}-{}", position + 1, slug(&case.what));
    }
    cases
}

/// The sample with one bit of one entry flipped, in its middle.
fn flipped(position: usize) -> Sample {
    let mut sample = sample();
    let (_, bytes) = &mut sample.entries[position];
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    sample
}

fn slug(what: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let words: String = what.chars().map(plain).collect();
    let words: Vec<_> = words.split('-').filter(|word| !word.is_empty()).collect();
    words.join("-").chars().take(60).collect()
}

/// Replaces exactly one place.
fn swap(sample: &mut Sample, entry: &str, from: &str, to: &str) {
    sample.edit(entry, |text| {
        assert!(text.contains(from), "{entry} has no {from:?}");
        text.replacen(from, to, 1)
    });
}

fn without_line(sample: &mut Sample, entry: &str, line: usize) {
    sample.edit(entry, |text| {
        let kept = text.split_inclusive('\n').enumerate().filter(|(at, _)| *at != line);
        kept.map(|(_, line)| line).collect()
    });
}

/// What somebody with the key can do after a change: describe, sign and list everything anew.
fn cover_up(sample: &mut Sample, entry: &str) {
    sample.describe(entry);
    sample.sign_again();
}
