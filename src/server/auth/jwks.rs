//! The issuer's signing keys: fetched by discovery, cached, refreshed.
//!
//! Invariants
//! - Keys in the cache serve while the issuer hangs or is away: only a token of an unknown key waits.
//! - One fetch at a time, and no more than one in a pause, whatever tokens are sent.
//! - That a key is unknown is said of keys that were fetched; while they cannot be, nobody knows.
//! - The algorithms that a key may verify are fixed when it is read; symmetric ones are never among them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use tokio::sync::{Mutex, RwLock};
use tokio::time::Instant;
use url::Url;

/// How often the issuer is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// At least this long between two fetches: a stranger who invents key ids makes us ask no more often.
    pub(super) pause: Duration,
    /// A key that the issuer withdrew is believed for about this long.
    pub(super) fresh: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { pause: Duration::from_secs(10), fresh: Duration::from_mins(10) }
    }
}

const FETCH_WITHIN: Duration = Duration::from_secs(5);
/// A key set has a few kilobytes.
const DOCUMENT_BYTES_MAX: usize = 512 * 1024;
const KEYS_MAX: usize = 100;
/// 2,048 bits, as NIST SP 800-131A asks.
const RSA_MODULUS_BYTES_MIN: usize = 256;

/// A public key and what it may verify.
pub(super) struct Key {
    pub(super) decoding: DecodingKey,
    pub(super) algorithms: Vec<Algorithm>,
}

/// Why the keys could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("the issuer does not answer")]
    Http(#[from] reqwest::Error),
    #[error("the issuer's answer has more than {DOCUMENT_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the issuer's answer is not the JSON that was expected")]
    Json(#[from] serde_json::Error),
    #[error("the discovery document is of another issuer")]
    OtherIssuer,
    #[error("the key set lies at an address that is neither HTTPS nor on the issuer's own host")]
    Address,
    #[error("the key set has no key that can be used")]
    NoKeys,
    #[error("the last attempt has only just failed")]
    Pause,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: Url,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

/// The keys, by id; a key without an id under the empty one.
type Keys = HashMap<String, Arc<Key>>;

struct Cached {
    keys: Keys,
    fetched_at: Instant,
}

/// The cache of one issuer's keys.
pub(super) struct Cache {
    issuer: String,
    pace: Pace,
    http: reqwest::Client,
    cached: RwLock<Option<Cached>>,
    /// When the last fetch began. Whoever holds the lock fetches.
    fetching: Mutex<Option<Instant>>,
}

impl Cache {
    pub(super) fn new(issuer: String, pace: Pace) -> reqwest::Result<Self> {
        // A second call finds the provider of the first: that is all that can fail.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(FETCH_WITHIN)
            .connect_timeout(FETCH_WITHIN)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { issuer, pace, http, cached: RwLock::new(None), fetching: Mutex::new(None) })
    }

    /// The key with this id; `None`: the issuer publishes no such key, or did not within the last
    /// pause.
    ///
    /// Errors when the key is not known and the keys cannot be fetched.
    pub(super) async fn find(
        self: &Arc<Self>,
        kid: Option<&str>,
    ) -> Result<Option<Arc<Key>>, FetchError> {
        if let Some((Some(found), is_fresh)) = self.look(kid).await {
            if !is_fresh {
                self.refresh_behind();
            }
            return Ok(Some(found));
        }
        match self.refresh_whole().await {
            Ok(()) => Ok(self.look(kid).await.and_then(|(found, _)| found)),
            Err(error) => match self.look(kid).await {
                // Somebody else's fetch has brought it meanwhile.
                Some((Some(found), _)) => Ok(Some(found)),
                _ => Err(error),
            },
        }
    }

    /// How long nobody asks the issuer again.
    pub(super) fn pause_left(&self) -> Duration {
        // Locked: somebody asks at this moment.
        let began_at = self.fetching.try_lock().ok().and_then(|last| *last);
        began_at.map_or(Duration::ZERO, |at| self.pace.pause.saturating_sub(at.elapsed()))
    }

    /// Whether there are keys, fetching them when there are none.
    pub(super) async fn check(self: &Arc<Self>) -> Result<(), FetchError> {
        if self.cached.read().await.is_some() {
            return Ok(());
        }
        self.refresh_whole().await
    }

    /// The key and whether the cache is fresh; `None` while there is no cache.
    async fn look(&self, kid: Option<&str>) -> Option<(Option<Arc<Key>>, bool)> {
        let cached = self.cached.read().await;
        let cached = cached.as_ref()?;
        let key = match kid {
            Some(kid) => cached.keys.get(kid),
            // Without an id the choice must not be a guess.
            None if cached.keys.len() == 1 => cached.keys.values().next(),
            None => None,
        };
        Some((key.cloned(), cached.fetched_at.elapsed() < self.pace.fresh))
    }

    #[cfg(test)]
    pub(super) async fn forget_pause(&self) {
        *self.fetching.lock().await = None;
    }

    /// Fetches also when the caller hangs up: a stranger must not be able to break off the fetch that
    /// others wait for.
    async fn refresh_whole(self: &Arc<Self>) -> Result<(), FetchError> {
        let (cache, asked_at) = (Arc::clone(self), Instant::now());
        let fetched = tokio::spawn(async move { cache.refresh(asked_at).await }).await;
        fetched.unwrap_or(Err(FetchError::Pause))
    }

    fn refresh_behind(self: &Arc<Self>) {
        let cache = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = cache.refresh(Instant::now()).await {
                tracing::warn!(cause = %crate::errors::describe(&error), "signing keys are not refreshed");
            }
        });
    }

    /// Fetches the keys unless somebody did since `asked_at`, or has only just done so or tried.
    async fn refresh(&self, asked_at: Instant) -> Result<(), FetchError> {
        let mut last = self.fetching.lock().await;
        if let Some(began_at) = *last {
            let fetched_at = self.cached.read().await.as_ref().map(|cached| cached.fetched_at);
            let is_paused = began_at.elapsed() < self.pace.pause;
            // A fetch that succeeded ends after it began.
            let has_succeeded = fetched_at.is_some_and(|at| at >= began_at);
            if fetched_at.is_some_and(|at| at >= asked_at) || (is_paused && has_succeeded) {
                return Ok(());
            }
            if is_paused {
                return Err(FetchError::Pause);
            }
        }
        *last = Some(Instant::now());
        let keys = self.fetch().await?;
        *self.cached.write().await = Some(Cached { keys, fetched_at: Instant::now() });
        Ok(())
    }

    async fn fetch(&self) -> Result<Keys, FetchError> {
        let address =
            format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let discovery: Discovery = serde_json::from_slice(&self.get(&address).await?)?;
        if discovery.issuer != self.issuer {
            return Err(FetchError::OtherIssuer);
        }
        if discovery.jwks_uri.scheme() != "https" && !self.is_own_host(&discovery.jwks_uri) {
            return Err(FetchError::Address);
        }
        let document: Document =
            serde_json::from_slice(&self.get(discovery.jwks_uri.as_str()).await?)?;
        let keys: Keys = document.keys.into_iter().take(KEYS_MAX).filter_map(usable).collect();
        if keys.is_empty() { Err(FetchError::NoKeys) } else { Ok(keys) }
    }

    /// Plain HTTP is for an issuer that is itself configured by plain HTTP, on the same host.
    fn is_own_host(&self, address: &Url) -> bool {
        Url::parse(&self.issuer).is_ok_and(|issuer| {
            issuer.scheme() == address.scheme() && issuer.host() == address.host()
        })
    }

    async fn get(&self, address: &str) -> Result<Vec<u8>, FetchError> {
        let mut response = self.http.get(address).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > DOCUMENT_BYTES_MAX {
                return Err(FetchError::TooLarge);
            }
        }
        Ok(body)
    }
}

/// The key, if it is one for signatures of an algorithm that we take. Others are passed over: a key
/// set may hold keys for other purposes.
fn usable(jwk: serde_json::Value) -> Option<(String, Arc<Key>)> {
    let jwk: Jwk = serde_json::from_value(jwk).ok()?;
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let mut algorithms = algorithms(&jwk.algorithm)?;
    if let Some(named) = jwk.common.key_algorithm {
        let named = signature(named)?;
        algorithms.retain(|algorithm| *algorithm == named);
    }
    if algorithms.is_empty() {
        return None;
    }
    let decoding = DecodingKey::from_jwk(&jwk).ok()?;
    let kid = jwk.common.key_id.unwrap_or_default();
    Some((kid, Arc::new(Key { decoding, algorithms })))
}

/// What a key of this kind can verify.
fn algorithms(parameters: &AlgorithmParameters) -> Option<Vec<Algorithm>> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    match parameters {
        AlgorithmParameters::RSA(rsa) => (modulus_bytes(&rsa.n) >= RSA_MODULUS_BYTES_MIN)
            .then(|| vec![RS256, RS384, RS512, PS256, PS384, PS512]),
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => Some(vec![ES256]),
            EllipticCurve::P384 => Some(vec![ES384]),
            _ => None,
        },
        AlgorithmParameters::OctetKeyPair(key) => {
            (key.curve == EllipticCurve::Ed25519).then(|| vec![EdDSA])
        }
        _ => None,
    }
}

fn modulus_bytes(base64url: &str) -> usize {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(base64url).map_or(0, |n| n.len())
}

fn signature(algorithm: KeyAlgorithm) -> Option<Algorithm> {
    algorithm.to_string().parse().ok()
}
