//! Ed25519 keys: reading, naming, publishing.
//!
//! A key's id is the first 8 bytes of the SHA-256 of its 32 raw public bytes, in hex. It is a name
//! for people and a hint for look-up; no decision rests on it. Secrets are never printed: not by
//! `Debug`, not by an error.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, KeypairBytes,
};
use ed25519_dalek::{Signature, Signer, VerifyingKey};
use evidence::time::Time;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::digest::sha256_hex;

/// The one algorithm, as it is named in documents.
pub const ALGORITHM: &str = "Ed25519";

/// A private key with its id and validity.
#[derive(Clone)]
pub struct SigningKey {
    inner: ed25519_dalek::SigningKey,
    not_before: Option<Time>,
    not_after: Option<Time>,
}

impl SigningKey {
    /// PKCS#8 PEM (`openssl genpkey -algorithm ed25519`), or the 32-byte seed in hex or base64.
    pub fn from_text(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text.starts_with("-----BEGIN") {
            return ed25519_dalek::SigningKey::from_pkcs8_pem(text)
                .map(Self::of)
                .map_err(|_| Error::Key("the PEM text is not an Ed25519 private key in PKCS#8"));
        }
        let seed = bytes_32(text)
            .ok_or(Error::Key("it is neither PKCS#8 PEM nor 32 bytes in hex or base64"))?;
        Ok(Self::generate(seed))
    }

    /// A key from 32 random bytes; the caller brings the randomness.
    pub fn generate(random: [u8; 32]) -> Self {
        Self::of(ed25519_dalek::SigningKey::from_bytes(&random))
    }

    fn of(inner: ed25519_dalek::SigningKey) -> Self {
        Self { inner, not_before: None, not_after: None }
    }

    /// Limits the times for which the key is published as valid; both ends inclusive.
    #[must_use]
    pub fn valid(mut self, not_before: Option<Time>, not_after: Option<Time>) -> Self {
        (self.not_before, self.not_after) = (not_before, not_after);
        self
    }

    pub fn id(&self) -> String {
        id(self.inner.verifying_key().as_bytes())
    }

    pub fn public(&self) -> PublicKey {
        let raw = self.inner.verifying_key();
        PublicKey {
            kid: id(raw.as_bytes()),
            alg: ALGORITHM.to_owned(),
            public_key: BASE64.encode(raw.as_bytes()),
            not_before: self.not_before,
            not_after: self.not_after,
        }
    }

    /// The private key as PKCS#8 PEM, to be written to a file of its owner. Overwritten when dropped.
    ///
    /// Without the public key beside it (version 1): OpenSSL 3.0 reads no other.
    pub fn to_pkcs8_pem(&self) -> impl AsRef<str> + use<> {
        let key = KeypairBytes { secret_key: self.inner.to_bytes(), public_key: None };
        key.to_pkcs8_pem(LineEnding::LF).expect("an Ed25519 key always has a PKCS#8 form")
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.inner.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// A public key as published and as pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicKey {
    pub kid: String,
    pub alg: String,
    /// The 32 raw bytes, base64.
    pub public_key: String,
    #[serde(default)]
    pub not_before: Option<Time>,
    #[serde(default)]
    pub not_after: Option<Time>,
}

impl PublicKey {
    /// SPKI PEM (`openssl pkey -pubout`), or the 32 raw bytes in hex or base64.
    pub fn from_text(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let raw = if text.starts_with("-----BEGIN") {
            VerifyingKey::from_public_key_pem(text)
                .map_err(|_| Error::Key("the PEM text is not an Ed25519 public key"))?
        } else {
            let bytes = bytes_32(text)
                .ok_or(Error::Key("it is neither PEM nor 32 bytes in hex or base64"))?;
            VerifyingKey::from_bytes(&bytes)
                .map_err(|_| Error::Key("it is not a point of the curve"))?
        };
        Ok(Self {
            kid: id(raw.as_bytes()),
            alg: ALGORITHM.to_owned(),
            public_key: BASE64.encode(raw.as_bytes()),
            not_before: None,
            not_after: None,
        })
    }

    pub fn to_pem(&self) -> Result<String, Error> {
        self.raw()?
            .to_public_key_pem(LineEnding::LF)
            .map_err(|_| Error::Key("the public key has no PEM form"))
    }

    /// Whether the key may vouch for something made at `time`.
    pub fn is_valid_at(&self, time: Time) -> bool {
        self.not_before.is_none_or(|from| from <= time)
            && self.not_after.is_none_or(|to| time <= to)
    }

    /// Strict verification: weak keys and malleable signatures are refused.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = Signature::from_slice(signature) else { return false };
        self.raw().is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }

    /// The key's bytes; refuses a document whose id or algorithm does not belong to them.
    fn raw(&self) -> Result<VerifyingKey, Error> {
        if self.alg != ALGORITHM {
            return Err(Error::Key("its algorithm is not Ed25519"));
        }
        let bytes: [u8; 32] = BASE64
            .decode(&self.public_key)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(Error::Key("its public_key is not 32 bytes in base64"))?;
        if self.kid != id(&bytes) {
            return Err(Error::Key("its kid does not belong to its public_key"));
        }
        VerifyingKey::from_bytes(&bytes).map_err(|_| Error::Key("it is not a point of the curve"))
    }
}

/// `/.well-known/driftpack-keys.json`: the present key and the old ones.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::module_name_repetitions,
    reason = "the published document is a set of public keys"
)]
pub struct PublicKeys {
    pub keys: Vec<PublicKey>,
}

impl PublicKeys {
    /// Reads the published document, and checks every key in it.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        let keys: Self = serde_json::from_slice(json)?;
        keys.keys.iter().try_for_each(|key| key.raw().map(|_| ()))?;
        Ok(keys)
    }

    pub fn render(&self) -> String {
        let json = serde_json::to_string_pretty(self).expect("plain strings and times");
        json + "\n"
    }
}

fn id(raw_public: &[u8; 32]) -> String {
    sha256_hex(raw_public)[..16].to_owned()
}

fn bytes_32(text: &str) -> Option<[u8; 32]> {
    let bytes = if text.len() == 64 { hex::decode(text).ok() } else { BASE64.decode(text).ok() };
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, section 7.1, test 1.
    const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    const SIGNATURE: &str = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";

    #[test]
    fn the_published_test_vector_holds() {
        let key = SigningKey::from_text(SEED).unwrap();
        let public = PublicKey::from_text(PUBLIC).unwrap();
        assert_eq!(key.public(), public);
        assert_eq!(hex::encode(key.sign(b"")), SIGNATURE);
        assert!(public.verifies(b"", &hex::decode(SIGNATURE).unwrap()));
        assert!(!public.verifies(b"x", &hex::decode(SIGNATURE).unwrap()));
        assert!(!public.verifies(b"", b"short"));
    }

    #[test]
    fn the_id_is_the_beginning_of_the_hash_of_the_public_bytes() {
        let hash = sha256_hex(&hex::decode(PUBLIC).unwrap());
        assert_eq!(SigningKey::from_text(SEED).unwrap().id(), hash[..16]);
    }

    #[test]
    fn every_written_form_is_read_back() {
        let key = SigningKey::from_text(SEED).unwrap();
        let base64 = BASE64.encode(hex::decode(SEED).unwrap());
        for text in [key.to_pkcs8_pem().as_ref(), &base64, &format!(" {SEED}\n")] {
            assert_eq!(SigningKey::from_text(text).unwrap().id(), key.id());
        }
        let public = key.public();
        for text in [public.to_pem().unwrap(), public.public_key.clone()] {
            assert_eq!(PublicKey::from_text(&text).unwrap(), public);
        }
        let document = PublicKeys { keys: vec![public] };
        assert_eq!(PublicKeys::parse(document.render().as_bytes()).unwrap(), document);
    }

    #[test]
    fn a_secret_is_never_printed() {
        let key = SigningKey::from_text(SEED).unwrap();
        let printed = format!("{key:?}");
        assert_eq!(printed, format!("SigningKey {{ id: {:?}, .. }}", key.id()));
        let half = &SEED[..40];
        for refused in [SigningKey::from_text(half), SigningKey::from_text("-----BEGIN x")] {
            assert!(!refused.unwrap_err().to_string().contains(half));
        }
    }

    #[test]
    fn a_document_whose_id_was_changed_is_refused() {
        let mut key = SigningKey::from_text(SEED).unwrap().public();
        key.kid = "0000000000000000".to_owned();
        assert!(!key.verifies(b"", &hex::decode(SIGNATURE).unwrap()));
        assert!(PublicKeys::parse(PublicKeys { keys: vec![key] }.render().as_bytes()).is_err());
    }

    #[test]
    fn validity_includes_both_ends() {
        let at = |seconds| Time::from_timestamp(seconds, 0);
        let key = SigningKey::generate([7; 32]).valid(at(10), at(20)).public();
        let valid: Vec<_> =
            [9, 10, 20, 21].map(|second| key.is_valid_at(at(second).unwrap())).into();
        assert_eq!(valid, [false, true, true, false]);
    }
}
