//! The pack's questions: one statement per section, all asked of one moment.
//!
//! Invariants
//! - Everything is read in a [`Snapshot`]: one REPEATABLE READ READ ONLY moment.
//! - A past period is read from history (finding events, versions), never from what is now.
//! - Long answers are streamed; memory here does not grow with them.
//! - "In the period" is `[start, end)`. What happens exactly at `start` happens in the period, what
//!   happens exactly at `end` does not; "open at start" means open up to `start`, "open at end" open
//!   up to `end`.
//!
//! Each statement is also exported as text, for the pack's provenance.

mod audit;
mod coverage;
mod exception;
mod finding;
mod headline;
mod remediation;
mod scan;
mod setting;
mod snapshot;

pub use audit::audit_range;
pub use coverage::{coverage_monthly, gaps};
pub use exception::{Exception, Exceptions, exceptions, exceptions_in_numbers};
pub use finding::{Finding, Sequence, findings, sequence, top_risks};
pub use headline::{Figures, headline};
pub use remediation::remediation_sla;
pub use scan::{Scan, scans};
pub use setting::{CustomRule, StateSource, custom_rules, state_sources};
pub use snapshot::{Moment, Snapshot};

/// A section's name and its statement. `$1` is the organisation, `$2` the start and `$3` the end of
/// the period; further parameters are named in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    pub name: &'static str,
    pub sql: &'static str,
}

/// Every statement that a pack is made from, by the name of its section.
pub const QUERIES: &[Query] = &[
    Query { name: "findings", sql: finding::SQL },
    Query { name: "scans", sql: scan::SQL },
    Query { name: "coverage_monthly", sql: coverage::SQL },
    Query { name: "remediation_sla", sql: remediation::SQL },
    Query { name: "custom_rules", sql: setting::CUSTOM_RULES_SQL },
    Query { name: "state_sources", sql: setting::STATE_SOURCES_SQL },
    Query { name: "exceptions", sql: exception::SQL },
    Query { name: "audit_log", sql: audit::SQL },
    Query { name: "gaps", sql: coverage::GAPS_SQL },
    Query { name: "top_risks", sql: finding::TOP_RISKS_SQL },
    Query { name: "headline", sql: headline::SQL },
    Query { name: "sequence", sql: finding::SEQUENCE_SQL },
];
