//! Who changes something, from which request, and when: what every audited change is told.

use evidence::action::{Action, Actor, Outcome};
use evidence::chain::Draft;
use evidence::ids;
use evidence::time::Time;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The cause of a change. Its time dates rows; the chain takes its own time under its lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub actor: Actor,
    /// Request id or workflow run id.
    pub origin: String,
    pub now: Time,
}

/// What stands in the audit log for a text that people wrote: the chain can be erased from nowhere,
/// the text itself can. Lower-case hex.
pub(crate) fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

impl Cause {
    pub fn new(actor: Actor, origin: impl Into<String>, now: Time) -> Self {
        Self { actor, origin: origin.into(), now }
    }

    /// A fresh id for a row that this cause makes.
    pub(crate) fn id(&self) -> Uuid {
        ids::v7(self.now, rand::random())
    }

    /// The audit entry of a change that succeeded.
    pub(crate) fn draft<const N: usize>(
        &self,
        action: Action,
        detail: [(&str, Value); N],
    ) -> Draft {
        self.outcome(action, Outcome::Success, detail)
    }

    /// The audit entry of something that ended in `outcome`.
    pub(crate) fn outcome<const N: usize>(
        &self,
        action: Action,
        outcome: Outcome,
        detail: [(&str, Value); N],
    ) -> Draft {
        let detail = detail.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        self.entry(action, outcome, detail)
    }

    /// The audit entry of something that ended in `outcome`, whatever there is to say of it.
    pub(crate) fn entry(
        &self,
        action: Action,
        outcome: Outcome,
        detail: Map<String, Value>,
    ) -> Draft {
        Draft {
            id: self.id(),
            actor: self.actor.clone(),
            action,
            detail,
            origin: self.origin.clone(),
            outcome,
        }
    }
}
