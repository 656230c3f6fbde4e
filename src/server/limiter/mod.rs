//! How many packs an organisation may request: a sliding window in Redis.
//!
//! Invariants
//! - Exact under parallel callers on any number of servers: one script decides, on Redis' own clock.
//! - Only accepted requests count; a place whose request came to nothing is given back.
//! - When Redis does not answer in time nobody passes: the request is refused, never waved through.
//! - A set holds at most `limit` members and goes by itself when the window has passed.

mod slot;

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{RedisError, Script};
use uuid::Uuid;

pub(crate) use slot::Slot;

use crate::errors::{Error, Part, Result};

/// How many requests in which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    pub limit: u32,
    pub window: Duration,
}

impl Default for Quota {
    /// Five packs in 24 hours.
    fn default() -> Self {
        Self { limit: 5, window: Duration::from_hours(24) }
    }
}

/// Where to count, and how much.
#[derive(Debug, Clone)]
pub struct Options {
    /// `redis://…`
    pub url: String,
    /// Before every key, so that installations can share a server.
    pub prefix: String,
    pub quota: Quota,
}

/// The limiter; cheap to clone.
#[derive(Clone)]
pub struct Limiter {
    connection: ConnectionManager,
    prefix: String,
    quota: Quota,
}

/// Redis answers in well under a millisecond. Who waits longer waits for a server that is away.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Whether `url` names a Redis; nothing is connected.
pub fn is_address(url: &str) -> bool {
    redis::Client::open(url).is_ok()
}

impl Limiter {
    /// Does not connect yet: a server starts, and says what is missing, without Redis.
    pub fn new(options: &Options) -> std::result::Result<Self, RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(ANSWER_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN))
            .set_number_of_retries(1);
        let client = redis::Client::open(options.url.as_str())?;
        Ok(Self {
            connection: ConnectionManager::new_lazy_with_config(client, config)?,
            prefix: options.prefix.clone(),
            quota: options.quota,
        })
    }

    /// Takes a place for `request` in the window of `org`; the same request again keeps its place.
    pub(crate) async fn take(&self, org: Uuid, request: Uuid) -> Result<Slot> {
        let window = self.quota.window;
        let micros = i64::try_from(window.as_micros()).unwrap_or(i64::MAX);
        let script = Script::new(include_str!("window.lua"));
        let mut call = script.key(self.key(org));
        call.arg(self.quota.limit).arg(micros).arg(request.to_string());
        let mut connection = self.connection.clone();
        let wait_micros: u64 = bounded(call.invoke_async(&mut connection)).await?;
        if wait_micros == 0 {
            return Ok(Slot::new(self.clone(), org, request));
        }
        Err(Error::RateLimited {
            limit: self.quota.limit,
            window_seconds: window.as_secs(),
            retry_after_seconds: wait_micros.div_ceil(1_000_000),
        })
    }

    async fn give_back(&self, org: Uuid, request: Uuid) -> Result<()> {
        let mut connection = self.connection.clone();
        let mut call = redis::cmd("ZREM");
        call.arg(self.key(org)).arg(request.to_string());
        bounded(call.exec_async(&mut connection)).await
    }

    /// Whether Redis answers.
    pub(crate) async fn check(&self) -> Result<()> {
        let mut connection = self.connection.clone();
        bounded(redis::cmd("PING").exec_async(&mut connection)).await
    }

    fn key(&self, org: Uuid) -> String {
        format!("{}audit_exports:{org}", self.prefix)
    }
}

async fn bounded<T>(answer: impl Future<Output = redis::RedisResult<T>>) -> Result<T> {
    // Connecting, trying again and answering each have their own limit; together they get this one.
    match tokio::time::timeout(ANSWER_WITHIN * 2, answer).await {
        Ok(answer) => answer.map_err(|error| Error::Down(Part::RateLimiter, error.into())),
        Err(elapsed) => Err(Error::Down(Part::RateLimiter, elapsed.into())),
    }
}

#[cfg(test)]
pub(crate) mod tests;
