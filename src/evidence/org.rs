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
    /// Where an invitation stands.
    pub enum InvitationStatus as "invitation status" {
        Pending = "pending",
        /// Somebody became a member by it, or was one already.
        Accepted = "accepted",
        Revoked = "revoked",
        Expired = "expired",
    }
}

words! {
    /// What an API key may do.
    pub enum Scope as "scope" {
        Read = "read",
        Write = "write",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_powerful_role_is_the_greater_one() {
        assert!(Role::Owner > Role::Admin && Role::Admin > Role::Member);
        assert!(Role::Member > Role::Viewer);
    }

    #[test]
    fn words_are_read_back_exactly_and_unknown_ones_refused() {
        for role in Role::ALL.iter().copied() {
            assert_eq!(role.as_str().parse(), Ok(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
        let refused = "Owner".parse::<Role>().unwrap_err();
        assert_eq!(
            refused.to_string(),
            "unknown role; it must be one of: viewer, member, admin, owner"
        );
        assert!(serde_json::from_str::<Plan>("\"gold\"").is_err());
    }

    #[test]
    fn only_enterprise_has_no_limit() {
        assert_eq!(Plan::Free.pack_window(), PackWindow::None);
        assert_eq!(Plan::Team.pack_window(), PackWindow::Days(30));
        assert_eq!(Plan::Team.history(), Some(Duration::days(30)));
        assert_eq!(Plan::Enterprise.pack_window(), PackWindow::Unlimited);
        assert_eq!(Plan::Enterprise.history(), None);
    }
}
