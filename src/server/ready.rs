//! Whether every dependency answers, by name.
//!
//! Invariants
//! - One round of checks at a time, and at most one a second: the endpoint is open to everybody.
//! - A probe that is slow is not broken off, and not begun again while it runs: it may share what it
//!   looks at with work that must not be disturbed. Meanwhile its last success counts for a while.
//! - The answer never says why: addresses and errors are for the log.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::errors::describe;
use crate::state::{Probe, State};

const ANSWER_WITHIN: Duration = Duration::from_secs(3);
const REMEMBERED: Duration = Duration::from_secs(1);
/// How long a probe that does not answer is believed to say what it said.
const BELIEVED: Duration = Duration::from_mins(1);

/// One dependency and whether it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: &'static str,
    pub(crate) is_ok: bool,
}

/// The latest round of checks.
#[derive(Default)]
pub(crate) struct Readiness(Mutex<Rounds>);

#[derive(Default)]
struct Rounds {
    latest: Option<(Instant, Vec<Dependency>)>,
    probes: HashMap<&'static str, Watched>,
}

/// A probe over several rounds.
#[derive(Default)]
struct Watched {
    running: Option<JoinHandle<Result<(), String>>>,
    succeeded_at: Option<Instant>,
}

impl Readiness {
    pub(crate) async fn dependencies(&self, state: &State) -> Vec<Dependency> {
        let mut rounds = self.0.lock().await;
        if let Some((at, found)) = &rounds.latest
            && at.elapsed() < REMEMBERED
        {
            return found.clone();
        }
        let found = rounds.round(state).await;
        rounds.latest = Some((Instant::now(), found.clone()));
        found
    }
}

impl Rounds {
    async fn round(&mut self, state: &State) -> Vec<Dependency> {
        for probe in &state.probes {
            self.probes.entry(probe.name).or_default().begin(probe);
        }
        let own = checks(state).into_iter().map(|(name, check)| {
            async move { (name, tokio::time::timeout(ANSWER_WITHIN, check).await.ok()) }.boxed()
        });
        let probes = self.probes.iter_mut().map(|(name, probe)| {
            async move { (*name, probe.answer(ANSWER_WITHIN, BELIEVED).await) }.boxed()
        });
        let answers = join_all(own.chain(probes)).await;
        answers.into_iter().map(|(name, answer)| dependency(name, answer)).collect()
    }
}

/// `answer`: `None` when it did not come in time.
fn dependency(name: &'static str, answer: Option<Result<(), String>>) -> Dependency {
    let cause = match answer {
        Some(Ok(())) => return Dependency { name, is_ok: true },
        Some(Err(cause)) => cause,
        None => format!("no answer within {} seconds", ANSWER_WITHIN.as_secs()),
    };
    tracing::warn!(dependency = name, cause, "a dependency is not ready");
    Dependency { name, is_ok: false }
}

impl Watched {
    fn begin(&mut self, probe: &Probe) {
        if self.running.is_none() {
            self.running = Some(tokio::spawn((probe.check)()));
        }
    }

    /// What the probe says; while it says nothing, its last success, if that is not long ago.
    async fn answer(&mut self, within: Duration, believed: Duration) -> Option<Result<(), String>> {
        let running = self.running.as_mut()?;
        let Ok(ended) = tokio::time::timeout(within, running).await else {
            let is_believed = self.succeeded_at.is_some_and(|at| at.elapsed() < believed);
            return is_believed.then_some(Ok(()));
        };
        self.running = None;
        let answer = ended.unwrap_or_else(|error| Err(describe(&error)));
        self.succeeded_at = answer.is_ok().then(Instant::now);
        Some(answer)
    }
}

type Check<'a> = BoxFuture<'a, Result<(), String>>;

fn checks(state: &State) -> Vec<(&'static str, Check<'_>)> {
    let mut checks: Vec<(_, Check<'_>)> = vec![
        ("postgres", postgres(state).boxed()),
        (
            "storage",
            async { state.storage.check().await.map_err(|error| describe(&error)) }.boxed(),
        ),
    ];
    // Nobody is admitted and nothing is counted where nobody asks.
    if state.answers_requests {
        let redis = async { state.limiter.check().await.map_err(|error| describe(&error)) };
        let issuer = async { state.verifier.check().await.map_err(|error| describe(&error)) };
        checks.extend([("redis", redis.boxed() as Check<'_>), ("issuer", issuer.boxed())]);
    }
    checks
}

async fn postgres(state: &State) -> Result<(), String> {
    let mut conn = state.pool.acquire().await.map_err(|error| describe(&error))?;
    sqlx::Connection::ping(&mut *conn).await.map_err(|error| describe(&error))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::watch;

    use super::*;

    /// A probe that ends when the test says so, and how often it was begun.
    fn probe(may_end: &watch::Receiver<bool>, begun: &Arc<AtomicUsize>) -> Probe {
        let (may_end, begun) = (may_end.clone(), Arc::clone(begun));
        let check = move || -> BoxFuture<'static, Result<(), String>> {
            let mut may_end = may_end.clone();
            begun.fetch_add(1, Ordering::Relaxed);
            async move {
                may_end.wait_for(|may| *may).await.map_err(|error| error.to_string())?;
                Ok(())
            }
            .boxed()
        };
        Probe { name: "slow", check: Arc::new(check) }
    }

    #[tokio::test]
    async fn a_slow_probe_is_neither_broken_off_nor_doubled_and_its_success_is_believed_for_a_while()
     {
        const WITHIN: Duration = Duration::from_millis(20);
        const LONG: Duration = Duration::from_hours(1);
        let (allow, may_end) = watch::channel(true);
        let begun = Arc::new(AtomicUsize::new(0));
        let probe = probe(&may_end, &begun);
        let mut watched = Watched::default();
        let mut ask = async |within, believed| {
            watched.begin(&probe);
            watched.answer(within, believed).await
        };
        assert_eq!(ask(LONG, LONG).await, Some(Ok(())));
        allow.send_replace(false);
        assert_eq!(ask(WITHIN, LONG).await, Some(Ok(())));
        assert_eq!(ask(WITHIN, LONG).await, Some(Ok(())));
        assert_eq!(ask(WITHIN, Duration::ZERO).await, None);
        assert_eq!(begun.load(Ordering::Relaxed), 2, "the second probe is still the same");
        allow.send_replace(true);
        assert_eq!(ask(LONG, LONG).await, Some(Ok(())));
        assert_eq!(begun.load(Ordering::Relaxed), 2);
    }
}
