//! A small complete pack, made by the same parts as a real one, to be verified and to be damaged.
//!
//! The story: four findings of three levels in the first quarter of 2026, one of them reopened, one
//! accepted; three scans; an audit chain of twelve entries of which five lie in the period.

mod authority;
mod chain;
mod content;
pub mod damage;

use std::io::Write as _;

use evidence::pack::{self, AUDIT_EVENTS, CHAIN_ATTESTATION, ENTRIES, MANIFEST, PROVENANCE};
use evidence::time::{Period, Time};

pub use authority::Authority;
pub use chain::{Chain, EXPORT, ORG, attestation, chain, rewritten};
pub use content::{KEYS_URL, summary};

use crate::attestation::{Attestation, Position, Previous};
use crate::digest;
use crate::keys::SigningKey;
use crate::manifest::{self, Hashes};
use crate::provenance::{Provenance, VerificationKey};
use crate::{section, zip};

/// A moment of 2026, for readable test data.
pub(crate) fn at(month: u32, day: u32, hour: u32) -> Time {
    use chrono::TimeZone as _;
    chrono::Utc.with_ymd_and_hms(2026, month, day, hour, 0, 0).single().expect("a valid date")
}

/// The first quarter of 2026.
pub fn period() -> Period {
    Period::new(at(1, 1, 0), at(4, 1, 0)).expect("it starts before it ends")
}

/// The entries of a pack, in order, with the key that signs them. Change them at will, then
/// [`Self::zip`].
#[derive(Clone)]
pub struct Sample {
    pub entries: Vec<(String, Vec<u8>)>,
    pub key: SigningKey,
}

/// The pack of the story, signed.
pub fn sample() -> Sample {
    Sample::with_previous(Vec::new())
}

/// A pack attested when the chain had `head` entries, an hour before [`sample`].
pub fn earlier(head: i64) -> Sample {
    attested_at(head, at(4, 3, 11))
}

/// A pack attested when the chain had `head` entries.
pub fn attested_at(head: i64, verified_at: Time) -> Sample {
    let mut sample = sample();
    let hash_hex = chain().hash_hex(head);
    let attestation = Attestation {
        verified_at,
        checked: head.unsigned_abs(),
        head_seq: head,
        head_hash_hex: hash_hex.clone(),
        requested: Position { seq: head, hash_hex: hash_hex.clone() },
        ..attestation()
    };
    sample.edit("data.json", |text| {
        let twelve = format!("\"head_seq\":12,\"head_hash_hex\":\"{}\"", chain().hash_hex(12));
        text.replace(&twelve, &format!("\"head_seq\":{head},\"head_hash_hex\":\"{hash_hex}\""))
    });
    sample.describe("data.json");
    sample.sign(attestation);
    sample.list();
    sample
}

/// Lets everything in a pack speak of `other` in the place of [`chain`], and signs it.
pub fn with_chain(sample: &mut Sample, other: &Chain) {
    let log: String = other.of_period().map(|entry| entry.canonical.clone() + "\n").collect();
    sample.put(AUDIT_EVENTS, log.into_bytes());
    sample.describe(AUDIT_EVENTS);
    let (was, is) = (chain().hash_hex(12), other.hash_hex(12));
    sample.edit("data.json", |text| text.replace(&was, &is));
    sample.describe("data.json");
    sample.sign(Attestation {
        head_hash_hex: is,
        requested: Position { seq: 11, hash_hex: other.hash_hex(11) },
        ..attestation()
    });
    sample.list();
}

impl Sample {
    /// A pack that names earlier ones.
    pub fn with_previous(previous: Vec<Previous>) -> Self {
        let key = SigningKey::generate([42; 32]);
        let entries = content::entries(&key);
        let mut sample = Self { entries, key };
        sample.put(CHAIN_ATTESTATION, Vec::new());
        sample.put(MANIFEST, Vec::new());
        sample.entries.sort_by_key(|(name, _)| ENTRIES.iter().position(|entry| entry == name));
        sample.sign(Attestation { previous_attestations: previous, ..attestation() });
        sample.list();
        sample
    }

    pub fn get(&self, name: &str) -> &[u8] {
        let found = self.entries.iter().find(|(entry, _)| entry == name);
        &found.unwrap_or_else(|| panic!("the sample has no {name}")).1
    }

    /// Replaces an entry, or adds it at the end.
    pub fn put(&mut self, name: &str, bytes: Vec<u8>) {
        match self.entries.iter_mut().find(|(entry, _)| entry == name) {
            Some((_, old)) => *old = bytes,
            None => self.entries.push((name.to_owned(), bytes)),
        }
    }

    pub fn remove(&mut self, name: &str) {
        self.entries.retain(|(entry, _)| entry != name);
    }

    /// Changes an entry as text.
    pub fn edit(&mut self, name: &str, change: impl FnOnce(String) -> String) {
        let text = String::from_utf8(self.get(name).to_vec()).expect("the entry is text");
        self.put(name, change(text).into_bytes());
    }

    /// Signs `attestation` over the entries as they are.
    pub fn sign(&mut self, attestation: Attestation) {
        let signed = attestation.sign(&self.hashes(), &self.key).expect("it can be signed");
        self.put(CHAIN_ATTESTATION, signed.render().into_bytes());
    }

    /// Signs the attestation that is there again, after a change of other entries.
    pub fn sign_again(&mut self) {
        let attestation = Attestation::parse(self.get(CHAIN_ATTESTATION)).expect("it is readable");
        self.sign(attestation);
        self.list();
    }

    /// Lets provenance.json say what `entry` is now, as somebody who covers a change up would.
    pub fn describe(&mut self, entry: &str) {
        let digest = digest::of(self.get(entry));
        let records = ::csv::Reader::from_reader(self.get(entry)).records().count() as u64;
        self.rewrite(|provenance| {
            let section = provenance.sections.iter_mut().find(|section| section.entry == entry);
            let section = section.expect("provenance describes the entry");
            let rows = if section::find(entry).is_some() { records } else { digest.lines };
            section.rows = section.rows.map(|_| rows);
            (section.bytes, section.sha256) = (digest.bytes, digest.sha256);
        });
    }

    /// Lets provenance.json say nothing about `entry`.
    pub fn undescribe(&mut self, entry: &str) {
        self.rewrite(|provenance| provenance.sections.retain(|section| section.entry != entry));
    }

    /// Lets provenance.json name the key that signs.
    pub fn rename_signer(&mut self) {
        let key = VerificationKey::of(&self.key.public()).expect("the key is sound");
        self.rewrite(|provenance| provenance.signing_key = Some(key));
    }

    /// Lets provenance.json say that an authority is asked for a time stamp.
    pub fn ask_authority(&mut self, name: &str) {
        self.rewrite(|provenance| provenance.time_stamp_authority = Some(name.to_owned()));
    }

    fn rewrite(&mut self, change: impl FnOnce(&mut Provenance)) {
        let mut provenance = Provenance::parse(self.get(PROVENANCE)).expect("it is readable");
        change(&mut provenance);
        self.put(PROVENANCE, provenance.render().expect("plain values").into_bytes());
    }

    /// Writes the manifest anew.
    pub fn list(&mut self) {
        let mut hashes = self.hashes();
        hashes.remove(MANIFEST);
        hashes.remove(pack::TIME_STAMP);
        let pairs: Vec<_> =
            hashes.iter().map(|(name, sha256)| (name.as_str(), sha256.as_str())).collect();
        let text = manifest::render(&pairs);
        self.put(MANIFEST, text.into_bytes());
    }

    pub fn hashes(&self) -> Hashes {
        let hash = |bytes: &[u8]| digest::sha256_hex(bytes);
        self.entries.iter().map(|(name, bytes)| (name.clone(), hash(bytes))).collect()
    }

    /// The bytes of the ZIP.
    pub fn zip(&self) -> Vec<u8> {
        let mut zip = zip::Writer::new(Vec::new(), period().end);
        for (name, bytes) in &self.entries {
            let mut entry = zip.entry(name).expect("the name is plain and there once");
            entry.write_all(bytes).expect("memory takes everything");
            entry.finish().expect("memory takes everything");
        }
        zip.finish().expect("memory takes everything")
    }

    /// The lines of the audit log.
    pub fn audit_lines(&self) -> Vec<String> {
        String::from_utf8_lossy(self.get(AUDIT_EVENTS)).lines().map(str::to_owned).collect()
    }

    pub fn file_name() -> String {
        pack::file_name("acme", &period())
    }
}
