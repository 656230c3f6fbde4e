//! Tokens of the configured OIDC issuer, verified.
//!
//! Checked of every token: size, type, algorithm (among those allowed, and pinned by the key, never by the
//! token), signature, that no claim stands twice, `iss`, `exp`, `nbf`, `sub`. Of an access token: `aud`, and where
//! configured the client that it was given to. Of an ID token: `aud`, `azp`, `nonce`. One code path for every issuer, the
//! development one included.

use std::sync::Arc;
use std::time::Duration;

use evidence::time::Time;
pub use jsonwebtoken::Algorithm;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};

use super::claims::Claims;
pub use super::claims::Names;
use super::credentials::TOKEN_BYTES_MAX;
use super::discovery::Http;
pub(crate) use super::discovery::{FetchError, Provider};
pub use super::exchange::Client;
use super::jwks::{Cache, Found, Pace};
use crate::errors::{Denied, Error, Part, Result};

/// What is taken unless configured otherwise: everything that a public key verifies.
pub const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// How far clocks may differ unless configured otherwise.
pub const LEEWAY: Duration = Duration::from_mins(1);

/// Whose tokens count.
#[derive(Debug, Clone)]
pub struct Options {
    /// Exactly as in the tokens' `iss`; discovery lies below it.
    pub issuer: String,
    /// An access token's `aud` names one of these.
    pub audiences: Vec<String>,
    /// An access token's `azp` or `client_id` names one of these; empty: whichever client it was given to.
    pub clients: Vec<String>,
    pub algorithms: Vec<Algorithm>,
    /// How far clocks may differ.
    pub leeway: Duration,
    pub names: Names,
}

impl Options {
    /// Access tokens of `issuer` for `audience`, everything else as usual.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audiences: vec![audience.into()],
            clients: Vec::new(),
            algorithms: ALGORITHMS.to_vec(),
            leeway: LEEWAY,
            names: Names::default(),
        }
    }
}

/// The algorithm of this name, if it is one whose keys are public.
pub fn algorithm(name: &str) -> Option<Algorithm> {
    name.parse().ok().filter(|algorithm| ALGORITHMS.contains(algorithm))
}

/// Who a token says its bearer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) iss: String,
    pub(crate) sub: String,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
}

/// Verifies tokens of one issuer; cheap to clone.
#[derive(Clone)]
pub struct Verifier {
    options: Arc<Options>,
    keys: Arc<Cache>,
}

/// What a token is for.
#[derive(Clone, Copy)]
enum Kind<'a> {
    Access,
    Id { client: &'a str, nonce: &'a str },
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

    /// Whose access token this is.
    pub(crate) async fn verify(&self, token: &str, now: Time) -> Result<Identity> {
        self.identify(token, Kind::Access, now).await
    }

    /// Whom an ID token of `client` is about, given in answer to the request with `nonce`.
    pub(crate) async fn verify_id_token(
        &self,
        token: &str,
        client: &str,
        nonce: &str,
        now: Time,
    ) -> Result<Identity> {
        self.identify(token, Kind::Id { client, nonce }, now).await
    }

    /// Whether tokens can be verified at all.
    pub(crate) async fn check(&self) -> std::result::Result<(), FetchError> {
        self.keys.check().await
    }

    /// What the issuer says of itself.
    pub(crate) async fn provider(&self) -> Result<Arc<Provider>> {
        self.keys.provider().await.map_err(|error| self.away(error))
    }

    pub(super) fn http(&self) -> &Http {
        &self.keys.http
    }

    /// Where claims stand that tell of a person.
    pub(super) fn names(&self) -> &Names {
        &self.options.names
    }

    /// As if the last fetch were long ago.
    #[cfg(test)]
    pub(super) async fn forget_pause(&self) {
        self.keys.forget_pause().await;
    }

    /// The issuer cannot be asked; when it is worth trying again.
    pub(crate) fn away(&self, error: FetchError) -> Error {
        // Rounded up.
        let retry_after_seconds = self.keys.pause_left().as_millis().div_ceil(1000);
        let retry_after_seconds = u64::try_from(retry_after_seconds).unwrap_or(u64::MAX);
        Error::Down(Part::Issuer { retry_after_seconds }, error.into())
    }

    async fn identify(&self, token: &str, kind: Kind<'_>, now: Time) -> Result<Identity> {
        let claims = self.signed(token, kind).await?;
        if claims.text("iss") != Some(&self.options.issuer) {
            return refuse("The token is of another issuer");
        }
        match kind {
            Kind::Access => self.check_audience(&claims)?,
            Kind::Id { client, nonce } => check_id_token(&claims, client, nonce)?,
        }
        self.check_times(&claims, now)?;
        let Some(sub) = claims.subject() else {
            return refuse("The token names no usable subject");
        };
        let names = &self.options.names;
        Ok(Identity {
            iss: self.options.issuer.clone(),
            sub: sub.to_owned(),
            email: claims.email(names).map(str::to_owned),
            name: claims.name(names).map(str::to_owned),
        })
    }

    /// The claims of a token whose signature is the issuer's.
    async fn signed(&self, token: &str, kind: Kind<'_>) -> Result<Claims> {
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
        if !is_of_kind(header.typ.as_deref(), kind) {
            return refuse("The token is not one of the kind that is needed here");
        }
        if !self.options.algorithms.contains(&header.alg) {
            return refuse("The token's algorithm is not taken here");
        }
        let key = match self.keys.find(header.kid.as_deref(), header.alg).await {
            Ok(Found::Key(key)) => key,
            Ok(Found::OtherAlgorithm) => {
                return refuse("The token's algorithm does not belong to its key");
            }
            Ok(Found::Unknown) => {
                return refuse("The token is signed with a key that the issuer does not publish");
            }
            Err(error) => return Err(self.away(error)),
        };
        let mut validation = Validation::new(header.alg);
        // Claims are checked here, all in one place: the time comes through the door, and the library would take
        // an `iss` that is a list.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        match decode::<Claims>(token, &key.decoding, &validation) {
            Ok(token) => Ok(token.claims),
            Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => {
                refuse("The token's signature does not fit")
            }
            Err(_) => refuse("The token cannot be read, or a claim stands twice in it"),
        }
    }

    fn check_audience(&self, claims: &Claims) -> Result<()> {
        let is_one_of = |all: &[String], text: &str| all.iter().any(|one| one == text);
        if !claims.audiences().iter().any(|one| is_one_of(&self.options.audiences, one)) {
            return refuse("The token is for another audience");
        }
        let clients = &self.options.clients;
        let mut named = ["azp", "client_id"].into_iter().filter(|name| claims.has(name)).peekable();
        if !clients.is_empty()
            && (named.peek().is_none()
                || named.any(|name| !claims.text(name).is_some_and(|id| is_one_of(clients, id))))
        {
            return refuse("The token was given to a client that does not count here");
        }
        Ok(())
    }

    fn check_times(&self, claims: &Claims, now: Time) -> Result<()> {
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^53")]
        let now = now.timestamp() as f64;
        let leeway = self.options.leeway.as_secs_f64();
        let Some(exp) = claims.time("exp") else {
            return refuse("The token does not say when it ends");
        };
        if now >= exp + leeway {
            return refuse("The token has expired");
        }
        let begins = claims.time("nbf");
        if claims.has("nbf") && begins.is_none_or(|begins| begins - leeway > now) {
            return refuse("The token is not valid yet");
        }
        Ok(())
    }
}

/// OIDC Core 3.1.3.7.
fn check_id_token(claims: &Claims, client: &str, nonce: &str) -> Result<()> {
    let audiences = claims.audiences();
    let is_ours = audiences.contains(&client)
        && match claims.text("azp") {
            Some(party) => party == client,
            None => audiences.len() == 1 && !claims.has("azp"),
        };
    if !is_ours {
        return refuse("The token is of another client");
    }
    if claims.text("nonce") != Some(nonce) {
        return refuse("The token belongs to another sign-in");
    }
    Ok(())
}

/// Whether the type in the header fits: an issuer that names types means them. Names have no case, and
/// `application/` may be left out (RFC 7515 4.1.9).
fn is_of_kind(typ: Option<&str>, kind: Kind<'_>) -> bool {
    let Some(typ) = typ else { return true };
    let typ = typ.to_ascii_lowercase();
    let typ = typ.strip_prefix("application/").unwrap_or(&typ);
    matches!((typ, kind), ("jwt", _) | ("at+jwt", Kind::Access))
}

fn refuse<T>(reason: &'static str) -> Result<T> {
    Err(Denied::Unauthorized(reason).into())
}
