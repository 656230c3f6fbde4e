//! The key ring: the private keys with their validity, the retired public keys, and which key signs when.
//!
//! Its text is one PEM block for each private key (`openssl genpkey -algorithm ed25519`), with the lines `not_before: <RFC 3339>`
//! and `not_after: <RFC 3339>` above a block for its validity, and `#` for remarks; PEM readers overlook what stands between
//! blocks. One key alone may also be its 32 bytes in hex or base64.
//!
//! Invariants: a retired key never signs, wherever else it is listed; a key that was ever published stays published, with the
//! validity that it ended with. Secrets are never printed: an error names no line's content.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use evidence::time::{Time, stamp};

use crate::Error;
use crate::keys::{PublicKey, PublicKeys, SigningKey};

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";

/// Private keys, and the public halves of those that sign no more.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    /// The one that began last comes first.
    signing: Vec<SigningKey>,
    retired: Vec<PublicKey>,
}

impl Keyring {
    /// Reads the text of the private keys; `retired` sign no more.
    pub fn parse(text: &str, retired: PublicKeys) -> Result<Self, Error> {
        Self::new(blocks(text)?, retired)
    }

    /// Refuses two keys that are the same, and a validity that ends before it begins.
    pub fn new(mut signing: Vec<SigningKey>, retired: PublicKeys) -> Result<Self, Error> {
        let retired = retired.keys;
        distinct(&signing.iter().map(SigningKey::public).collect::<Vec<_>>())?;
        distinct(&retired)?;
        if retired.iter().any(|key| key.not_after.is_none()) {
            return Err(Error::Key("a retired key has no not_after: say until when it signed"));
        }
        signing.retain(|key| retired.iter().all(|old| old.kid != key.id()));
        signing.sort_by_key(|key| (std::cmp::Reverse(key.public().not_before), key.id()));
        Ok(Self { signing, retired })
    }

    /// The key to sign with: valid at each of `moments`; of several the one that became valid last.
    pub fn choose(&self, moments: &[Time]) -> Option<&SigningKey> {
        self.signing.iter().find(|key| moments.iter().all(|at| key.public().is_valid_at(*at)))
    }

    /// The key of this id, if it is valid at each of `moments`.
    pub fn find(&self, kid: &str, moments: &[Time]) -> Option<&SigningKey> {
        let key = self.signing.iter().find(|key| key.id() == kid)?;
        moments.iter().all(|at| key.public().is_valid_at(*at)).then_some(key)
    }

    /// What is published: every public key, those that sign no more at the end.
    pub fn published(&self) -> PublicKeys {
        let signing = self.signing.iter().map(SigningKey::public);
        PublicKeys { keys: signing.chain(self.retired.iter().cloned()).collect() }
    }

    pub fn signing(&self) -> &[SigningKey] {
        &self.signing
    }

    pub fn retired(&self) -> &[PublicKey] {
        &self.retired
    }

    /// The text that [`Keyring::parse`] reads. Holds the secrets.
    pub fn text(signing: &[SigningKey]) -> String {
        let mut text = String::new();
        for key in signing {
            let public = key.public();
            let _ = writeln!(text, "# driftpack signing key {}", public.kid);
            for (name, time) in [("not_before", public.not_before), ("not_after", public.not_after)]
            {
                if let Some(time) = time {
                    let _ = writeln!(text, "{name}: {}", stamp(time));
                }
            }
            text += key.to_pkcs8_pem().as_ref();
        }
        text
    }

    /// Why none of the keys will do, for a person: each key that could sign, with its validity.
    pub fn explain(&self) -> String {
        let named = self.signing.iter().map(|key| {
            let key = key.public();
            let from = key.not_before.map_or("always".to_owned(), stamp);
            format!(
                "{} (from {from} to {})",
                key.kid,
                key.not_after.map_or("ever".to_owned(), stamp)
            )
        });
        let named: Vec<_> = named.collect();
        if named.is_empty() { "every key is retired".to_owned() } else { named.join(", ") }
    }
}

fn distinct(keys: &[PublicKey]) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    for key in keys {
        if !seen.insert(&key.kid) {
            return Err(Error::Key("the same key stands there twice"));
        }
        if key.not_before.zip(key.not_after).is_some_and(|(from, to)| from > to) {
            return Err(Error::Key("a key's not_after lies before its not_before"));
        }
    }
    Ok(())
}

fn blocks(text: &str) -> Result<Vec<SigningKey>, Error> {
    if !text.contains(BEGIN) {
        return Ok(vec![SigningKey::from_text(text)?]);
    }
    let (mut keys, mut block) = (Vec::new(), None::<String>);
    let (mut not_before, mut not_after) = (None, None);
    for line in text.lines() {
        let line = line.trim();
        if let Some(open) = &mut block {
            open.push_str(line);
            open.push('\n');
            if line.starts_with(END) {
                let key = SigningKey::from_text(&block.take().unwrap_or_default())?;
                keys.push(key.valid(not_before.take(), not_after.take()));
            }
        } else if line.starts_with(BEGIN) {
            block = Some(format!("{line}\n"));
        } else if let Some(time) = line.strip_prefix("not_before:") {
            once(&mut not_before, time)?;
        } else if let Some(time) = line.strip_prefix("not_after:") {
            once(&mut not_after, time)?;
        } else if !line.is_empty() && !line.starts_with('#') {
            return Err(Error::Key(
                "a line is neither of a key, nor not_before, not_after or a # remark",
            ));
        }
    }
    if block.is_some() || not_before.is_some() || not_after.is_some() {
        return Err(Error::Key("its end is missing: the last key is cut off"));
    }
    Ok(keys)
}

fn once(slot: &mut Option<Time>, text: &str) -> Result<(), Error> {
    let time = text.trim().parse().map_err(|_| {
        Error::Key("a not_before or not_after is no time such as 2026-01-31T00:00:00Z")
    })?;
    if slot.replace(time).is_some() {
        return Err(Error::Key("a key has two not_before or two not_after"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: u32) -> Time {
        format!("2026-03-{day:02}T00:00:00Z").parse().unwrap()
    }

    fn key(byte: u8, from: Option<u32>, to: Option<u32>) -> SigningKey {
        SigningKey::generate([byte; 32]).valid(from.map(at), to.map(at))
    }

    fn ids(keys: &PublicKeys) -> Vec<String> {
        keys.keys.iter().map(|key| key.kid.clone()).collect()
    }

    #[test]
    fn the_key_that_began_last_signs_and_none_outside_of_its_validity() {
        let (old, new) = (key(1, None, Some(20)), key(2, Some(10), Some(30)));
        let ring = Keyring::new(vec![old.clone(), new.clone()], PublicKeys::default()).unwrap();
        let chosen = |days: &[u32]| {
            let moments: Vec<_> = days.iter().map(|day| at(*day)).collect();
            ring.choose(&moments).map(SigningKey::id)
        };
        assert_eq!(chosen(&[1]), Some(old.id()));
        assert_eq!(chosen(&[9, 10]), Some(old.id()), "valid at both, as only the old one is");
        assert_eq!(chosen(&[10, 11]), Some(new.id()));
        assert_eq!(chosen(&[30]), Some(new.id()));
        assert_eq!(chosen(&[31]), None);
        assert_eq!(chosen(&[9, 21]), None, "no key is valid at both");
        assert!(ring.find(&old.id(), &[at(20)]).is_some());
        assert!(ring.find(&old.id(), &[at(21)]).is_none());
        assert!(ring.explain().contains(&old.id()) && ring.explain().contains("2026-03-20"));
    }

    #[test]
    fn a_retired_key_stays_published_and_never_signs_even_when_its_private_half_is_still_there() {
        let (old, new) = (key(1, None, None), key(2, None, None));
        let retired = PublicKeys { keys: vec![old.clone().valid(None, Some(at(5))).public()] };
        let ring = Keyring::new(vec![old.clone(), new.clone()], retired).unwrap();
        assert_eq!(ring.choose(&[at(1)]).map(SigningKey::id), Some(new.id()));
        assert_eq!(ids(&ring.published()), [new.id(), old.id()]);
        assert_eq!(ring.published().keys[1].not_after, Some(at(5)));
    }

    #[test]
    fn what_is_written_is_read_back_with_its_validity() {
        let keys = vec![key(1, None, None), key(2, Some(3), Some(4))];
        let ring = Keyring::parse(&Keyring::text(&keys), PublicKeys::default()).unwrap();
        assert_eq!(ids(&ring.published()), [keys[1].id(), keys[0].id()]);
        assert_eq!(ring.published().keys[0], keys[1].public());
        let seed = Keyring::parse(&"07".repeat(32), PublicKeys::default()).unwrap();
        assert_eq!(seed.signing()[0].id(), SigningKey::generate([7; 32]).id());
    }

    #[test]
    fn openssl_reads_a_key_of_the_ring() {
        let key = key(2, Some(3), Some(4));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, Keyring::text(std::slice::from_ref(&key))).unwrap();
        let out = std::process::Command::new("openssl")
            .args(["pkey", "-pubout", "-in"])
            .arg(file.path())
            .output()
            .unwrap();
        let public = PublicKey::from_text(&String::from_utf8(out.stdout).unwrap()).unwrap();
        assert_eq!(public.kid, key.id());
    }

    #[test]
    fn faulty_texts_are_refused_without_showing_them() {
        let good = Keyring::text(&[key(1, Some(3), Some(4))]);
        let secret = good.lines().find(|line| line.starts_with("MC4")).unwrap().to_owned();
        for bad in [
            good.replace("not_before", "not_since"),
            good.replace("2026-03-03T00:00:00.000000Z", "soon"),
            good.replace("2026-03-03", "2026-03-05"),
            good.replace("-----END PRIVATE KEY-----", ""),
            format!("{good}{good}"),
            format!("{good}{secret}"),
            format!("not_after: 2026-03-09T00:00:00Z\n{good}"),
            format!("{good}not_after: 2026-03-09T00:00:00Z\n"),
            String::new(),
        ] {
            let refused = Keyring::parse(&bad, PublicKeys::default()).unwrap_err().to_string();
            assert!(!refused.contains(&secret), "{refused}");
        }
        let endless = PublicKeys { keys: vec![key(1, None, None).public()] };
        assert!(Keyring::new(Vec::new(), endless).is_err());
    }
}
