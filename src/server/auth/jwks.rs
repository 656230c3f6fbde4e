//! The issuer's signing keys: fetched by discovery, cached, refreshed.
//!
//! Invariants
//! - Keys in the cache serve while the issuer hangs or is away, for a day at most: only a token of an unknown key waits.
//! - One fetch at a time, for all who wait; a few at once and then one in a pause, whatever tokens are sent.
//! - That a key is unknown is said of keys that were fetched; while they cannot be, nobody knows.
//! - The algorithms that a key may verify are fixed when it is read; symmetric ones are never among them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use serde::Deserialize;
use tokio::sync::{Mutex, RwLock};
use tokio::time::Instant;

use super::discovery::{FetchError, Http, Provider};
use super::key::{Key, usable};

/// How often the issuer is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// After a failure, and between fetches once `burst` is spent: a stranger who invents key ids makes us ask
    /// no more often.
    pub(super) pause: Duration,
    /// So many fetches may follow each other at once: an issuer that signs with a new key just after we asked
    /// finds it believed at once. One comes back with each pause.
    pub(super) burst: u32,
    /// A key that the issuer withdrew is believed for about this long.
    pub(super) fresh: Duration,
    /// And for this long when it cannot be asked: whoever can keep us from asking must not keep a stolen key alive.
    pub(super) believed: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            pause: Duration::from_secs(10),
            burst: 5,
            fresh: Duration::from_mins(10),
            believed: Duration::from_hours(24),
        }
    }
}

const KEYS_MAX: usize = 100;

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

/// The keys, by id; those without an id under the empty one.
type Keys = HashMap<String, Vec<Arc<Key>>>;

struct Cached {
    keys: Keys,
    provider: Arc<Provider>,
    fetched_at: Instant,
}

/// What the cache says of a token's header.
pub(super) enum Found {
    Key(Arc<Key>),
    /// The key is known, and not one of that algorithm.
    OtherAlgorithm,
    Unknown,
}

/// The attempts to fetch.
#[derive(Default)]
struct Attempts {
    began_at: Option<Instant>,
    has_failed: bool,
    spent: u32,
    /// Since when what was spent comes back.
    counted_from: Option<Instant>,
}

impl Attempts {
    fn is_paused(&self, pause: Duration) -> bool {
        self.began_at.is_some_and(|at| at.elapsed() < pause)
    }

    /// Takes one attempt, if there is one left.
    fn take(&mut self, pace: Pace) -> bool {
        let now = Instant::now();
        let from = *self.counted_from.get_or_insert(now);
        let back = (now - from).as_nanos().checked_div(pace.pause.as_nanos());
        let back = back.map_or(u32::MAX, |back| u32::try_from(back).unwrap_or(u32::MAX));
        if back >= self.spent {
            (self.spent, self.counted_from) = (0, Some(now));
        } else {
            self.spent -= back;
            self.counted_from = Some(from + pace.pause * back);
        }
        let may = self.spent < pace.burst;
        self.spent += u32::from(may);
        may
    }
}

/// The cache of one issuer's keys, and of what it says of itself.
pub(super) struct Cache {
    pace: Pace,
    pub(super) http: Http,
    cached: RwLock<Option<Cached>>,
    /// Whoever holds the lock fetches.
    attempts: Mutex<Attempts>,
}

impl Cache {
    pub(super) fn new(issuer: String, pace: Pace) -> reqwest::Result<Self> {
        let http = Http::new(issuer)?;
        Ok(Self { pace, http, cached: RwLock::new(None), attempts: Mutex::default() })
    }

    /// The key with this id, for this algorithm. Unknown: the issuer publishes no such key, or did not when we
    /// last asked.
    ///
    /// Errors when the key is not known and the keys cannot be fetched.
    pub(super) async fn find(
        self: &Arc<Self>,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Found, FetchError> {
        match self.look(kid, algorithm).await {
            Some((Found::Unknown, _)) | None => {}
            Some((found, is_fresh)) => {
                if !is_fresh {
                    self.refresh_behind();
                }
                return Ok(found);
            }
        }
        let refreshed = self.refresh_whole().await;
        match (self.look(kid, algorithm).await, refreshed) {
            // Or somebody else's fetch has brought it meanwhile.
            (Some((found, _)), Ok(()))
            | (Some((found @ (Found::Key(_) | Found::OtherAlgorithm), _)), Err(_)) => Ok(found),
            (_, Err(error)) => Err(error),
            (None, Ok(())) => Err(FetchError::Pause),
        }
    }

    /// What the issuer says of itself, fetched when nobody has asked it yet.
    pub(super) async fn provider(self: &Arc<Self>) -> Result<Arc<Provider>, FetchError> {
        self.check().await?;
        let cached = self.cached.read().await;
        let cached = cached.as_ref().ok_or(FetchError::Pause)?;
        if cached.fetched_at.elapsed() >= self.pace.fresh {
            self.refresh_behind();
        }
        Ok(Arc::clone(&cached.provider))
    }

    /// How long nobody asks the issuer again.
    pub(super) fn pause_left(&self) -> Duration {
        // Locked: somebody asks at this moment.
        let began_at = self.attempts.try_lock().ok().and_then(|attempts| attempts.began_at);
        began_at.map_or(Duration::ZERO, |at| self.pace.pause.saturating_sub(at.elapsed()))
    }

    /// Whether there are keys, fetching them when there are none.
    pub(super) async fn check(self: &Arc<Self>) -> Result<(), FetchError> {
        if self.cached.read().await.is_some() {
            return Ok(());
        }
        self.refresh_whole().await
    }

    /// What is cached and whether it is fresh; `None` while there is nothing that may still be believed.
    async fn look(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<(Found, bool)> {
        let cached = self.cached.read().await;
        let age = |cached: &Cached| cached.fetched_at.elapsed();
        let cached = cached.as_ref().filter(|cached| age(cached) < self.pace.believed)?;
        let fits = |key: &&Arc<Key>| key.algorithms.contains(&algorithm);
        let found = if let Some(kid) = kid {
            cached.keys.get(kid).map_or(Found::Unknown, |keys| {
                let fitting = keys.iter().find(fits);
                fitting.map_or(Found::OtherAlgorithm, |key| Found::Key(Arc::clone(key)))
            })
        } else {
            let mut fitting = cached.keys.values().flatten().filter(fits);
            match (fitting.next(), fitting.next()) {
                (Some(key), None) => Found::Key(Arc::clone(key)),
                // Without an id the choice must not be a guess.
                _ => Found::Unknown,
            }
        };
        Some((found, age(cached) < self.pace.fresh))
    }

    #[cfg(test)]
    pub(super) async fn forget_pause(&self) {
        *self.attempts.lock().await = Attempts::default();
    }

    /// Fetches also when the caller hangs up: a stranger must not be able to break off the fetch that
    /// others wait for.
    async fn refresh_whole(self: &Arc<Self>) -> Result<(), FetchError> {
        let (cache, asked_at) = (Arc::clone(self), Instant::now());
        let fetched = tokio::spawn(async move { cache.refresh(asked_at).await }).await;
        fetched.unwrap_or(Err(FetchError::Pause))
    }

    /// Nobody waits for it, so nobody queues for it: while somebody fetches, or has only just tried, it is not begun.
    fn refresh_behind(self: &Arc<Self>) {
        if !self.attempts.try_lock().is_ok_and(|attempts| !attempts.is_paused(self.pace.pause)) {
            return;
        }
        let cache = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = cache.refresh(Instant::now()).await {
                tracing::warn!(cause = %crate::errors::describe(&error), "signing keys are not refreshed");
            }
        });
    }

    /// Fetches the keys unless somebody did since `asked_at`, or it was tried too often.
    async fn refresh(&self, asked_at: Instant) -> Result<(), FetchError> {
        let mut attempts = self.attempts.lock().await;
        let fetched_at = self.cached.read().await.as_ref().map(|cached| cached.fetched_at);
        if fetched_at.is_some_and(|at| at >= asked_at) {
            return Ok(());
        }
        if attempts.has_failed && attempts.is_paused(self.pace.pause) {
            return Err(FetchError::Pause);
        }
        if !attempts.take(self.pace) {
            return if attempts.has_failed { Err(FetchError::Pause) } else { Ok(()) };
        }
        attempts.began_at = Some(Instant::now());
        attempts.has_failed = true;
        let (provider, keys) = self.fetch().await?;
        attempts.has_failed = false;
        let provider = Arc::new(provider);
        *self.cached.write().await = Some(Cached { keys, provider, fetched_at: Instant::now() });
        Ok(())
    }

    async fn fetch(&self) -> Result<(Provider, Keys), FetchError> {
        let provider = self.http.discover().await?;
        let document: Document = self.http.document(provider.jwks_uri.as_str()).await?;
        let mut keys = Keys::new();
        for (kid, key) in document.keys.into_iter().take(KEYS_MAX).filter_map(usable) {
            keys.entry(kid).or_default().push(key);
        }
        if keys.is_empty() { Err(FetchError::NoKeys) } else { Ok((provider, keys)) }
    }
}
