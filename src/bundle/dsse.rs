//! DSSE v1 envelopes with Ed25519 signatures, and the in-toto Statement v1 inside them.
//!
//! The signature is over PAE(type, body), so the type is signed too. [`Envelope::open`] gives the
//! body only after a key verified it, and gives the very bytes that were verified. `keyid` is an
//! unsigned hint: no decision rests on it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::keys::{PublicKey, SigningKey};

/// The payload type of in-toto statements.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";
/// The `_type` of in-toto statements.
pub const STATEMENT: &str = "https://in-toto.io/Statement/v1";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// Base64.
    pub payload: String,
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    pub signatures: Vec<Signature>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    pub keyid: String,
    /// Base64.
    pub sig: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "P: Deserialize<'de>"))]
pub struct Statement<P> {
    #[serde(rename = "_type")]
    pub kind: String,
    pub subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    pub predicate: P,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    pub name: String,
    pub digest: SubjectDigest,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectDigest {
    /// Lower-case hex.
    pub sha256: String,
}

/// `"DSSEv1" SP len(type) SP type SP len(body) SP body`.
pub fn pae(payload_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), body.len());
    [head.as_bytes(), body].concat()
}

impl Envelope {
    pub fn seal(key: &SigningKey, payload_type: &str, body: &[u8]) -> Self {
        let sig = BASE64.encode(key.sign(&pae(payload_type, body)));
        Self {
            payload: BASE64.encode(body),
            payload_type: payload_type.to_owned(),
            signatures: vec![Signature { keyid: key.id(), sig }],
        }
    }

    /// The body, and the first of `keys` that signed it.
    pub fn open<'k>(
        &self,
        payload_type: &str,
        keys: &'k [PublicKey],
    ) -> Result<(Vec<u8>, &'k PublicKey), Error> {
        let body = self.unverified_body(payload_type)?;
        let message = pae(payload_type, &body);
        let signed_by = |key: &&PublicKey| {
            self.signatures.iter().any(|signature| {
                BASE64.decode(&signature.sig).is_ok_and(|sig| key.verifies(&message, &sig))
            })
        };
        match keys.iter().find(signed_by) {
            Some(key) => Ok((body, key)),
            None => Err(Error::Envelope("none of the keys made its signature")),
        }
    }

    /// The body as it stands there; nothing vouches for it.
    pub fn unverified_body(&self, payload_type: &str) -> Result<Vec<u8>, Error> {
        if self.payload_type != payload_type {
            return Err(Error::Envelope("its payloadType is not the expected one"));
        }
        BASE64.decode(&self.payload).map_err(|_| Error::Envelope("its payload is not base64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the test vectors of the DSSE protocol document.
    #[test]
    fn pae_is_the_published_one() {
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
        assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
        assert_eq!(pae("é", b"\0"), "DSSEv1 2 é 1 \0".as_bytes());
    }

    #[test]
    fn only_the_right_key_type_and_body_open_an_envelope() {
        let key = SigningKey::generate([1; 32]);
        let other = SigningKey::generate([2; 32]).public();
        let keys = [other.clone(), key.public()];
        let envelope = Envelope::seal(&key, "t", b"body");
        let (body, by) = envelope.open("t", &keys).unwrap();
        assert_eq!((body.as_slice(), by), (b"body".as_slice(), &keys[1]));
        assert!(envelope.open("t", &[other]).is_err());
        assert!(envelope.open("u", &keys).is_err());
        let changed = Envelope { payload: BASE64.encode(b"Body"), ..envelope.clone() };
        assert!(changed.open("t", &keys).is_err());
        let retyped = Envelope { payload_type: "u".to_owned(), ..envelope.clone() };
        assert!(retyped.open("u", &keys).is_err());
        let unsigned = Envelope { signatures: Vec::new(), ..envelope };
        assert!(unsigned.open("t", &keys).is_err());
    }

    #[test]
    fn the_key_id_is_only_a_hint() {
        let key = SigningKey::generate([1; 32]);
        let mut envelope = Envelope::seal(&key, "t", b"body");
        envelope.signatures[0].keyid = "someone else".to_owned();
        assert!(envelope.open("t", &[key.public()]).is_ok());
    }
}
