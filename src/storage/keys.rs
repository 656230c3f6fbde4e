//! The names of objects. Every key of the product is made here and nowhere else.
//!
//! Invariants
//! - A key consists of segments of `[a-z0-9._-]`, never `.` or `..`, never empty: it cannot leave its folder on any service.
//! - Ids and digests build it, no text that a customer chooses (a slug, a name). An artifact's key contains its digest, so it
//!   cannot be guessed from what is public.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

const STAGING: &str = "staging/";
const ARTIFACTS: &str = "artifacts/";
const PROBE: &str = "probe/";

/// Longer than any key that is made here; some services stop at 1,024.
const MAX_BYTES: usize = 256;

/// The name of one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(String);

/// One execution of one step: nobody else ever writes below its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    run_id: Uuid,
    epoch: i64,
    number: u32,
    nonce: u64,
}

impl Attempt {
    /// The `number`th attempt of a step under `epoch` of the run.
    ///
    /// The random part keeps apart an attempt that timed out but still runs and the one that took its place.
    pub fn new(run_id: Uuid, epoch: i64, number: u32) -> Self {
        Self { run_id, epoch, number, nonce: rand::random() }
    }
}

/// A text that is no key of ours.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not the key of an object of this product")]
pub struct KeyError(String);

impl Key {
    /// An object that a step writes on the way to its result.
    ///
    /// `name` is a name of an entry of a pack; one that is none of `[a-z0-9._-]` is written in hexadecimal
    /// after an `x`.
    pub fn staging(attempt: &Attempt, name: &str) -> Self {
        let Attempt { run_id, epoch, number, nonce } = attempt;
        let name = segment(name);
        Self(format!("{STAGING}{run_id}/{epoch}.{number}.{nonce:016x}/{name}"))
    }

    /// A finished pack.
    pub fn artifact(org: Uuid, export: Uuid, sha256: &[u8; 32]) -> Self {
        Self(format!("{ARTIFACTS}{org}/{export}/{}.zip", hex(sha256)))
    }

    pub(crate) fn probe() -> Self {
        Self(format!("{PROBE}{:032x}", rand::random::<u128>()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Key {
    type Err = KeyError;

    /// Reads a key back from a row or a checkpoint.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let ours = text.starts_with(STAGING) || text.starts_with(ARTIFACTS);
        if ours && text.len() <= MAX_BYTES && text.split('/').all(is_segment) {
            return Ok(Self(text.to_owned()));
        }
        Err(KeyError(text.chars().take(MAX_BYTES).collect()))
    }
}

impl TryFrom<String> for Key {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0
    }
}

pub(crate) fn staging_prefix(run_id: Uuid) -> String {
    format!("{STAGING}{run_id}/")
}

pub(crate) fn artifacts_prefix(org: Uuid, export: Uuid) -> String {
    format!("{ARTIFACTS}{org}/{export}/")
}

pub(crate) const fn probes_root() -> &'static str {
    PROBE
}

pub(crate) const fn staging_root() -> &'static str {
    STAGING
}

pub(crate) const fn artifacts_root() -> &'static str {
    ARTIFACTS
}

/// The run whose staging folder this is, for a path like `staging/<run>/`.
pub(crate) fn run_of(path: &str) -> Option<Uuid> {
    let folder = path.strip_prefix(STAGING)?;
    Uuid::parse_str(folder.split('/').next()?).ok()
}

/// The org and the export whose pack this is.
pub(crate) fn export_of(key: &Key) -> Option<(Uuid, Uuid)> {
    let mut parts = key.0.strip_prefix(ARTIFACTS)?.split('/');
    let org = Uuid::parse_str(parts.next()?).ok()?;
    let export = Uuid::parse_str(parts.next()?).ok()?;
    Some((org, export))
}

fn is_segment(text: &str) -> bool {
    let plain = |c: u8| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    !text.is_empty() && text != "." && text != ".." && text.bytes().all(plain)
}

fn segment(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    if is_segment(&name) && name.len() <= 64 {
        return name;
    }
    format!("x{}", hex(&name.as_bytes()[..name.len().min(64)]))
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}
