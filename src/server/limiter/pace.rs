//! How fast one caller may change things: a looser limit, on every write of a person or an API key.
//!
//! Invariants
//! - One number per caller in Redis, which goes by itself; so many calls at once, and then evenly.
//! - While Redis is away each server counts for itself, in as much memory as is set here: a scan is not refused for the sake of a
//!   limit that only keeps callers apart, and nobody is unlimited.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::Script;
use tokio::time::Instant;

use super::{Limiter, Quota, micros};
use crate::errors::{Error, Limited, Part, Result, describe};

/// A write waits no longer than this for a limit that only keeps callers apart.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// How many callers a server counts by itself. When there are more, those known before are forgotten.
const CALLERS_MAX: usize = 10_000;

/// The counts of this server, for when Redis is away.
#[derive(Clone, Debug, Default)]
pub(super) struct Own(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    since: Option<Instant>,
    calls: HashMap<String, u32>,
}

impl Limiter {
    /// Counts a write of `caller`; refuses it when there were too many.
    pub(crate) async fn pace(&self, caller: &str) -> Result<()> {
        let wait_micros = match self.ask_pace(caller).await {
            Ok(wait_micros) => u64::try_from(wait_micros).unwrap_or(0),
            Err(error) => {
                tracing::warn!(cause = %describe(&error), "writes are counted by this server alone");
                self.own.wait_micros(caller, self.writes)
            }
        };
        if wait_micros == 0 {
            return Ok(());
        }
        Err(Error::RateLimited {
            of: Limited::Writes,
            limit: self.writes.limit,
            window_seconds: self.writes.window.as_secs(),
            retry_after_seconds: wait_micros.div_ceil(1_000_000),
        })
    }

    async fn ask_pace(&self, caller: &str) -> Result<i64> {
        let script = Script::new(include_str!("pace.lua"));
        let mut call = script.key(format!("{}writes:{caller}", self.prefix));
        call.arg(self.writes.limit).arg(micros(self.writes.window));
        let mut connection = self.connection.clone();
        match tokio::time::timeout(ANSWER_WITHIN, call.invoke_async(&mut connection)).await {
            Ok(answer) => answer.map_err(|error| Error::Down(Part::RateLimiter, error.into())),
            Err(elapsed) => Err(Error::Down(Part::RateLimiter, elapsed.into())),
        }
    }
}

impl Own {
    /// A fixed window: coarser than Redis' count, and good enough for as long as that is away.
    fn wait_micros(&self, caller: &str, quota: Quota) -> u64 {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let since = counts.since.filter(|since| now < *since + quota.window);
        if since.is_none() || counts.calls.len() >= CALLERS_MAX {
            counts.calls.clear();
        }
        let since = *counts.since.insert(since.unwrap_or(now));
        let calls = counts.calls.entry(caller.to_owned()).or_default();
        if *calls < quota.limit {
            *calls += 1;
            return 0;
        }
        let left: Duration = (since + quota.window).saturating_duration_since(now);
        u64::try_from(left.as_micros()).unwrap_or(u64::MAX).max(1)
    }
}
