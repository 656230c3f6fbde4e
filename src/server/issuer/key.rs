//! The development issuer's key, and the tokens that it signs.

use std::fmt;

use evidence::time::Time;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use p256::SecretKey;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Error;

/// The issuer's P-256 key.
#[derive(Clone)]
pub struct Key(SecretKey);

/// Who a token is about.
#[derive(Debug, Clone, Serialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    pub sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// Of the request that an ID token answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// Seconds since 1970.
    pub iat: i64,
    pub exp: i64,
}

impl Claims {
    /// Claims that hold from `now` for `lifetime`.
    pub fn new(
        issuer: &str,
        audience: &str,
        sub: &str,
        now: Time,
        lifetime: chrono::Duration,
    ) -> Self {
        Self {
            iss: issuer.to_owned(),
            aud: audience.to_owned(),
            sub: sub.to_owned(),
            email: None,
            email_verified: None,
            nonce: None,
            iat: now.timestamp(),
            exp: (now + lifetime).timestamp(),
        }
    }

    /// With an address, which is that person's: whoever asks this issuer is believed.
    #[must_use]
    pub fn email(mut self, email: &str) -> Self {
        (self.email, self.email_verified) = (Some(email.to_owned()), Some(true));
        self
    }

    /// The issuer does not vouch for the address.
    #[must_use]
    pub fn unverified(mut self) -> Self {
        self.email_verified = Some(false);
        self
    }

    /// In answer to the request with this nonce.
    #[must_use]
    pub(super) fn nonce(mut self, nonce: Option<String>) -> Self {
        self.nonce = nonce;
        self
    }
}

impl Key {
    /// A key from 32 random bytes; the caller brings the randomness. `None`: draw again (about one
    /// in 2^32 draws is no number of the curve).
    pub fn generate(random: [u8; 32]) -> Option<Self> {
        SecretKey::from_slice(&random).ok().map(Self)
    }

    pub fn from_pem(text: &str) -> Result<Self, Error> {
        SecretKey::from_pkcs8_pem(text.trim()).map(Self).map_err(|_| Error::Key)
    }

    /// PKCS#8 PEM, to be written to a file of its owner. Overwritten when dropped.
    pub fn to_pem(&self) -> impl AsRef<str> + use<> {
        self.0.to_pkcs8_pem(LineEnding::LF).expect("a P-256 key always has a PKCS#8 form")
    }

    /// Derived from the public key, so another key has another id.
    pub fn id(&self) -> String {
        let point = self.0.public_key().to_sec1_point(false);
        hex::encode(&Sha256::digest(point.as_bytes())[..8])
    }

    /// The public key as a JWK.
    pub fn jwk(&self) -> Value {
        use base64::Engine as _;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
        let point = self.0.public_key().to_sec1_point(false);
        // 0x04, then both coordinates of 32 bytes.
        let (x, y) = point.as_bytes()[1..].split_at(32);
        json!({
            "kty": "EC",
            "crv": "P-256",
            "use": "sig",
            "alg": "ES256",
            "kid": self.id(),
            "x": BASE64.encode(x),
            "y": BASE64.encode(y),
        })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.id()).finish()
    }
}

/// A token with these claims, signed with ES256.
pub fn mint(key: &Key, claims: &impl Serialize) -> Result<String, Error> {
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(key.id());
    let pem = key.to_pem();
    Ok(encode(&header, claims, &EncodingKey::from_ec_pem(pem.as_ref().as_bytes())?)?)
}
