//! Who may have such a report made, and what was done in its period to what it rests on.

use evidence::org::Role;
use serde::{Deserialize, Serialize};

use super::Query;

/// Access to the report, and control over its logic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    pub may_request: Vec<Role>,
    pub may_download: Vec<Role>,
    /// How the logic itself changes.
    pub logic: String,
}

impl Access {
    /// What the API enforces.
    pub fn enforced() -> Self {
        Self {
            may_request: vec![Role::Owner, Role::Admin],
            may_download: vec![Role::Owner, Role::Admin],
            logic: "The queries are part of the program and change with its version only; each is given here with its \
                    SHA-256. Requests and downloads need a person; API keys are refused."
                .to_owned(),
        }
    }
}

/// What was done in the period, by action: changes of rules, sources, people, keys and plan are among them. The entries
/// themselves are in `audit_events.ndjson`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    pub queries: Vec<Query>,
    pub actions: Vec<ActionCount>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionCount {
    pub action: String,
    pub entries: u64,
    /// Where in the audit log the first and the last of them stand.
    pub first_seq: i64,
    pub last_seq: i64,
}
