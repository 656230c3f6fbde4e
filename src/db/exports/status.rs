//! The states of an export, and the legal steps between them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `pending → running → done → expired`, or `failed`, or `deleted`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Pending,
    Running,
    Done,
    Failed,
    Expired,
    Deleted,
}

/// A word that is no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown export status; it must be one of: pending, running, done, failed, expired, deleted"
)]
pub struct Unknown;

impl Status {
    /// In the order of a life.
    pub const ALL: &'static [Self] =
        &[Self::Pending, Self::Running, Self::Done, Self::Failed, Self::Expired, Self::Deleted];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Deleted => "deleted",
        }
    }

    /// Whether an export in this state may step to `next`. `failed → running` is an operator's retry.
    ///
    /// The database holds the same table as a trigger; a test compares the two.
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Pending, Self::Running | Self::Failed | Self::Deleted)
                | (Self::Running, Self::Done | Self::Failed | Self::Deleted)
                | (Self::Failed, Self::Running | Self::Deleted)
                | (Self::Done, Self::Expired | Self::Deleted)
        )
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Status {
    type Err = Unknown;

    fn from_str(word: &str) -> Result<Self, Unknown> {
        Self::ALL.iter().copied().find(|status| status.as_str() == word).ok_or(Unknown)
    }
}
