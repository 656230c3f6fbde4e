//! Words, tones and cuts of what the engine says.

use engine::{RunState, RunView, WaitingFor};
use serde_json::Value;
use uuid::Uuid;

use crate::pages::text::{self, Badge};

/// The state of a run, and what was asked of it and has not happened yet.
pub(super) fn stand(run: &RunView) -> Badge {
    let word = match run.state {
        state if state.is_final() => state.as_str(),
        _ if run.cancel_requested => "being cancelled",
        RunState::Running if run.pause_requested => "being paused",
        state => state.as_str(),
    };
    Badge { tone: tone(run.state), word }
}

fn tone(state: RunState) -> &'static str {
    match state {
        RunState::Running | RunState::Queued => "busy",
        RunState::Paused => "warn",
        RunState::Succeeded => "good",
        RunState::Failed => "bad",
        RunState::Waiting | RunState::Cancelled => "",
    }
}

/// The class of a state's part of a bar.
pub(super) const fn colour(state: RunState) -> &'static str {
    match state {
        RunState::Queued => "medium",
        RunState::Running => "busy",
        RunState::Waiting => "low",
        RunState::Paused => "warn",
        RunState::Succeeded => "good",
        RunState::Failed => "bad",
        RunState::Cancelled => "dim",
    }
}

/// The state of a step.
pub(super) fn step(state: &str) -> Badge {
    match state {
        "done" => Badge { tone: "good", word: "done" },
        "failed" => Badge { tone: "bad", word: "failed" },
        "retrying" => Badge { tone: "warn", word: "retrying" },
        _ => Badge { tone: "busy", word: "waiting" },
    }
}

/// What a run waits for.
pub(super) fn waiting(waiting: &WaitingFor) -> String {
    match waiting {
        WaitingFor::Time => "its time".to_owned(),
        WaitingFor::Signal(name) => format!("the signal “{name}”"),
        WaitingFor::Children(seq) => format!("the runs that step {seq} has started"),
        WaitingFor::Turn => "its turn among the other runs of its parent".to_owned(),
    }
}

/// The end of an id, which tells runs apart: the beginning is the time.
pub(super) fn short(id: &Uuid) -> String {
    let text = id.simple().to_string();
    format!("…{}", &text[text.len() - 8..])
}

/// The beginning of a text, whole characters.
pub(super) fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((at, _)) => format!("{}…", text[..at].trim_end()),
        None => text.to_owned(),
    }
}

/// A value for people to read.
pub(super) struct Shown {
    pub(super) text: String,
    /// Bytes that are left out.
    pub(super) left_out: usize,
}

impl Shown {
    /// The size of what is left out.
    pub(super) fn more(&self) -> String {
        text::size(self.left_out as u64)
    }

    /// The size of all of it.
    pub(super) fn whole(&self) -> String {
        text::size((self.text.len() + self.left_out) as u64)
    }
}

/// A value on several lines, at most so many bytes of it.
pub(super) fn value(value: &Value, bytes: usize) -> Shown {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    let whole = text.len();
    if whole > bytes {
        let mut end = bytes;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    Shown { left_out: whole - text.len(), text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_and_values_are_cut_between_characters() {
        assert_eq!((cut("Mönch", 2), cut("Mönch", 5)), ("Mö…".to_owned(), "Mönch".to_owned()));
        let shown = value(&json!("ééé"), 4);
        assert_eq!((shown.text.as_str(), shown.left_out), ("\"é", 5));
        assert_eq!(value(&json!({"a": 1}), 100).left_out, 0);
    }

    #[test]
    fn a_run_is_told_from_its_neighbours_by_the_end_of_its_id() {
        assert_eq!(short(&Uuid::from_u128(0x0123_4567_89ab_cdef)), "…89abcdef");
    }
}
