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
mod plan;
mod remediation;
mod retention;
mod scan;
mod setting;
mod snapshot;

pub use audit::audit_range;
pub use coverage::{Gaps, coverage_monthly, gaps};
pub use exception::{Exception, Exceptions, exceptions, exceptions_in_numbers};
pub use finding::{Finding, FindingRow, Sequence, findings, sequence, top_risks};
pub use headline::{Counts, Figures, counts};
pub use plan::{PlanVersion, plan};
pub use remediation::{Remediation, remediation};
pub use retention::{Retained, retention};
pub use scan::{Scan, scans};
pub use setting::{CustomRule, StateSource, custom_rules, state_sources};
pub use snapshot::{Moment, Snapshot};

use evidence::ids::OrgId;
use evidence::risk::RiskLevel;
use evidence::sla;
use evidence::time::{Period, stamp};

/// A statement by its name, with what stands for each of its parameters: the first is `$1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    pub name: &'static str,
    pub sql: &'static str,
    pub parameters: &'static [Parameter],
}

/// What a statement is asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// The organisation, whose id also names its audit chain.
    Org,
    Start,
    End,
    /// Risk levels, the most severe first.
    Levels,
    /// Their targets in hours.
    Targets,
}

impl Parameter {
    /// The value in the text form of PostgreSQL.
    pub fn text(self, org: OrgId, period: Period) -> String {
        let array = |parts: Vec<String>| format!("{{{}}}", parts.join(","));
        let levels = RiskLevel::ALL.iter();
        match self {
            Self::Org => org.to_string(),
            Self::Start => stamp(period.start),
            Self::End => stamp(period.end),
            Self::Levels => array(levels.map(ToString::to_string).collect()),
            Self::Targets => {
                array(levels.map(|level| sla::target_hours(*level).to_string()).collect())
            }
        }
    }
}

const PERIOD: &[Parameter] = &[Parameter::Org, Parameter::Start, Parameter::End];
const AT_END: &[Parameter] = &[Parameter::Org, Parameter::End];

const fn query(name: &'static str, sql: &'static str, parameters: &'static [Parameter]) -> Query {
    Query { name, sql, parameters }
}

/// Every statement that a pack is made from.
pub const QUERIES: &[Query] = &[
    query("findings", finding::SQL, PERIOD),
    query("scans", scan::SQL, PERIOD),
    query("coverage_monthly", coverage::SQL, PERIOD),
    query(
        "remediation_sla",
        remediation::SQL,
        &[Parameter::Org, Parameter::Start, Parameter::End, Parameter::Levels, Parameter::Targets],
    ),
    query("custom_rules", setting::CUSTOM_RULES_SQL, AT_END),
    query("state_sources", setting::STATE_SOURCES_SQL, AT_END),
    query("exceptions", exception::SQL, PERIOD),
    query("exceptions_in_numbers", exception::IN_NUMBERS_SQL, PERIOD),
    query("audit_log", audit::SQL, PERIOD),
    query("audit_events", audit::EVENTS_SQL, PERIOD),
    query("audit_actions", audit::ACTIONS_SQL, PERIOD),
    query("plan", plan::SQL, AT_END),
    query("gaps", coverage::GAPS_SQL, PERIOD),
    query("top_risks", finding::TOP_RISKS_SQL, AT_END),
    query("headline", headline::SQL, PERIOD),
    query("sequence", finding::SEQUENCE_SQL, &[Parameter::Org]),
    query("retention", retention::SQL, &[Parameter::Org]),
];
