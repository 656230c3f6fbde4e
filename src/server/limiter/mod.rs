//! How many packs an organisation may request: a sliding window in Redis. And how fast one caller may write: [`pace`].
//!
//! Invariants
//! - Exact under parallel callers on any number of servers: one script decides, on Redis' own clock.
//! - Only accepted requests count; a place whose request came to nothing is given back.
//! - A request that is repeated, after a crash too, takes the place that it had.
//! - When Redis does not answer in time nobody passes: the request is refused, never waved through,
//!   and a call that reaches Redis after that takes no place.
//! - A set holds at most `limit` members and goes by itself when the window has passed.
//! - Nobody passes on a Redis that may have forgotten something: it must be vouched for since it was started, and what the database
//!   knows is brought to it with each question. Who vouches, and when, is for [`crate::api`] to arrange with the database.

mod pace;
mod slot;

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{RedisError, Script};
use uuid::Uuid;

pub(crate) use slot::{Place, Slot};

use crate::errors::{Error, Limited, Part, Result};

/// How many requests in which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    pub limit: u32,
    pub window: Duration,
}

impl Quota {
    /// Writes of one caller, unless configured otherwise.
    pub fn writes() -> Self {
        WRITES
    }
}

impl Default for Quota {
    /// Five packs in 24 hours.
    fn default() -> Self {
        Self { limit: 5, window: Duration::from_hours(24) }
    }
}

/// So many writes of one caller: enough for a pipeline that hands in a thousand scans in a row.
const WRITES: Quota = Quota { limit: 1200, window: Duration::from_mins(1) };

/// Where to count, and how much.
#[derive(Debug, Clone)]
pub struct Options {
    /// `redis://…`
    pub url: String,
    /// Before every key, so that installations can share a server.
    pub prefix: String,
    /// Packs of an organisation.
    pub quota: Quota,
    /// Writes of a person or an API key.
    pub writes: Quota,
}

/// The limiter; cheap to clone.
#[derive(Clone)]
pub struct Limiter {
    connection: ConnectionManager,
    prefix: String,
    quota: Quota,
    writes: Quota,
    own: pace::Own,
    answer_within: Duration,
}

/// An accepted request, as the database knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    /// Of the attempt that was accepted.
    pub(crate) id: Uuid,
    /// Since 1970.
    pub(crate) at_micros: i64,
}

/// What became of a try.
pub(crate) enum Taken {
    Place(Slot),
    /// Redis is there and may not be believed.
    Unvouched(Unvouched),
}

/// Why nobody can believe what Redis holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unvouched {
    /// Nobody ever vouched for it, or it has lost its data.
    Empty,
    /// It was started again; it may lack what was written last.
    Restarted,
}

/// One try at a request. Tries at the same request share one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// The same for every try.
    pub(crate) request: String,
    /// Of this try alone.
    pub(crate) id: Uuid,
}

impl Attempt {
    fn member(&self) -> String {
        format!("{}/{}", self.request, self.id)
    }
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
        Self::answering_within(options, ANSWER_WITHIN)
    }

    fn answering_within(
        options: &Options,
        answer_within: Duration,
    ) -> std::result::Result<Self, RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(answer_within))
            .set_response_timeout(Some(answer_within))
            .set_number_of_retries(1);
        let client = redis::Client::open(options.url.as_str())?;
        Ok(Self {
            connection: ConnectionManager::new_lazy_with_config(client, config)?,
            prefix: options.prefix.clone(),
            quota: options.quota,
            writes: options.writes,
            own: pace::Own::default(),
            answer_within,
        })
    }

    /// Takes a place in the window of `org`; a further try at the same request takes over the place
    /// of the ones before. Tries at the same request must not overlap.
    ///
    /// `known`: what the database knows to have been accepted within the window.
    ///
    /// After an error the try holds no place, or is about to lose it.
    pub(crate) async fn take(&self, org: Uuid, attempt: Attempt, known: &[Known]) -> Result<Taken> {
        let not_after = self.time().await? + micros(self.answer_within);
        let until = tokio::time::Instant::now() + self.answer_within;
        let place = Place::new(self.clone(), org, attempt.clone());
        let wait_micros = match self.ask(org, &attempt, not_after, known).await {
            Ok(answer) => answer,
            Err(error) => {
                // It may have been heard, or be heard until it is too late: only then can what it
                // took be given back, and only then may the next try begin.
                tokio::time::sleep_until(until).await;
                place.give_back_behind();
                return Err(error);
            }
        };
        match wait_micros {
            0 => Ok(Taken::Place(Slot::new(place))),
            -2 => Ok(Taken::Unvouched(Unvouched::Empty)),
            -3 => Ok(Taken::Unvouched(Unvouched::Restarted)),
            wait_micros => match u64::try_from(wait_micros) {
                Ok(wait_micros) => Err(Error::RateLimited {
                    of: Limited::Packs,
                    limit: self.quota.limit,
                    window_seconds: self.quota.window.as_secs(),
                    retry_after_seconds: wait_micros.div_ceil(1_000_000),
                }),
                Err(_) => {
                    Err(Error::Down(Part::RateLimiter, "the call came too late to count".into()))
                }
            },
        }
    }

    /// How many packs in which time.
    pub(crate) fn quota(&self) -> Quota {
        self.quota
    }

    /// Vouches for the Redis that answers, until it is started again; whether nobody else did. Nobody may be counting at this moment.
    pub(crate) async fn vouch(&self) -> Result<bool> {
        let script = Script::new(include_str!("vouch.lua"));
        let call = script.key(self.voucher());
        let mut connection = self.connection.clone();
        self.bounded(call.invoke_async(&mut connection)).await
    }

    async fn ask(
        &self,
        org: Uuid,
        attempt: &Attempt,
        not_after: i64,
        known: &[Known],
    ) -> Result<i64> {
        let script = Script::new(include_str!("window.lua"));
        let mut call = script.key(self.key(org));
        call.key(self.voucher());
        call.arg(self.quota.limit).arg(micros(self.quota.window));
        call.arg(&attempt.request).arg(attempt.id.to_string()).arg(not_after);
        for Known { id, at_micros } in known {
            call.arg(id.to_string()).arg(*at_micros);
        }
        let mut connection = self.connection.clone();
        self.bounded(call.invoke_async(&mut connection)).await
    }

    /// Microseconds on Redis' clock.
    async fn time(&self) -> Result<i64> {
        let mut connection = self.connection.clone();
        let (seconds, micros): (i64, i64) =
            self.bounded(redis::cmd("TIME").query_async(&mut connection)).await?;
        Ok(seconds * 1_000_000 + micros)
    }

    async fn give_back(&self, org: Uuid, attempt: &Attempt) -> Result<()> {
        let mut connection = self.connection.clone();
        let mut call = redis::cmd("ZREM");
        call.arg(self.key(org)).arg(attempt.member());
        self.bounded(call.exec_async(&mut connection)).await
    }

    /// Whether Redis answers.
    pub(crate) async fn check(&self) -> Result<()> {
        let mut connection = self.connection.clone();
        self.bounded(redis::cmd("PING").exec_async(&mut connection)).await
    }

    /// Whether Redis answers; if not, why, for the operator.
    pub async fn reach(&self) -> std::result::Result<(), String> {
        self.check().await.map_err(|error| crate::errors::describe(&error))
    }

    async fn bounded<T>(&self, answer: impl Future<Output = redis::RedisResult<T>>) -> Result<T> {
        // Connecting, trying again and answering each have their own limit; together they get this one.
        match tokio::time::timeout(self.answer_within * 2, answer).await {
            Ok(answer) => answer.map_err(|error| Error::Down(Part::RateLimiter, error.into())),
            Err(elapsed) => Err(Error::Down(Part::RateLimiter, elapsed.into())),
        }
    }

    /// Where it stands who vouches.
    fn voucher(&self) -> String {
        format!("{}vouched", self.prefix)
    }

    fn key(&self, org: Uuid) -> String {
        format!("{}audit_exports:{org}", self.prefix)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
