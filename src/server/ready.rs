//! Whether every dependency answers, by name.
//!
//! Invariants
//! - One round of checks at a time, and at most one a second: the endpoint is open to everybody.
//! - The answer never says why: addresses and errors are for the log.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::errors::describe;
use crate::state::State;

const ANSWER_WITHIN: Duration = Duration::from_secs(3);
const REMEMBERED: Duration = Duration::from_secs(1);

/// One dependency and whether it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: &'static str,
    pub(crate) is_ok: bool,
}

/// The latest round of checks.
#[derive(Default)]
pub(crate) struct Readiness(Mutex<Option<(Instant, Vec<Dependency>)>>);

impl Readiness {
    pub(crate) async fn dependencies(&self, state: &State) -> Vec<Dependency> {
        let mut latest = self.0.lock().await;
        if let Some((at, found)) = latest.as_ref()
            && at.elapsed() < REMEMBERED
        {
            return found.clone();
        }
        let found = round(state).await;
        *latest = Some((Instant::now(), found.clone()));
        found
    }
}

async fn round(state: &State) -> Vec<Dependency> {
    let mut checks: Vec<(&'static str, BoxFuture<'_, Result<(), String>>)> = vec![
        ("postgres", postgres(state).boxed()),
        ("redis", async { state.limiter.check().await.map_err(|error| describe(&error)) }.boxed()),
        (
            "storage",
            async { state.storage.check().await.map_err(|error| describe(&error)) }.boxed(),
        ),
        (
            "issuer",
            async { state.verifier.check().await.map_err(|error| describe(&error)) }.boxed(),
        ),
    ];
    checks.extend(state.probes.iter().map(|probe| (probe.name, (probe.check)())));
    join_all(checks.into_iter().map(|(name, check)| async move {
        let cause = match tokio::time::timeout(ANSWER_WITHIN, check).await {
            Ok(Ok(())) => return Dependency { name, is_ok: true },
            Ok(Err(cause)) => cause,
            Err(_) => format!("no answer within {} seconds", ANSWER_WITHIN.as_secs()),
        };
        tracing::warn!(dependency = name, cause, "a dependency is not ready");
        Dependency { name, is_ok: false }
    }))
    .await
}

async fn postgres(state: &State) -> Result<(), String> {
    let mut conn = state.pool.acquire().await.map_err(|error| describe(&error))?;
    sqlx::Connection::ping(&mut *conn).await.map_err(|error| describe(&error))
}
