//! Organisations: what a plan includes, what a role may do.

use chrono::Duration;

use crate::text::words;

words! {
    /// What the organisation has bought.
    pub enum Plan as "plan" {
        Free = "free",
        Team = "team",
        Enterprise = "enterprise",
    }
}

/// How far back a pack may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackWindow {
    /// No packs in this plan.
    None,
    /// `period_start` may lie at most this many days back.
    Days(u32),
    Unlimited,
}

impl Plan {
    /// How long history is kept; `None`: without limit.
    pub fn history(self) -> Option<Duration> {
        match self {
            Self::Free => Some(Duration::hours(24)),
            Self::Team => Some(Duration::days(30)),
            Self::Enterprise => None,
        }
    }

    pub fn pack_window(self) -> PackWindow {
        match self {
            Self::Free => PackWindow::None,
            Self::Team => PackWindow::Days(30),
            Self::Enterprise => PackWindow::Unlimited,
        }
    }
}

words! {
    /// What a person may do in an organisation; the more powerful role is the greater one.
    pub enum Role as "role" {
        Viewer = "viewer",
        Member = "member",
        Admin = "admin",
        Owner = "owner",
    }
}

words! {
    /// What an API key may do.
    pub enum Scope as "scope" {
        Read = "read",
        Write = "write",
    }
}
