//! What stands around every page: the rail, the organisation, the notice of what was just done.

use db::members::Membership;
use evidence::org::Plan;

use super::asset;
use super::visit::Visit;
use crate::errors::Error;

/// The places of the rail, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Nowhere,
    Overview,
    Findings,
    Scans,
    Compliance,
    AuditLog,
    Settings,
    Runs,
    Queues,
    Schedules,
    Chains,
}

/// A place, its path below the organisation (or `/ops`), its words and its drawing.
pub(super) struct Link {
    place: Place,
    pub(super) path: &'static str,
    pub(super) label: &'static str,
    /// Path data of a 24 × 24 drawing.
    pub(super) icon: &'static str,
}

const OF_ORG: [Link; 6] = [
    Link {
        place: Place::Overview,
        path: "",
        label: "Overview",
        icon: "M4 19h16M7 16v-5M12 16V6M17 16v-8",
    },
    Link {
        place: Place::Findings,
        path: "/findings",
        label: "Findings",
        icon: "M4 6h10M4 12h16M4 18h7M18 5.5v.01",
    },
    Link {
        place: Place::Scans,
        path: "/scans",
        label: "Scans",
        icon: "M4 8V5h3M17 5h3v3M20 16v3h-3M7 19H4v-3M8 12h8",
    },
    Link {
        place: Place::Compliance,
        path: "/compliance",
        label: "Compliance",
        icon: "M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6zM9 12l2 2 4-4",
    },
    Link {
        place: Place::AuditLog,
        path: "/audit-log",
        label: "Audit log",
        icon: "M9 12h6M8 8H7a4 4 0 000 8h1M16 8h1a4 4 0 010 8h-1",
    },
    Link {
        place: Place::Settings,
        path: "/settings/members",
        label: "Settings",
        icon: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4",
    },
];

const OF_OPERATOR: [Link; 4] = [
    Link { place: Place::Runs, path: "/runs", label: "Runs", icon: "M5 6h14M5 12h9M5 18h5" },
    Link {
        place: Place::Queues,
        path: "/queues",
        label: "Queues and workers",
        icon: "M4 6h16v4H4zM4 14h16v4H4zM8 8v.01M8 16v.01",
    },
    Link {
        place: Place::Schedules,
        path: "/schedules",
        label: "Schedules",
        icon: "M12 7v5l3 2M12 21a9 9 0 110-18 9 9 0 010 18z",
    },
    Link {
        place: Place::Chains,
        path: "/chains",
        label: "Chains and storage",
        icon: "M5 7c0-2 14-2 14 0v10c0 2-14 2-14 0zM5 12c0 2 14 2 14 0",
    },
];

/// What a page says at its top of what was just done, or was not.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    pub(super) tone: &'static str,
    pub(super) text: String,
}

impl Notice {
    pub(super) fn done(text: impl Into<String>) -> Self {
        Self { tone: "good", text: text.into() }
    }

    pub(super) fn refused(error: &Error) -> Self {
        Self { tone: "bad", text: error.message() }
    }
}

/// What the frame shows.
pub(super) struct Frame {
    pub(super) assets: String,
    pub(super) title: String,
    place: Place,
    pub(super) who: String,
    pub(super) is_operator: bool,
    /// The organisation that is looked at.
    pub(super) org: Option<Membership>,
    /// The visitor's others.
    pub(super) others: Vec<Membership>,
    pub(super) csrf_token: String,
    pub(super) notice: Option<Notice>,
}

impl Frame {
    /// `slug`: the organisation that is looked at, if it is one.
    pub(super) fn new(visit: &Visit, slug: Option<&str>, place: Place, title: &str) -> Self {
        let is_here = |org: &&Membership| Some(org.slug.as_str()) == slug;
        let org = visit.orgs.iter().find(is_here).cloned();
        let others = visit.orgs.iter().filter(|org| !is_here(org)).cloned().collect();
        let title = match &org {
            Some(org) => format!("{title} · {} · driftpack", org.name),
            None => format!("{title} · driftpack"),
        };
        Self {
            assets: asset::folder(),
            title,
            place,
            who: visit.who.clone(),
            is_operator: visit.person.user.is_platform_admin,
            org,
            others,
            csrf_token: visit.person.csrf_token(),
            notice: None,
        }
    }

    /// With what is to be said at the top.
    pub(super) fn saying(mut self, notice: Option<Notice>) -> Self {
        self.notice = notice;
        self
    }

    /// Where the pages of the organisation lie.
    pub(super) fn base(&self) -> String {
        self.org.as_ref().map_or_else(String::new, |org| format!("/orgs/{}", org.slug))
    }

    pub(super) fn links(&self) -> &'static [Link] {
        if self.org.is_some() { &OF_ORG } else { &[] }
    }

    pub(super) fn operator_links(&self) -> &'static [Link] {
        if self.is_operator { &OF_OPERATOR } else { &[] }
    }

    pub(super) fn is_at(&self, link: &Link) -> bool {
        self.place == link.place
    }

    pub(super) fn plan(plan: &Plan) -> &'static str {
        match plan {
            Plan::Free => "Free plan",
            Plan::Team => "Team plan",
            Plan::Enterprise => "Enterprise plan",
        }
    }
}
