//! `chain-attestation.json`: where the audit chain stood, signed together with the hashes of the
//! other entries.
//!
//! The signature is a DSSE envelope over an in-toto Statement: its subjects are all entries but
//! this file and `MANIFEST.txt`, its predicate is the rest of this file. What it proves: the holder
//! of the key put these bytes and this chain position together. What it does not: that the holder
//! is honest. A file has one rendering; [`Attestation::parse`] refuses any other, so that no reader
//! can be shown something that the verifier did not see.

use std::collections::BTreeSet;

use evidence::chain::{self, CANONICAL_VERSION};
use evidence::ids::ExportId;
use evidence::pack;
use evidence::time::Time;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::dsse::{self, Envelope, Statement, Subject, SubjectDigest};
use crate::keys::{PublicKey, SigningKey};
use crate::manifest::Hashes;

/// The form of the file.
pub const SCHEMA: &str = "driftpack.chain-attestation/v1";
/// The predicate type of the statement.
pub const PREDICATE: &str = "urn:driftpack:chain-attestation:v1";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// [`SCHEMA`].
    pub schema: String,
    /// The chain's name: the organisation's id.
    pub chain: String,
    /// Of the canonical text of entries.
    pub canonical_version: String,
    /// The moment it speaks of: that of the sections. The chain, as it stood then, was re-hashed from its first entry on.
    pub verified_at: Time,
    pub status: chain::Status,
    /// Entries re-hashed, from the first one.
    pub checked: u64,
    pub head_seq: i64,
    pub head_hash_hex: String,
    pub genesis_hash_hex: String,
    /// The entries of the period, as in `audit_events.ndjson`; absent when there are none.
    pub period: PeriodRange,
    /// The entry that records the request for this pack.
    pub requested: Position,
    /// The attested head of every earlier pack of the organisation, oldest first.
    pub previous_attestations: Vec<Previous>,
    /// Asks the running product for the hash at `head_seq`.
    pub verify_url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Envelope>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeriodRange {
    pub first_seq: Option<i64>,
    pub last_seq: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    pub seq: i64,
    pub hash_hex: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Previous {
    pub export_id: ExportId,
    pub seq: i64,
    pub hash_hex: String,
}

impl Attestation {
    /// Signs this attestation and the hashes of the other entries. Subjects come out sorted by
    /// name; this file and the manifest are left out if they are among `hashes`.
    pub fn sign(mut self, hashes: &Hashes, key: &SigningKey) -> Result<Self, Error> {
        self.signature = None;
        let statement = Statement {
            kind: dsse::STATEMENT.to_owned(),
            subject: subjects(hashes).collect(),
            predicate_type: PREDICATE.to_owned(),
            predicate: &self,
        };
        let body = serde_json::to_vec(&statement)?;
        let envelope = Envelope::seal(key, dsse::IN_TOTO, &body);
        self.signature = Some(envelope);
        Ok(self)
    }

    /// The bytes of the file.
    pub fn render(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain strings, numbers and times") + "\n"
    }

    /// Reads the file; refuses unknown members and any rendering but [`Self::render`]'s.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let attestation: Self = serde_json::from_slice(bytes)?;
        if attestation.render().as_bytes() == bytes {
            Ok(attestation)
        } else {
            Err(Error::Envelope(
                "chain-attestation.json is not written the one way it can be written",
            ))
        }
    }

    /// Checks the signature with one of `keys`, and that it covers this file and exactly `hashes`.
    /// Gives the key that signed.
    pub fn verify<'k>(
        &self,
        hashes: &Hashes,
        keys: &'k [PublicKey],
    ) -> Result<&'k PublicKey, Error> {
        let envelope = self.signature.as_ref().ok_or(Error::Envelope("there is no signature"))?;
        let (body, key) = envelope.open(dsse::IN_TOTO, keys)?;
        let statement: Statement<Self> = serde_json::from_slice(&body)?;
        if statement.kind != dsse::STATEMENT || statement.predicate_type != PREDICATE {
            return Err(Error::Envelope("the signed statement is of another type"));
        }
        if statement.predicate != (Self { signature: None, ..self.clone() }) {
            return Err(Error::Envelope(
                "the signed attestation says something else than the file",
            ));
        }
        let signed: BTreeSet<_> = statement.subject.iter().map(pair).collect();
        let expected: Vec<_> = subjects(hashes).collect();
        if signed.len() != statement.subject.len() || signed != expected.iter().map(pair).collect()
        {
            return Err(Error::Envelope("the signed hashes are not those of the entries"));
        }
        Ok(key)
    }

    /// Whether it speaks of the versions known here.
    pub fn is_known(&self) -> bool {
        self.schema == SCHEMA && self.canonical_version == CANONICAL_VERSION
    }
}

/// What is made after the signature: this file, the manifest of everything, the time stamp over the manifest.
const LATER: [&str; 3] = [pack::CHAIN_ATTESTATION, pack::MANIFEST, pack::TIME_STAMP];

fn subjects(hashes: &Hashes) -> impl Iterator<Item = Subject> + '_ {
    hashes.iter().filter(|(name, _)| !LATER.contains(&name.as_str())).map(|(name, sha256)| {
        Subject { name: name.clone(), digest: SubjectDigest { sha256: sha256.clone() } }
    })
}

fn pair(subject: &Subject) -> (&str, &str) {
    (&subject.name, &subject.digest.sha256)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use base64::Engine as _;

    use super::*;
    use crate::testing;

    fn signed() -> (Attestation, Hashes, SigningKey) {
        let key = SigningKey::generate([3; 32]);
        let hashes: Hashes =
            [("a.csv", "11"), (pack::MANIFEST, "22"), (pack::CHAIN_ATTESTATION, "33")]
                .map(|(name, sha256)| (name.to_owned(), sha256.to_owned()))
                .into();
        (testing::attestation().sign(&hashes, &key).unwrap(), hashes, key)
    }

    #[test]
    fn what_was_signed_is_verified() {
        let (attestation, hashes, key) = signed();
        let keys = [key.public()];
        assert_eq!(attestation.verify(&hashes, &keys).unwrap(), &keys[0]);
        assert_eq!(Attestation::parse(attestation.render().as_bytes()).unwrap(), attestation);
    }

    #[test]
    fn any_change_of_file_or_entries_is_refused() {
        let (attestation, hashes, key) = signed();
        let keys = [key.public()];
        let moved = Attestation { head_seq: attestation.head_seq + 1, ..attestation.clone() };
        assert!(moved.verify(&hashes, &keys).is_err());
        for (name, sha256) in [("a.csv", "12"), ("b.csv", "11")] {
            let mut changed = hashes.clone();
            changed.insert(name.to_owned(), sha256.to_owned());
            assert!(attestation.verify(&changed, &keys).is_err(), "{name}");
        }
        assert!(attestation.verify(&Hashes::new(), &keys).is_err());
        let stripped = Attestation { signature: None, ..attestation.clone() };
        assert!(stripped.verify(&hashes, &keys).is_err());
        assert!(attestation.verify(&hashes, &[SigningKey::generate([4; 32]).public()]).is_err());
    }

    #[test]
    fn a_file_written_another_way_is_refused() {
        let (attestation, ..) = signed();
        let text = attestation.render();
        let twice = text.replacen("\"head_seq\"", "\"head_seq\": 1,\n  \"head_seq\"", 1);
        for other in [text.replace("  ", " "), text.trim_end().to_owned(), twice] {
            assert!(Attestation::parse(other.as_bytes()).is_err());
        }
    }

    #[test]
    fn openssl_agrees() {
        let (attestation, _, key) = signed();
        let envelope = attestation.signature.unwrap();
        let decode = |text: &str| base64::engine::general_purpose::STANDARD.decode(text).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let message = dsse::pae(dsse::IN_TOTO, &decode(&envelope.payload));
        let status = Command::new("openssl")
            .args(["pkeyutl", "-verify", "-pubin", "-rawin", "-inkey"])
            .arg(put("key.pem", key.public().to_pem().unwrap().as_bytes()))
            .arg("-in")
            .arg(put("message", &message))
            .arg("-sigfile")
            .arg(put("signature", &decode(&envelope.signatures[0].sig)))
            .output()
            .unwrap();
        assert!(status.status.success(), "{status:?}");
    }
}
