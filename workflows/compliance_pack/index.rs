//! `index.html` of the pack: what the other entries are, in words and with their hashes.
//!
//! Made in `seal`, when everything but the attestation and the manifest is there. People appear by no name: the page names none.

use std::collections::BTreeMap;

use bundle::attestation::Attestation;
use bundle::provenance::{Exclusion, QUESTIONS};
use bundle::section;
use bundle::table::Table;
use db::exports::Entry;
use engine::StepContext;
use evidence::pack;
use render::{Dictionary, Excluded, File, HtmlError, Index, Product, Question, Word};

use super::BuildPack;
use super::collect::Notes;
use super::removed;
use super::render::chain_state;
use super::seal::{Contents, keys_url};
use crate::Ports;

/// What the page is about.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) pack: BuildPack,
    pub(super) contents: &'a Contents,
    /// Of the key that signs the pack.
    pub(super) key_id: &'a str,
}

/// Entries that come after the page.
const LATER: [&str; 3] = [pack::INDEX_HTML, pack::CHAIN_ATTESTATION, pack::MANIFEST];

pub(super) fn page(
    step: &StepContext<Ports>,
    notes: &Notes,
    attestation: &Attestation,
    of: Of<'_>,
) -> Result<String, HtmlError> {
    render::index(&Index {
        export: of.pack.export,
        file_name: pack::file_name(&notes.summary.org.slug, &notes.summary.period),
        product: Product {
            name: step.product.name.clone(),
            version: step.product.version.clone(),
            build: step.product.build.clone(),
        },
        summary: notes.summary.clone(),
        chain: chain_state(attestation.clone(), of.key_id.to_owned()),
        keys_url: keys_url(step),
        files: files(of.contents),
        dictionaries: section::ALL.into_iter().map(dictionary).collect(),
        questions: questions(),
        excluded: removed::exclusions(notes).into_iter().map(excluded).collect(),
        controls: evidence::control::all(),
    })
}

/// In the order of the pack, those that come later among them.
fn files(contents: &Contents) -> Vec<File> {
    let entries = contents.entries().0.into_iter();
    let mut there: BTreeMap<String, Entry> =
        entries.map(|entry| (entry.name.clone(), entry)).collect();
    let file = |name: &'static str| {
        let entry = there.remove(name);
        (entry.is_some() || LATER.contains(&name)).then(|| File {
            name,
            rows: entry.as_ref().and_then(|entry| entry.rows),
            bytes: entry.as_ref().map(|entry| entry.bytes),
            sha256: entry.map(|entry| entry.sha256),
        })
    };
    pack::ENTRIES.iter().copied().filter_map(file).collect()
}

fn dictionary(table: &'static Table) -> Dictionary {
    let word =
        |column: &bundle::table::Column| Word { column: column.name, meaning: column.meaning };
    Dictionary { entry: table.entry, words: table.columns.iter().map(word).collect() }
}

fn questions() -> Vec<Question> {
    QUESTIONS.map(|(question, members)| Question { question, members: members.to_vec() }).into()
}

fn excluded(exclusion: Exclusion) -> Excluded {
    let Exclusion { what, why, count, listed_in } = exclusion;
    Excluded { what, why, count, listed_in }
}
