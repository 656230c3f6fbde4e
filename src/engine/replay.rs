//! The journal of a run in memory: reading recorded steps back in the order they were made.
//!
//! Invariant: what the code asks for and what the journal holds must agree by name, occurrence, kind
//! and order; a live step is allowed only after every recorded one. Anything else is a
//! contradiction, which stops the run (`nondeterministic`) before it does any more.

use std::collections::HashMap;

use serde::de::DeserializeOwned;

use crate::store::journal::Entry;
use crate::{Failure, FailureKind};

/// What a step finds when the code reaches it.
pub(crate) enum Arrival<T> {
    /// It is on record; this is its result.
    Recorded(Result<T, Failure>),
    /// It has to run.
    Live(Live),
}

/// A step that has to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Live {
    pub(crate) name: &'static str,
    pub(crate) occurrence: i32,
    pub(crate) seq: i32,
    pub(crate) kind: &'static str,
    /// Attempts on record, the lost ones included.
    pub(crate) attempts: i32,
    pub(crate) losses: i32,
}

impl Live {
    pub(crate) fn failed(self) -> Self {
        Self { attempts: self.attempts + 1, ..self }
    }

    pub(crate) fn lost(self, workers: i32) -> Self {
        Self { attempts: self.attempts + workers, losses: self.losses + workers, ..self }
    }
}

/// The journal of a run.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: Vec<Entry>,
    /// How many entries have been read back.
    read: usize,
    /// The last sequence number given out.
    seq: i32,
    uses: HashMap<&'static str, i32>,
    /// Workers that died since the last write.
    pub(crate) losses: i32,
}

impl Journal {
    pub(crate) fn new(entries: Vec<Entry>, losses: i32) -> Self {
        Self { entries, losses, ..Self::default() }
    }

    /// Entries that the code has not asked for yet.
    pub(crate) fn unread(&self) -> usize {
        self.entries.len() - self.read
    }

    /// The next use of `name`, or why the journal contradicts it.
    pub(crate) fn arrive<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        kind: &'static str,
    ) -> Result<Arrival<T>, Failure> {
        let uses = self.uses.entry(name).or_default();
        let occurrence = *uses;
        *uses += 1;
        self.seq += 1;
        let fresh = Live { name, occurrence, seq: self.seq, kind, attempts: 0, losses: 0 };
        let Some(entry) = self.entries.get(self.read) else {
            return Ok(Arrival::Live(fresh));
        };
        if (entry.name.as_str(), entry.occurrence, entry.kind.as_str()) != (name, occurrence, kind)
        {
            return Err(contradiction(format!(
                "the code asks for {kind} {name}#{occurrence}, the journal holds {} {}#{} at place {}",
                entry.kind, entry.name, entry.occurrence, entry.seq,
            )));
        }
        self.read += 1;
        if entry.state == "retrying" {
            return Ok(Arrival::Live(Live {
                attempts: entry.attempts,
                losses: entry.losses,
                ..fresh
            }));
        }
        recorded(entry).map(Arrival::Recorded)
    }
}

/// The recorded result of a finished step.
fn recorded<T: DeserializeOwned>(entry: &Entry) -> Result<Result<T, Failure>, Failure> {
    if let Some(output) = &entry.output {
        return serde_json::from_str(output.0.get()).map(Ok).map_err(|error| {
            contradiction(format!(
                "the recorded result of {} no longer parses: {error}",
                entry.name
            ))
        });
    }
    match &entry.error {
        Some(error) => Ok(Err(error.0.restore())),
        None => Err(contradiction(format!("step {} is on record without a result", entry.name))),
    }
}

/// The failure that stops a run whose code does not fit its journal.
pub(crate) fn contradiction(message: String) -> Failure {
    Failure::of(FailureKind::Nondeterministic, message).code("nondeterministic")
}
