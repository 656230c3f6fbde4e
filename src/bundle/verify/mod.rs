//! The offline verifier: what an auditor can know from a pack alone, in constant memory.
//!
//! Everything in a pack is hostile until it is checked: names, sizes, nesting, numbers. The
//! verifier never stops at the first fault: it checks what can still be checked and says what
//! could not be. It reads ZIPs with another implementation than the one that writes them.
//!
//! What `ok` means: the entries are the ones that were signed together with a chain position, the
//! figures agree with each other and with the rows, and the part of the audit chain in the pack is whole. What it
//! does not mean: that the signer told the truth. Without a pinned key it also does not say who
//! signed ("trust on first use").

mod archive;
mod attested;
mod content;
mod continuity;
mod data;
mod excerpt;
mod form;
mod inflate;
mod layout;
mod meter;
mod recount;
mod report;
mod shared;
mod stamped;
mod summary;
mod tables;
mod totals;
mod trust;

use crate::keys::PublicKey;

pub use report::{Check, Facts, Outcome, Report, Status};
pub use shared::{SharedFile, Source};

/// What the auditor brings along.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Keys known from elsewhere. Empty: trust on first use.
    pub keys: Vec<PublicKey>,
    /// Reports on earlier packs of the same organisation.
    pub against: Vec<Older>,
    pub limits: Limits,
}

/// An earlier pack: its name for messages, and what verifying it gave.
#[derive(Debug, Clone)]
pub struct Older {
    pub name: String,
    pub report: Report,
}

/// What is read at most; more is refused unread.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one entry, unpacked.
    pub entry_bytes: u64,
    /// Bytes of all entries, unpacked.
    pub total_bytes: u64,
    /// Unpacked ÷ packed bytes of one entry, once it is larger than [`Limits::RATIO_FREE_BYTES`].
    pub ratio: u64,
    /// Bytes of one row, line or member; of three at once, as three entries are read at once.
    pub item_bytes: u64,
}

impl Limits {
    /// Small entries may be as dense as they like.
    pub const RATIO_FREE_BYTES: u64 = 4 << 20;
}

/// Ten times a pack with ten million findings; deflate itself ends at 1032 : 1.
impl Default for Limits {
    fn default() -> Self {
        Self { entry_bytes: 64 << 30, total_bytes: 256 << 30, ratio: 400, item_bytes: 32 << 20 }
    }
}

/// Checks a pack. Never fails: an unreadable pack is a report, too.
///
/// Reads it on three threads, each over a clone of the source: for a file, a [`SharedFile`].
pub fn verify<R: Source>(mut reader: R, options: &Options) -> Report {
    let mut checks = report::Checks::default();
    let zip_sha256 = archive::sha256(&mut reader).ok();
    let contents = archive::open(reader, &options.limits, &mut checks)
        .map(|archive| content::read(archive, options, &mut checks));
    let Some(contents) = contents else {
        return checks.into_report(None);
    };
    totals::check(&contents, &mut checks);
    attested::check(&contents, &mut checks);
    let signed_by = trust::check(&contents, &options.keys, &mut checks);
    stamped::check(&contents, &mut checks);
    let facts = contents.facts(signed_by, zip_sha256);
    continuity::check(&contents, facts.as_ref(), options, &mut checks);
    checks.into_report(facts)
}

#[cfg(test)]
mod tests;
