//! What went wrong in a step or a workflow, and whether trying again can help.
//!
//! Invariants: the cause and its whole source chain survive into the database; text is bounded and
//! holds no NUL, so that it can always be stored. Suspension, cancellation and a lost lease are never
//! failures: the engine drops the workflow's future instead, so an author may catch any `Failure`.

use std::error::Error as StdError;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest stored message, in bytes.
const MESSAGE_BYTES: usize = 4096;
/// Longest stored chain of causes.
const CAUSES: usize = 16;

/// How an attempt or a run failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Trying again can help.
    Transient,
    /// Trying again cannot help.
    Permanent,
    /// The code panicked. Tried again like a transient failure.
    Panicked,
    /// The attempt took longer than its policy allows. Tried again like a transient failure.
    TimedOut,
    /// The worker died under the attempt. Tried again, within an allowance of its own.
    WorkerLost,
    /// The code asked for something that the journal contradicts.
    Nondeterministic,
    /// The stored input does not parse as the workflow's input.
    Input,
}

/// An error with the one thing an engine must know about it: whether trying again can help.
pub struct Failure {
    pub(crate) kind: FailureKind,
    code: Option<String>,
    step: Option<String>,
    cause: Box<dyn StdError + Send + Sync>,
}

impl Failure {
    /// Trying again can help: the network, a lock, a service that is down.
    pub fn transient(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::of(FailureKind::Transient, cause)
    }

    /// Trying again cannot help: the input is wrong, the thing is gone.
    pub fn permanent(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::of(FailureKind::Permanent, cause)
    }

    /// Adds a stable code for machines, such as `storage_full`.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// The code for machines, if one was given.
    pub fn machine_code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// How it failed.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Whether a further attempt is worth making.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, FailureKind::Transient | FailureKind::Panicked | FailureKind::TimedOut)
    }

    pub(crate) fn of(kind: FailureKind, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind, code: None, step: None, cause: cause.into() }
    }

    /// What an operation of the engine failed with, inside a step.
    pub(crate) fn from_engine(error: crate::Error) -> Self {
        match error {
            crate::Error::TooLarge { .. } => Self::permanent(error).code("input_too_large"),
            crate::Error::Json(_) => Self::permanent(error),
            _ => Self::transient(error),
        }
    }

    /// Moves it to a step of this run, from one of another run.
    pub(crate) fn moved_to_step(mut self, step: &str) -> Self {
        self.step = Some(step.to_owned());
        self
    }

    /// Notes the step it happened in, unless an inner one is noted already.
    pub(crate) fn at_step(mut self, step: &str) -> Self {
        self.step.get_or_insert_with(|| step.to_owned());
        self
    }

    /// The form that is stored.
    pub(crate) fn record(&self) -> FailureRecord {
        let mut causes = Vec::new();
        let mut next = self.cause.source();
        while let Some(cause) = next {
            if causes.len() == CAUSES {
                break;
            }
            causes.push(bounded(&cause.to_string()));
            next = cause.source();
        }
        FailureRecord {
            kind: self.kind,
            code: self.code.as_deref().map(bounded),
            message: bounded(&self.cause.to_string()),
            causes,
            step: self.step.clone(),
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("kind", &self.kind)
            .field("code", &self.code)
            .field("step", &self.step)
            .field("cause", &self.cause)
            .finish()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.source()
    }
}

/// A failure as it is stored: with the step it happened in and the text of every cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureRecord {
    /// How it failed.
    pub kind: FailureKind,
    /// Stable code for machines, if the workflow gave one.
    pub code: Option<String>,
    /// What happened, for a person; at most 4 KiB.
    pub message: String,
    /// The chain of sources, outermost first.
    pub causes: Vec<String>,
    /// The step it happened in, if it happened in one.
    pub step: Option<String>,
}

impl FailureRecord {
    /// The form it is stored in.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain strings have a JSON form")
    }

    /// The failure again, as a replay hands it to the workflow.
    pub(crate) fn restore(&self) -> Failure {
        let mut cause = None;
        for message in self.causes.iter().rev() {
            cause = Some(Box::new(Restored { message: message.clone(), cause }));
        }
        let cause = Restored { message: self.message.clone(), cause };
        Failure {
            kind: self.kind,
            code: self.code.clone(),
            step: self.step.clone(),
            cause: Box::new(cause),
        }
    }
}

/// A cause read back from the journal: its text and its own cause.
#[derive(Debug)]
struct Restored {
    message: String,
    cause: Option<Box<Restored>>,
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Restored {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// `text` without NUL and no longer than [`MESSAGE_BYTES`], cut between characters.
fn bounded(text: &str) -> String {
    let text = text.replace('\0', "\u{fffd}");
    let mut end = text.len().min(MESSAGE_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_stored_failure_comes_back_with_its_whole_chain() {
        let failure =
            Failure::permanent(Outer(std::io::Error::other("disk on fire"))).code("storage");
        let record = failure.at_step("seal").record();
        assert_eq!(record.message, "outer");
        assert_eq!(record.causes, ["disk on fire"]);
        assert_eq!(record.restore().record(), record);
    }

    #[test]
    fn hostile_text_is_made_storable() {
        let record = Failure::transient("é\0".repeat(5000)).record();
        assert!(record.message.len() <= MESSAGE_BYTES);
        assert!(!record.message.contains('\0'));
    }
}
