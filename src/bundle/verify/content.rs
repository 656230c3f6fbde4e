//! Reads every entry once: hashes it, and lets its own reader look at it on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read, Seek};
use std::thread::{self, Builder, ScopedJoinHandle};

use evidence::pack;
use zip::ZipArchive;

use super::archive::{Archive, Entry};
use super::inflate::Inflate;
use super::meter::{Allowance, Meter};
use super::recount::Recount;
use super::report::{Checks, Facts};
use super::{Limits, Options, Source, data, excerpt, tables};
use crate::attestation::Attestation;
use crate::digest::Digest;
use crate::manifest::{self, Hashes};
use crate::provenance::Provenance;
use crate::{section, timestamp};

/// What was read. Absent: not in the pack, or unreadable (then a check says so).
#[derive(Default)]
pub(super) struct Contents {
    pub(super) digests: BTreeMap<&'static str, Digest>,
    pub(super) attestation: Option<Attestation>,
    pub(super) provenance: Option<Provenance>,
    /// Rows and row digest of each CSV.
    pub(super) tables: BTreeMap<&'static str, tables::Rows>,
    pub(super) data: Option<data::Document>,
    pub(super) excerpt: Option<excerpt::Excerpt>,
    pub(super) recount: Recount,
    /// Of the entries in the ZIP, in seconds since 1970.
    pub(super) time: Option<u32>,
    /// `MANIFEST.txt` as it is.
    listed: Option<Vec<u8>>,
    /// The answer of a time-stamp authority, cut off where it is too large for one.
    pub(super) time_stamp: Option<Vec<u8>>,
}

impl Contents {
    /// The hashes of the entries as they are.
    pub(super) fn hashes(&self) -> Hashes {
        self.digests
            .iter()
            .map(|(name, digest)| ((*name).to_owned(), digest.sha256.clone()))
            .collect()
    }

    pub(super) fn facts(
        &self,
        signed_by: Option<String>,
        zip_sha256: Option<String>,
    ) -> Option<Facts> {
        let (provenance, attestation) = (self.provenance.as_ref()?, self.attestation.as_ref()?);
        Some(Facts {
            org_id: provenance.org.id,
            org_slug: provenance.org.slug.clone(),
            period: provenance.period,
            export_id: provenance.request.export_id,
            chain: attestation.chain.clone(),
            verified_at: attestation.verified_at,
            head_seq: attestation.head_seq,
            head_hash_hex: attestation.head_hash_hex.clone(),
            verify_url: attestation.verify_url.clone(),
            manifest_sha256: self.digests.get(pack::MANIFEST)?.sha256.clone(),
            zip_sha256,
            signed_by,
        })
    }
}

/// The small entries come first: the others are read in their light.
const FIRST: [&str; 3] = [pack::MANIFEST, pack::CHAIN_ATTESTATION, pack::PROVENANCE];

/// Reads the two large entries that are no table on threads of their own.
pub(super) fn read<R: Source>(
    archive: Archive<R>,
    options: &Options,
    checks: &mut Checks,
) -> Contents {
    let Archive { mut inner, entries, time } = archive;
    let (first, rest): (Vec<_>, Vec<_>) =
        entries.iter().partition(|entry| FIRST.contains(&entry.name));
    let (data, rest): (Vec<_>, Vec<_>) =
        rest.into_iter().partition(|entry| entry.name == pack::DATA_JSON);
    let (events, tables): (Vec<_>, Vec<_>) =
        rest.into_iter().partition(|entry| entry.name == pack::AUDIT_EVENTS);
    let mut contents = Contents { time, ..Contents::default() };
    for made in contents.read(&mut inner, &first, options).into_values() {
        checks.append(made);
    }
    let (source, light) = (inner.clone(), contents.attestation.clone());
    let apart = |entries: &[&Entry]| {
        let mut part = Contents { attestation: light.clone(), ..Contents::default() };
        (part.read(&mut source.clone(), entries, options), part)
    };
    let mut found = BTreeMap::new();
    let parts = thread::scope(|scope| {
        let start = |entries| Builder::new().spawn_scoped(scope, move || apart(entries));
        let (data_thread, events_thread) = (start(&data[..]), start(&events[..]));
        found.extend(contents.read(&mut inner, &tables, options));
        // Where the system gives no thread, it is read here.
        let ended = |thread, entries| {
            Result::map_or_else(thread, |_| apart(entries), |thread| joined(thread))
        };
        [ended(data_thread, &data[..]), ended(events_thread, &events[..])]
    });
    for (made, part) in parts {
        found.extend(made);
        contents.take(part);
    }
    // In the order of the entries, whoever was first.
    for made in found.into_values() {
        checks.append(made);
    }
    compare(&contents, checks);
    contents
}

/// What a thread answered; its panic is ours.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

impl Contents {
    /// Reads these entries one after the other; what was found of each, by its place in the ZIP.
    fn read<R: Read + Seek>(
        &mut self,
        archive: &mut ZipArchive<R>,
        entries: &[&Entry],
        options: &Options,
    ) -> BTreeMap<usize, Checks> {
        let check = |entry: &&Entry| {
            let mut checks = Checks::default();
            match archive.by_index_raw(entry.position) {
                Ok(file) => {
                    let limits = &options.limits;
                    let reading = Reading { entry, limits, contents: self, checks: &mut checks };
                    reading.dispatch(Inflate::new(file), options);
                }
                Err(error) => {
                    checks.broken("archive", format!("{} cannot be opened: {error}", entry.name));
                }
            }
            (entry.position, checks)
        };
        entries.iter().map(check).collect()
    }

    /// Adds what was read apart. Every field is named: one that such an entry comes to fill must not be lost here.
    fn take(&mut self, part: Self) {
        let Self {
            digests,
            data,
            excerpt,
            attestation: _,
            provenance: _,
            tables: _,
            recount: _,
            time: _,
            listed: _,
            time_stamp: _,
        } = part;
        self.digests.extend(digests);
        self.data = self.data.take().or(data);
        self.excerpt = self.excerpt.take().or(excerpt);
    }
}

/// One entry on its way through its reader.
struct Reading<'a> {
    entry: &'a Entry,
    limits: &'a Limits,
    contents: &'a mut Contents,
    checks: &'a mut Checks,
}

impl Reading<'_> {
    fn dispatch(mut self, file: impl Read, options: &Options) {
        match self.entry.name {
            pack::MANIFEST => self.contents.listed = self.whole(file),
            pack::CHAIN_ATTESTATION => {
                let bytes = self.whole(file);
                self.contents.attestation = self
                    .parsed(bytes, |bytes| Attestation::parse(bytes).map_err(|e| e.to_string()));
            }
            pack::PROVENANCE => {
                let bytes = self.whole(file);
                self.contents.provenance =
                    self.parsed(bytes, |bytes| Provenance::parse(bytes).map_err(|e| source(&e)));
            }
            pack::TIME_STAMP => {
                let most = timestamp::BYTES_MAX as u64 + 1;
                let bytes = self.through(file, |reader, _| {
                    let mut bytes = Vec::new();
                    let read = reader.take(most).read_to_end(&mut bytes);
                    read.map(|_| bytes).map_err(|error| error.to_string())
                });
                self.contents.time_stamp = self.found(bytes, "time_stamp");
            }
            pack::DATA_JSON => {
                let document =
                    self.through(file, |reader, allowance| data::read(reader, allowance));
                self.contents.data = self.found(document, "data");
            }
            pack::AUDIT_EVENTS => {
                let Some(attestation) = self.contents.attestation.clone() else {
                    self.through(file, |_, _| ());
                    let why =
                        "the excerpt cannot be read without a readable chain-attestation.json";
                    return self.checks.incomplete("chain_excerpt", why);
                };
                let excerpt = self.through(file, |reader, allowance| {
                    excerpt::read(reader, allowance, &attestation, &options.against)
                });
                self.contents.excerpt = self.found(excerpt, "chain_excerpt");
            }
            name => match section::find(name) {
                None if name == pack::SUMMARY_PDF => {
                    let head = self.through(file, |reader, _| head(reader));
                    self.found(head, "archive");
                }
                None => drop(self.through(file, |_, _| ())),
                Some(table) => {
                    let mut recount = std::mem::take(&mut self.contents.recount);
                    let sheet = self.through(file, |reader, allowance| {
                        tables::read(reader, allowance, table, &mut recount)
                    });
                    self.contents.recount = recount;
                    if let Some(sheet) = self.found(sheet, "tables") {
                        self.is_rendered(name, &sheet.rendered);
                        self.contents.tables.insert(name, sheet.rows);
                    }
                }
            },
        }
    }

    /// A CSV has one rendering.
    fn is_rendered(&mut self, name: &str, rendered: &str) {
        let is_same =
            self.contents.digests.get(name).is_some_and(|digest| digest.sha256 == rendered);
        let detail = format!(
            "{name} has other line ends, quotes or a mark at its beginning than it is written with"
        );
        self.checks.require(is_same, "tables", detail);
    }

    /// Lets `look` read the entry, then the rest of it; keeps the digest.
    fn through<T>(
        &mut self,
        file: impl Read,
        look: impl FnOnce(&mut dyn Read, &Allowance) -> T,
    ) -> Option<T> {
        let allowance = Allowance::new(self.limits.item_bytes);
        let mut meter = Meter::new(file, self.entry.max, allowance.clone());
        let looked = look(&mut BufReader::with_capacity(64 << 10, &mut meter), &allowance);
        match meter.drain() {
            Ok(digest) => {
                self.contents.digests.insert(self.entry.name, digest);
                Some(looked)
            }
            Err(error) => {
                let name = self.entry.name;
                self.checks
                    .broken("archive", format!("{name} could not be read to its end: {error}"));
                None
            }
        }
    }

    /// A small entry as bytes.
    fn whole(&mut self, file: impl Read) -> Option<Vec<u8>> {
        let bytes = self.through(file, |reader, _| {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).map(|_| bytes).map_err(|error| error.to_string())
        });
        self.found(bytes, "archive")
    }

    fn parsed<T>(
        &mut self,
        bytes: Option<Vec<u8>>,
        parse: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Option<T> {
        let parsed = parse(&bytes?);
        let check = if self.entry.name == pack::PROVENANCE { "provenance" } else { "attestation" };
        self.found(Some(parsed), check)
    }

    fn found<T>(&mut self, found: Option<Result<T, String>>, check: &'static str) -> Option<T> {
        found?
            .map_err(|fault| self.checks.broken(check, format!("{}: {fault}", self.entry.name)))
            .ok()
    }
}

/// Nothing reads the report's figures; a file of another kind under its name is noticed all the same.
fn head(reader: &mut dyn Read) -> Result<(), String> {
    let mut head = Vec::new();
    reader.take(5).read_to_end(&mut head).map_err(|error| error.to_string())?;
    if head == b"%PDF-" { Ok(()) } else { Err("it is no PDF".to_owned()) }
}

fn source(error: &crate::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// The manifest against what is there.
fn compare(contents: &Contents, checks: &mut Checks) {
    let Some(listed) = &contents.listed else {
        return checks.incomplete("manifest", "there is no readable MANIFEST.txt");
    };
    let text = String::from_utf8_lossy(listed);
    let listed = match manifest::parse(&text) {
        Ok(listed) => listed,
        Err(error) => return checks.broken("manifest", error.to_string()),
    };
    let mut actual = contents.hashes();
    actual.remove(pack::MANIFEST);
    // Made after the manifest, over it.
    actual.remove(pack::TIME_STAMP);
    let names: BTreeSet<_> = listed.keys().chain(actual.keys()).collect();
    for name in names {
        match (listed.get(name), actual.get(name)) {
            (Some(_), None) => checks
                .broken("manifest", format!("{name} is listed and cannot be read in the pack")),
            (None, Some(_)) => {
                checks.broken("manifest", format!("{name} is in the pack and not listed"));
            }
            (Some(listed), Some(actual)) if listed != actual => {
                checks.broken(
                    "manifest",
                    format!("{name} was changed: SHA-256 {actual}, listed {listed}"),
                );
            }
            _ => {}
        }
    }
    checks
        .ok_if_silent("manifest", format!("{} files, each with the listed SHA-256", listed.len()));
}
