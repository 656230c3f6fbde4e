//! What the operator's pages count: each figure once for everybody who looks.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use engine::{Count, FailureGroup, KeyView, QueueView, Recent, RunState, WorkerView};
use evidence::time::Time;

use super::storage::Storage;
use crate::errors::Result;
use crate::pages::kept::Kept;
use crate::state::State;

/// Ended runs are counted from so many hours ago.
const COUNTED_HOURS: i64 = 24;
/// Minutes of a sparkline.
pub(super) const MINUTES: usize = 60;
/// The newest runs that a sparkline is drawn from.
const RECENT_MAX: usize = 50_000;
/// The newest failed runs that are grouped.
pub(super) const FAILED_MAX: usize = 5_000;
const KEYS: usize = 20;

/// Runs by workflow and state.
pub(super) struct Counted {
    pub(super) counts: Vec<Count>,
}

/// What is due, and who does it.
pub(super) struct Load {
    pub(super) queues: Vec<QueueView>,
    pub(super) keys: Vec<KeyView>,
    pub(super) workers: Vec<WorkerView>,
}

/// Failed runs by their error.
pub(super) struct Failures {
    pub(super) groups: Vec<FailureGroup>,
    pub(super) counted_at: Time,
}

/// The figures of this process.
pub(crate) struct Figures {
    counts: Kept<Counted>,
    load: Kept<Load>,
    recent: Kept<Recent>,
    failures: Kept<Failures>,
    storage: Kept<Storage>,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            counts: Kept::new(Duration::from_secs(5)),
            load: Kept::new(Duration::from_secs(2)),
            recent: Kept::new(Duration::from_secs(10)),
            failures: Kept::new(Duration::from_secs(10)),
            storage: Kept::new(Duration::from_mins(1)),
        }
    }
}

impl Figures {
    /// Somebody has changed the states of runs.
    pub(super) fn runs_changed(&self) {
        self.counts.forget();
        self.load.forget();
        self.failures.forget();
    }
}

/// Every run that has not ended, and those of the last hours that have.
pub(super) async fn counts(state: &Arc<State>, now: Time) -> Result<Option<Arc<Counted>>> {
    let engine = state.engine.clone();
    let count = async move {
        Ok(Counted { counts: engine.counts(now - TimeDelta::hours(COUNTED_HOURS)).await? })
    };
    state.ops.counts.get(count).await
}

pub(super) async fn load(state: &Arc<State>) -> Result<Option<Arc<Load>>> {
    let engine = state.engine.clone();
    let count = async move {
        Ok(Load {
            queues: engine.queues().await?,
            keys: engine.queued_keys(KEYS).await?,
            workers: engine.workers().await?,
        })
    };
    state.ops.load.get(count).await
}

/// The ends of the last hour.
pub(super) async fn recent(state: &Arc<State>, now: Time) -> Result<Option<Arc<Recent>>> {
    let engine = state.engine.clone();
    let minutes = i64::try_from(MINUTES).unwrap_or(i64::MAX);
    let since = now - TimeDelta::minutes(minutes);
    state.ops.recent.get(async move { Ok(engine.recent(since, RECENT_MAX).await?) }).await
}

pub(super) async fn failures(state: &Arc<State>, now: Time) -> Result<Option<Arc<Failures>>> {
    let engine = state.engine.clone();
    let count =
        async move { Ok(Failures { groups: engine.failures(FAILED_MAX).await?, counted_at: now }) };
    state.ops.failures.get(count).await
}

pub(super) async fn storage(state: &Arc<State>, now: Time) -> Result<Option<Arc<Storage>>> {
    let of = Arc::clone(state);
    state.ops.storage.get(async move { Storage::count(&of, now).await }).await
}

impl Counted {
    /// The states that there are runs in, in the order of a run's life, and how many.
    pub(super) fn by_state(&self) -> Vec<(RunState, u64)> {
        let of = |state| {
            let of_state = self.counts.iter().filter(|count| count.state == state);
            of_state.map(|count| count.runs).sum::<u64>()
        };
        RunState::ALL.into_iter().map(|state| (state, of(state))).filter(|(_, n)| *n > 0).collect()
    }

    /// The workflows that there are runs of, by name.
    pub(super) fn workflows(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.counts.iter().map(|count| count.workflow.as_str()).collect();
        names.dedup();
        names
    }
}
