//! Reading scan files: what came in, as an [`Observation`], or a named refusal.
//!
//! Four formats are recognised by their content, never by a file name: plan JSON of Terraform and
//! OpenTofu (also HCP Terraform's redacted form), the message stream of `plan -json`, driftctl's
//! report, and state files, which are recognised only to say what to run instead.
//!
//! Invariants:
//! - Never a panic, whatever the bytes. The size of the file is the caller's to limit; memory stays
//!   a small multiple of it, because resources are read one at a time.
//! - Attribute values are compared and dropped: names leave this module, values never.
//! - What could not be read never looks like a clean scan: it is refused, `partial` or `failed`.
//!
//! Text at the door: control characters but tab, CR and LF become their visible twins (NUL → `␀`),
//! because Postgres holds no NUL; lone surrogates are refused; bidirectional overrides are kept.

mod collect;
mod diff;
mod doc;
mod driftctl;
mod error;
mod plan;
mod state;
mod stream;
mod textual;

#[cfg(test)]
mod tests;

pub use error::{Code, Error};

use crate::scan::{Observation, Warning};

/// More drifted resources than this in one file is a mistake or an attack.
pub const DRIFTS_MAX: usize = 200_000;
/// More resources than this in one report are a mistake or an attack.
pub const RESOURCES_MAX: u64 = 100_000_000;
/// Longest address of a resource, in characters.
pub const ADDRESS_CHARS_MAX: usize = 2048;
/// Most attribute names kept of one resource; the rest is counted.
pub const ATTRIBUTES_MAX: usize = 200;

/// What a file turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one at a time, and scans are what comes")]
pub enum Reading {
    Scan(Observation),
    /// A Terraform state: useful to name its version, never a scan.
    State(State),
}

/// What a state file says about itself. Attribute values are never read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub version: u64,
    pub serial: Option<i64>,
    pub lineage: Option<String>,
    pub terraform_version: Option<String>,
    /// Entries of `resources`.
    pub resources: usize,
}

impl Reading {
    /// The scan, or the refusal `state_file_not_a_scan` that says which command to run.
    pub fn into_scan(self) -> Result<Observation, Error> {
        match self {
            Self::Scan(observation) => Ok(observation),
            Self::State(_) => Err(state::not_a_scan()),
        }
    }
}

/// Reads a plan JSON, a UI stream, a driftctl report or a state. Never panics.
pub fn read(bytes: &[u8]) -> Result<Reading, Error> {
    let decoded = textual::decode(bytes)?;
    let text = decoded.text.as_ref();
    let mut reading =
        if stream::is_stream(text) { Reading::Scan(stream::read(text)?) } else { document(text)? };
    if let (Reading::Scan(observation), true) = (&mut reading, decoded.converted) {
        observation.warnings.push(Warning {
            code: "converted_from_utf16",
            message: "The file was UTF-16 and was converted to UTF-8.".to_owned(),
        });
    }
    Ok(reading)
}

fn document(text: &str) -> Result<Reading, Error> {
    textual::check_depth(text)?;
    let document = doc::Document::read(text)?;
    match document.kind()? {
        doc::Kind::Plan => plan::read(&document, text).map(Reading::Scan),
        doc::Kind::Driftctl => driftctl::read(&document).map(Reading::Scan),
        doc::Kind::State => state::read(&document).map(Reading::State),
    }
}
