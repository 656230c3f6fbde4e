//! What was done in a period, counted while the entries of a chain are read.

use std::collections::BTreeMap;

/// How often something was done in the period, and where in the log it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    pub action: String,
    pub entries: u64,
    pub first_seq: i64,
    pub last_seq: i64,
}

/// By action.
#[derive(Default)]
pub(super) struct Deeds(BTreeMap<String, Done>);

impl Deeds {
    /// Counts the entry `seq`, which follows those that were counted before.
    pub(super) fn add(&mut self, action: &str, seq: i64) {
        if let Some(done) = self.0.get_mut(action) {
            done.entries += 1;
            done.last_seq = seq;
        } else {
            let action = action.to_owned();
            let done = Done { action: action.clone(), entries: 1, first_seq: seq, last_seq: seq };
            self.0.insert(action, done);
        }
    }

    pub(super) fn told(&self) -> Vec<Done> {
        self.0.values().cloned().collect()
    }
}
