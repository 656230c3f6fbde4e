//! `index.html`: what is in the pack, for somebody who has unpacked it and has nothing but a browser.
//!
//! Invariants
//! - It cannot act: no script, no form, nothing loaded. A content security policy says so, and allows the one style sheet that is
//!   in the page by its hash.
//! - Every value passes the escaper of the templates; links lead to files beside the page, by names that are ours.
//! - It is deterministic in its input, and says nothing that another file of the pack does not say.
//!
//! It comes after every file but the attestation, which signs it, and the manifest: of itself and those two it can state no hash.

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use evidence::control::Control;
use evidence::ids::ExportId;
use evidence::pack::{Gap, Sla, Summary};
use sha2::{Digest as _, Sha256};

use crate::figure::{self, Figure};
use crate::html::Error;
use crate::report::{Attested, Product};

const STYLE: &str = include_str!("templates/index.css");

/// A Compliance Pack, as its index tells it.
#[derive(Debug, Clone)]
pub struct Index {
    pub export: ExportId,
    pub file_name: String,
    pub product: Product,
    pub summary: Summary,
    pub chain: Attested,
    /// Where public keys are published, apart from any pack.
    pub keys_url: String,
    /// In the order of the pack.
    pub files: Vec<File>,
    pub dictionaries: Vec<Dictionary>,
    pub questions: Vec<Question>,
    pub excluded: Vec<Excluded>,
    pub controls: Vec<Control>,
}

/// A file of the pack.
#[derive(Debug, Clone)]
pub struct File {
    /// One of `evidence::pack::ENTRIES`.
    pub name: &'static str,
    pub rows: Option<u64>,
    /// Absent of what did not exist when the index was written.
    pub bytes: Option<u64>,
    pub sha256: Option<String>,
}

/// The columns of a CSV.
#[derive(Debug, Clone)]
pub struct Dictionary {
    pub entry: &'static str,
    pub words: Vec<Word>,
}

/// A column and what it means.
#[derive(Debug, Clone)]
pub struct Word {
    pub column: &'static str,
    pub meaning: &'static str,
}

/// What an auditor asks, and the members of `provenance.json` that answer it.
#[derive(Debug, Clone)]
pub struct Question {
    pub question: &'static str,
    pub members: Vec<&'static str>,
}

/// What the pack leaves out or sets aside.
#[derive(Debug, Clone)]
pub struct Excluded {
    pub what: String,
    pub why: String,
    pub count: Option<u64>,
    /// The file that lists it.
    pub listed_in: Option<String>,
}

/// The whole page.
pub fn index(index: &Index) -> Result<String, Error> {
    let hash = BASE64.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'"
    );
    let page = Page { index, policy, style: STYLE, figures: figure::all(&index.summary) };
    Ok(page.render()?)
}

#[derive(Template)]
#[template(path = "index.html")]
struct Page<'a> {
    index: &'a Index,
    policy: String,
    style: &'static str,
    figures: Vec<Figure>,
}

impl Page<'_> {
    fn summary(&self) -> &Summary {
        &self.index.summary
    }

    fn levels(&self) -> &[Sla] {
        &self.index.summary.sla
    }

    fn gaps(&self) -> &[Gap] {
        &self.index.summary.gaps
    }

    fn numbers(&self) -> impl Iterator<Item = &Figure> {
        self.figures.iter().filter(|figure| figure.value.is_some())
    }

    fn words(&self) -> impl Iterator<Item = &Figure> {
        self.figures.iter().filter(|figure| figure.value.is_none())
    }

    fn is_blind(&self) -> bool {
        figure::is_blind(&self.index.summary)
    }

    fn frameworks(&self) -> impl Iterator<Item = &[Control]> {
        self.index.controls.chunk_by(|one, next| one.framework == next.framework)
    }

    fn has_report(&self) -> bool {
        self.index.files.iter().any(|file| file.name == evidence::pack::SUMMARY_PDF)
    }

    fn not_due(&self) -> String {
        crate::format::count(figure::not_due(&self.index.summary))
    }
}

#[cfg(test)]
mod tests;
