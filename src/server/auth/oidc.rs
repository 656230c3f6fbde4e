//! Access tokens of the configured OIDC issuer, verified.
//!
//! Checked: size, algorithm (pinned by the key, never by the token), signature, `iss`, `aud`, `exp`,
//! `nbf` (60 seconds of leeway for clocks that differ), `sub`. One code path for every issuer, the
//! development one included.

use std::sync::Arc;

use evidence::time::Time;
use jsonwebtoken::{Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::credentials::TOKEN_BYTES_MAX;
use super::jwks::{Cache, FetchError, Pace};
use crate::errors::{Denied, Error, Part, Result};

/// How far clocks may differ, in seconds.
const LEEWAY_SECONDS: i64 = 60;
/// OIDC Core: `sub` must not exceed 255 ASCII characters.
const SUB_BYTES_MAX: usize = 255;
/// RFC 5321.
const EMAIL_BYTES_MAX: usize = 254;

/// Whose tokens count.
#[derive(Debug, Clone)]
pub struct Options {
    /// Exactly as in the tokens' `iss`; discovery lies below it.
    pub issuer: String,
    /// One of the tokens' `aud`.
    pub audience: String,
    /// The claim with the e-mail address, `email` by default.
    pub email_claim: String,
}

/// Who a token says its bearer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) iss: String,
    pub(crate) sub: String,
    pub(crate) email: Option<String>,
    /// The issuer vouches for the address.
    pub(crate) email_verified: bool,
}

/// Verifies tokens of one issuer; cheap to clone.
#[derive(Clone)]
pub struct Verifier {
    options: Arc<Options>,
    keys: Arc<Cache>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    nbf: Option<f64>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Verifier {
    /// Does not ask the issuer yet. Errors when no HTTP client can be made (no root certificates).
    pub fn new(options: Options) -> reqwest::Result<Self> {
        Self::at_pace(options, Pace::default())
    }

    pub(super) fn at_pace(options: Options, pace: Pace) -> reqwest::Result<Self> {
        let keys = Cache::new(options.issuer.clone(), pace)?;
        Ok(Self { options: Arc::new(options), keys: Arc::new(keys) })
    }

    pub(crate) async fn verify(&self, token: &str, now: Time) -> Result<Identity> {
        if token.len() > TOKEN_BYTES_MAX {
            return refuse("The token is too long");
        }
        // Fails for `none` and every algorithm that the library does not know.
        let Ok(header) = decode_header(token) else {
            return refuse("The token is no signed JWT of a known algorithm");
        };
        if header.crit.is_some() {
            return refuse("The token demands an extension that is not supported");
        }
        let key = match self.keys.find(header.kid.as_deref()).await {
            Ok(Some(key)) => key,
            Ok(None) => {
                return refuse("The token is signed with a key that the issuer does not publish");
            }
            Err(error) => {
                // Rounded up.
                let retry_after_seconds = self.keys.pause_left().as_millis().div_ceil(1000);
                let retry_after_seconds = u64::try_from(retry_after_seconds).unwrap_or(u64::MAX);
                return Err(Error::Down(Part::Issuer { retry_after_seconds }, error.into()));
            }
        };
        if !key.algorithms.contains(&header.alg) {
            return refuse("The token's algorithm does not belong to its key");
        }
        let mut validation = Validation::new(header.alg);
        // The time comes through the door; the library would ask the system.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.set_issuer(&[&self.options.issuer]);
        validation.set_audience(&[&self.options.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        match decode::<Claims>(token, &key.decoding, &validation) {
            Ok(token) => self.identify(token.claims, now),
            Err(error) => refuse(reason(error.kind())),
        }
    }

    /// Whether tokens can be verified at all.
    pub(crate) async fn check(&self) -> std::result::Result<(), FetchError> {
        self.keys.check().await
    }

    /// As if the last fetch were long ago.
    #[cfg(test)]
    pub(super) async fn forget_pause(&self) {
        self.keys.forget_pause().await;
    }

    fn identify(&self, claims: Claims, now: Time) -> Result<Identity> {
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^53")]
        let (now, leeway) = (now.timestamp() as f64, LEEWAY_SECONDS as f64);
        if now >= claims.exp + leeway {
            return refuse("The token has expired");
        }
        if claims.nbf.is_some_and(|nbf| nbf - leeway > now) {
            return refuse("The token is not valid yet");
        }
        let is_plain = |text: &str| !text.chars().any(char::is_control);
        if claims.sub.is_empty() || claims.sub.len() > SUB_BYTES_MAX || !is_plain(&claims.sub) {
            return refuse("The token names no usable subject");
        }
        let claim = &self.options.email_claim;
        let email_verified = claims.others.get(&format!("{claim}_verified")).is_some_and(is_true);
        let email = claims.others.get(claim).and_then(Value::as_str);
        let email = email
            .filter(|text| !text.is_empty() && text.len() <= EMAIL_BYTES_MAX && is_plain(text));
        Ok(Identity {
            iss: self.options.issuer.clone(),
            sub: claims.sub,
            email: email.map(str::to_owned),
            email_verified,
        })
    }
}

/// Some issuers write the word instead of the value.
fn is_true(claim: &Value) -> bool {
    claim == true || claim == "true"
}

fn refuse<T>(reason: &'static str) -> Result<T> {
    Err(Denied::Unauthorized(reason).into())
}

fn reason(kind: &jsonwebtoken::errors::ErrorKind) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match kind {
        ErrorKind::InvalidIssuer => "The token is of another issuer",
        ErrorKind::InvalidAudience => "The token is for another audience",
        ErrorKind::InvalidSignature => "The token's signature does not fit",
        ErrorKind::MissingRequiredClaim(_) => "The token lacks exp, iss, aud or sub",
        _ => "The token cannot be read",
    }
}
