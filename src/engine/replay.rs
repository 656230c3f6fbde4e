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

/// The kind of entry that says which of two ways the code went at a patch.
pub(crate) const PATCH: &str = "patch";

/// What a patch finds when the code reaches it.
pub(crate) enum Patch {
    /// This was answered before, here or in an earlier process.
    Known(bool),
    /// Nothing of the run is left to be read back: it goes the new way, once that is on record.
    Fresh(Live),
}

/// The journal of a run.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: Vec<Entry>,
    /// How many entries have been read back.
    read: usize,
    /// Entries that are not read back yet, without patches.
    unread: usize,
    /// The last sequence number given out.
    seq: i32,
    uses: HashMap<&'static str, i32>,
    patches: HashMap<&'static str, bool>,
    /// Workers that died since the last write.
    pub(crate) losses: i32,
}

impl Journal {
    pub(crate) fn new(entries: Vec<Entry>, losses: i32) -> Self {
        let unread = entries.iter().filter(|entry| entry.kind != PATCH).count();
        Self { entries, unread, losses, ..Self::default() }
    }

    /// Entries that the code has not asked for yet. It need not ask for patches.
    pub(crate) fn unread(&self) -> usize {
        self.unread
    }

    /// Which way the code is to go at `name`.
    pub(crate) fn patch(&mut self, name: &'static str) -> Patch {
        if let Some(known) = self.patches.get(name) {
            return Patch::Known(*known);
        }
        let here = self.entries[self.read..].iter().take_while(|entry| entry.kind == PATCH);
        let ahead = here.clone().count();
        if here.clone().any(|entry| entry.name == name) {
            self.patches.insert(name, true);
            return Patch::Known(true);
        }
        if self.unread > 0 {
            self.patches.insert(name, false);
            return Patch::Known(false);
        }
        self.skip(ahead);
        self.patches.insert(name, true);
        self.seq += 1;
        Patch::Fresh(Live {
            name,
            occurrence: 0,
            seq: self.seq,
            kind: PATCH,
            attempts: 0,
            losses: 0,
        })
    }

    /// The place of the next step.
    pub(crate) fn next_seq(&self) -> i32 {
        let patches = self.entries[self.read..].iter().take_while(|entry| entry.kind == PATCH);
        self.seq + 1 + i32::try_from(patches.count()).unwrap_or(i32::MAX)
    }

    /// Passes over `count` patches.
    fn skip(&mut self, count: usize) {
        self.read += count;
        self.seq += i32::try_from(count).unwrap_or(i32::MAX);
    }

    /// The next use of `name`, or why the journal contradicts it.
    pub(crate) fn arrive<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        kind: &'static str,
    ) -> Result<Arrival<T>, Failure> {
        let patches = self.entries[self.read..].iter().take_while(|entry| entry.kind == PATCH);
        self.skip(patches.count());
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
        self.unread -= 1;
        if matches!(entry.state.as_str(), "retrying" | "waiting") {
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
