//! The development issuer: discovery, a key set, and tokens minted by whoever holds the key file.
//!
//! Invariants
//! - It speaks what a real issuer speaks, so the server has one code path for both.
//! - It refuses to exist in production.
//! - It has no login and mints nothing over HTTP: who cannot read the key file gets no token.

use std::fmt;

use evidence::time::Time;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use p256::SecretKey;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding};
use poem::endpoint::make_sync;
use poem::listener::TcpAcceptor;
use poem::{Endpoint, IntoResponse as _, Response, Route, Server, get, web::Json};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Why the issuer does not start or a token is not minted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the development issuer does not run in production; configure DRIFTWISE_OIDC_ISSUER")]
    Production,
    #[error("the key is no P-256 private key in PKCS#8 PEM")]
    Key,
    #[error("the token cannot be signed")]
    Sign(#[from] jsonwebtoken::errors::Error),
    #[error("the issuer cannot serve")]
    Serve(#[from] std::io::Error),
}

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
            iat: now.timestamp(),
            exp: (now + lifetime).timestamp(),
        }
    }

    /// With an address that the issuer vouches for.
    #[must_use]
    pub fn email(mut self, email: &str) -> Self {
        self.email = Some(email.to_owned());
        self.email_verified = Some(true);
        self
    }

    /// The issuer does not vouch for the address.
    #[must_use]
    pub fn unverified(mut self) -> Self {
        self.email_verified = Some(false);
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

/// An issuer that may serve.
#[derive(Debug, Clone)]
pub struct Issuer {
    documents: Documents,
}

#[derive(Debug, Clone)]
struct Documents {
    discovery: Value,
    key_set: Value,
}

impl Issuer {
    /// `address` is the issuer's name and where its documents lie, such as `http://127.0.0.1:9100`.
    /// `keys` are all published; mint with the one you like.
    pub fn new(address: &str, keys: &[Key], is_production: bool) -> Result<Self, Error> {
        if is_production {
            return Err(Error::Production);
        }
        let keys: Vec<Value> = keys.iter().map(Key::jwk).collect();
        let base = address.trim_end_matches('/');
        let discovery = json!({
            "issuer": address,
            "jwks_uri": format!("{base}/jwks"),
            "authorization_endpoint": format!("{base}/authorize"),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        });
        Ok(Self { documents: Documents { discovery, key_set: json!({ "keys": keys }) } })
    }

    /// Serves until `stop`.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> Result<(), Error> {
        let Documents { discovery, key_set } = self.documents;
        let app = Route::new()
            .at("/.well-known/openid-configuration", get(constant(discovery)))
            .at("/jwks", get(constant(key_set)));
        let server = Server::new_with_acceptor(TcpAcceptor::from_tokio(listener)?);
        Ok(server.run_with_graceful_shutdown(app, stop.cancelled_owned(), None).await?)
    }
}

fn constant(document: Value) -> impl Endpoint<Output = Response> {
    make_sync(move |_| Json(&document).into_response())
}
