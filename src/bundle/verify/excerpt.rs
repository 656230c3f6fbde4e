//! `audit_events.ndjson`: re-hashed and re-linked line by line.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};

use evidence::chain::{Action, ChainId, Hash, Start, Text, Verdict, Verifier};
use evidence::time::Time;
use serde_json::{Map, Value};

use super::Older;
use super::meter::Allowance;
use crate::attestation::Attestation;

/// What the excerpt shows.
#[derive(Debug)]
pub(super) struct Excerpt {
    pub(super) lines: u64,
    pub(super) verdict: Verdict,
    /// What the first line says of the entry before it: its position and hash.
    pub(super) before: Option<(i64, Hash)>,
    /// The earliest and latest time of an entry.
    pub(super) times: Option<(Time, Time)>,
    /// What the entries `audit_export.completed` say of the packs at hand, by export id.
    pub(super) completed: BTreeMap<String, Completed>,
}

/// The hashes that the chain holds of a finished pack.
#[derive(Debug)]
pub(super) struct Completed {
    pub(super) manifest_sha256: Option<String>,
    pub(super) zip_sha256: Option<String>,
}

impl Excerpt {
    /// The hash of entry `seq`, if it is in the excerpt and was found right, or if it is the one that the first line follows.
    pub(super) fn at(&self, seq: i64) -> Option<Hash> {
        let before = self.before.filter(|(before, _)| *before == seq).map(|(_, hash)| hash);
        self.verdict.at(seq).or(before)
    }
}

pub(super) fn read(
    reader: &mut dyn Read,
    allowance: &Allowance,
    attestation: &Attestation,
    against: &[Older],
) -> Result<Excerpt, String> {
    let chain: ChainId =
        attestation.chain.parse().map_err(|_| "the attestation names no chain".to_owned())?;
    let heads = against.iter().filter_map(|older| Some(older.report.pack.as_ref()?.head_seq));
    let mut verifier = watching(chain, attestation, heads);
    let exports: BTreeSet<_> = against
        .iter()
        .filter_map(|older| Some(older.report.pack.as_ref()?.export_id.to_string()))
        .collect();
    let mut seen = Seen::default();
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    loop {
        allowance.renew();
        line.clear();
        reader.read_line(&mut line).map_err(|error| format!("line {}: {error}", seen.lines + 1))?;
        if line.is_empty() {
            break;
        }
        let canonical = line
            .strip_suffix('\n')
            .ok_or_else(|| format!("line {} does not end with a line feed", seen.lines + 1))?;
        let text = verifier.feed_text(canonical);
        seen.line(text, &exports);
    }
    let verdict = verifier.finish(None, attestation.period.last_seq);
    let Seen { lines, before, times, completed } = seen;
    Ok(Excerpt { lines, verdict, before, times, completed })
}

fn watching(
    chain: ChainId,
    attestation: &Attestation,
    heads: impl Iterator<Item = i64>,
) -> Verifier {
    let first = attestation.period.first_seq.unwrap_or(1);
    let own = [first, attestation.head_seq, attestation.requested.seq];
    let previous = attestation.previous_attestations.iter().map(|previous| previous.seq);
    own.into_iter()
        .chain(previous)
        .chain(heads)
        .fold(Verifier::new(chain, Start::Excerpt { seq: first }), Verifier::watch)
}

#[derive(Default)]
struct Seen {
    lines: u64,
    before: Option<(i64, Hash)>,
    times: Option<(Time, Time)>,
    completed: BTreeMap<String, Completed>,
}

impl Seen {
    fn line(&mut self, text: Option<Text<'_>>, exports: &BTreeSet<String>) {
        self.lines += 1;
        let Some(text) = text else { return };
        if self.lines == 1 {
            self.before = text.prev_hash.map(|hash| (text.seq.saturating_sub(1), hash));
        }
        let (first, last) = self.times.get_or_insert((text.created_at, text.created_at));
        *first = text.created_at.min(*first);
        *last = text.created_at.max(*last);
        if text.action != Action::AuditExportCompleted.as_str() {
            return;
        }
        let detail = text.members();
        let word = |name: &str| word(&detail, name);
        if let Some(export) = word("export_id").filter(|export| exports.contains(export)) {
            let hashes = Completed {
                manifest_sha256: word("manifest_sha256"),
                zip_sha256: word("zip_sha256"),
            };
            self.completed.insert(export, hashes);
        }
    }
}

fn word(detail: &Map<String, Value>, name: &str) -> Option<String> {
    Some(detail.get(name)?.as_str()?.to_owned())
}
