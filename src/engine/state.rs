//! The states of a run and the moves between them.
//!
//! Invariant: the database holds the same table (`engine.run_may_become`) and refuses every other
//! move; a test compares the two. Not here: who moves a run, and why.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Due: the next free worker takes it.
    Queued,
    /// A worker holds its lease.
    Running,
    /// Not due before its `wake_at`; holds no worker.
    Waiting,
    /// Set aside by an operator until it is resumed; holds no worker.
    Paused,
    /// Ended with an output.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Ended by a request to cancel.
    Cancelled,
}

impl RunState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::Paused,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Whether a run in this state may move to `next`.
    pub const fn may_become(self, next: Self) -> bool {
        use RunState::{Cancelled, Failed, Paused, Queued, Running, Succeeded, Waiting};
        matches!(
            (self, next),
            (Queued, Running | Paused)
                | (Waiting, Queued | Paused)
                | (Paused, Queued | Waiting)
                | (Running, Queued | Waiting | Paused | Succeeded | Failed | Cancelled)
                | (Failed, Queued)
        )
    }

    /// Whether the run is over (a failed one may be sent back by an operator).
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no run state {0:?}")]
pub struct UnknownState(String);

impl FromStr for RunState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownState(text.to_owned()))
    }
}
