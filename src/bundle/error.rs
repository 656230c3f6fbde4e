//! Why bytes of a pack could not be written, or a small text of one could not be read.
//!
//! Faults that `verify` finds in a pack are not errors: they are checks in its report.

use std::io;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the destination of the bytes failed")]
    Io(#[from] io::Error),
    #[error("the ZIP could not be written")]
    Zip(#[from] rawzip::Error),
    #[error("a CSV row could not be written")]
    Csv(#[from] ::csv::Error),
    #[error("a JSON value could not be written or read")]
    Json(#[from] serde_json::Error),
    #[error("a row of {table} has {found} cells; the header has {expected}")]
    RowLength { table: &'static str, found: usize, expected: usize },
    #[error("{table}.{column} takes {expected}; the row holds something else")]
    CellKind { table: &'static str, column: &'static str, expected: &'static str },
    #[error("data.json expects {expected} here, not {found}")]
    DocumentOrder { expected: String, found: String },
    #[error(
        "{name:?} cannot be the name of an entry: use A-Z a-z 0-9 _ . - and start with a letter or digit"
    )]
    EntryName { name: String },
    #[error("the entry {name} is in the ZIP already")]
    DuplicateEntry { name: String },
    #[error("the entry {name} comes with other compressed bytes than it was packed with")]
    Repacked { name: String },
    #[error("an entry of the ZIP was begun and not finished")]
    UnfinishedEntry,
    #[error("line {line} of MANIFEST.txt: {fault}")]
    Manifest { line: usize, fault: &'static str },
    /// Never holds any part of the key.
    #[error("the key cannot be used: {0}")]
    Key(&'static str),
    #[error("the DSSE envelope cannot be used: {0}")]
    Envelope(&'static str),
}
