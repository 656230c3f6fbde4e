//! Audit entries and verdicts as they are answered.

use evidence::chain::Verdict;
use poem_openapi::Object;
use serde_json::Value;
use uuid::Uuid;

use crate::api::time::Timestamp;
use crate::api::word::{FaultKind, VerificationStatus};
use crate::errors::{Error, Result};

/// A part of an audit log.
#[derive(Debug, Object)]
pub(crate) struct AuditLog {
    /// In order of seq.
    entries: Vec<AuditEntry>,
    /// For the next part; absent at the end.
    #[oai(nullable)]
    next_after_seq: Option<i64>,
}

/// An entry of an audit log.
#[derive(Debug, Object)]
pub(crate) struct AuditEntry {
    seq: i64,
    id: Uuid,
    action: String,
    actor: AuditActor,
    created_at: Timestamp,
    /// What the action was about; its members depend on the action.
    detail: Value,
    /// Id of the request or of the workflow run.
    origin: String,
    outcome: String,
    /// Lower-case hex; absent for the first entry.
    #[oai(nullable)]
    prev_hash: Option<String>,
    /// SHA-256 of `v1`, a line feed and `canonical`, lower-case hex.
    hash: String,
    /// The text that is hashed (RFC 8785 JSON).
    canonical: String,
}

/// Who did it. The id is opaque.
#[derive(Debug, Object)]
pub(crate) struct AuditActor {
    /// `user`, `api_key`, `system` or `operator`.
    #[oai(rename = "type")]
    kind: String,
    id: String,
}

/// What verification found.
#[derive(Debug, Object)]
pub(crate) struct Verification {
    pub(crate) status: VerificationStatus,
    /// Entries found right, up to the first bad one.
    pub(crate) checked: u64,
    /// The first entry that was read.
    #[oai(nullable)]
    verified_from_seq: Option<i64>,
    /// The last entry that was found right.
    #[oai(nullable)]
    head_seq: Option<i64>,
    /// Hash of that entry, lower-case hex.
    #[oai(nullable)]
    head_hash: Option<String>,
    /// The same; the name in attestations.
    #[oai(nullable)]
    head_hash_hex: Option<String>,
    /// The entry that `at_seq` asked for; absent when it is not on the intact part.
    #[oai(nullable)]
    at: Option<Position>,
    #[oai(nullable)]
    first_bad: Option<Fault>,
    /// For people.
    pub(crate) message: String,
}

/// An entry and its hash.
#[derive(Debug, Object)]
#[oai(rename = "AuditPosition")]
pub(crate) struct Position {
    seq: i64,
    /// Lower-case hex.
    hash_hex: String,
}

/// The first entry that is wrong.
#[derive(Debug, Object)]
#[oai(rename = "AuditFault")]
pub(crate) struct Fault {
    seq: i64,
    kind: FaultKind,
}

impl AuditLog {
    pub(super) fn new(entries: Vec<db::chain::Entry>, limit: u32) -> Result<Self> {
        let last = entries.last().filter(|_| entries.len() == limit as usize);
        let next_after_seq = last.map(|entry| entry.seq);
        let entries = entries.into_iter().map(AuditEntry::new).collect::<Result<_>>()?;
        Ok(Self { entries, next_after_seq })
    }
}

impl AuditEntry {
    fn new(entry: db::chain::Entry) -> Result<Self> {
        Ok(Self {
            seq: entry.seq,
            id: entry.id,
            action: entry.action,
            actor: AuditActor { kind: entry.actor_type, id: entry.actor_id },
            created_at: entry.created_at.into(),
            detail: serde_json::from_str(&entry.detail).map_err(Error::internal)?,
            origin: entry.origin,
            outcome: entry.outcome,
            prev_hash: entry.prev_hash.map(hex::encode),
            hash: hex::encode(entry.hash),
            canonical: entry.canonical,
        })
    }
}

impl Verification {
    pub(super) fn new(verdict: Verdict, at: Option<db::chain::At>) -> Self {
        let head_hash = verdict.head_hash.map(hex::encode);
        Self {
            status: verdict.status.into(),
            checked: verdict.checked,
            verified_from_seq: verdict.verified_from_seq,
            head_seq: verdict.head_seq,
            head_hash: head_hash.clone(),
            head_hash_hex: head_hash,
            at: at.map(|at| Position { seq: at.seq, hash_hex: hex::encode(at.hash) }),
            first_bad: verdict.first_bad.map(|bad| Fault { seq: bad.seq, kind: bad.kind.into() }),
            message: verdict.message,
        }
    }
}
