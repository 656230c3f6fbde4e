//! `provenance.json`: how every figure of the pack came about, so that an auditor can judge the
//! completeness and accuracy of information produced by the entity (IPE).
//!
//! It covers every entry that exists when it is written: all but itself, `chain-attestation.json`
//! and `MANIFEST.txt`, which come after it and cover it. It holds opaque ids of people, no names.

use std::collections::BTreeMap;

use evidence::ids::{ExportId, OrgId, UserId};
use evidence::metrics::RollForward;
use evidence::org::Role;
use evidence::pack::{self, Summary};
use evidence::risk::RiskLevel;
use evidence::time::{Period, Time};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::csv::Counted;
use crate::digest::{Digest, sha256_hex};
use crate::keys::PublicKey;

/// The form of the file.
pub const SCHEMA: &str = "driftpack.provenance/v1";

/// How the period is to be read; stands beside its bounds.
pub const BOUNDS: &str = "[start, end), UTC: start belongs to the period, end does not";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// [`SCHEMA`].
    pub schema: String,
    pub product: Product,
    pub org: Org,
    pub request: Request,
    pub period: Period,
    /// [`BOUNDS`].
    pub period_bounds: String,
    pub snapshot: Snapshot,
    /// The attempt of the build that wrote this file; a repeated attempt gives the same sections.
    pub attempt: u32,
    pub sections: Vec<Section>,
    pub control_totals: ControlTotals,
    pub tie_out: TieOut,
    pub sequence_gaps: SequenceGaps,
    pub exclusions: Vec<Exclusion>,
    /// The key that signs the attestation, as the pack's maker names it. Trust it only if you know
    /// it from elsewhere. Absent in an unsigned pack.
    pub signing_key: Option<VerificationKey>,
}

/// Which system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    pub name: String,
    pub version: String,
    /// The commit it was built from.
    pub build: String,
    pub base_url: String,
}

/// Whose data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Org {
    pub id: OrgId,
    pub slug: String,
    pub name: String,
}

/// Who asked, when, and how they had proved who they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub export_id: ExportId,
    pub requested_by: UserId,
    /// At the time of the request.
    pub role: Role,
    /// `oidc`.
    pub auth_method: String,
    pub request_id: Option<String>,
    pub requested_at: Time,
}

/// The one database moment that all sections come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    pub id: String,
    pub taken_at: Time,
    pub wal_lsn: Option<String>,
    /// The newest migration that was applied.
    pub migration: String,
}

/// One entry: what it was asked of, and what came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    pub entry: String,
    /// Every statement that the entry was made from; none for entries that come from no query.
    pub queries: Vec<Query>,
    /// Rows or lines; absent where an entry has none (PDF, Markdown, `data.json` as a whole).
    pub rows: Option<u64>,
    pub bytes: u64,
    pub sha256: String,
    /// The least and greatest value of the entry's range column.
    pub min: Option<String>,
    pub max: Option<String>,
}

/// Report logic: a statement as it was asked, and what it was asked with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    pub name: String,
    pub sql: String,
    pub sql_sha256: String,
    /// By place (`$1`), each exactly those that the statement names, in the text form of PostgreSQL: put between quotes, they
    /// can be given to `EXECUTE`.
    pub parameters: BTreeMap<String, String>,
}

impl Query {
    pub fn new(name: &str, sql: &str, parameters: BTreeMap<String, String>) -> Self {
        let (name, sql_sha256) = (name.to_owned(), sha256_hex(sql.as_bytes()));
        Self { name, sql: sql.to_owned(), sql_sha256, parameters }
    }
}

impl Section {
    /// A CSV entry.
    pub fn table(entry: &str, counted: Counted, queries: Vec<Query>) -> Self {
        Self {
            entry: entry.to_owned(),
            queries,
            rows: Some(counted.rows),
            bytes: counted.bytes,
            sha256: counted.sha256,
            min: counted.min,
            max: counted.max,
        }
    }

    /// An entry with one item per line.
    pub fn lines(entry: &str, digest: Digest, queries: Vec<Query>) -> Self {
        Self { rows: Some(digest.lines), ..Self::file(entry, digest, queries) }
    }

    /// An entry that is not made of rows.
    pub fn file(entry: &str, digest: Digest, queries: Vec<Query>) -> Self {
        let Digest { sha256, bytes, .. } = digest;
        Self { entry: entry.to_owned(), queries, rows: None, bytes, sha256, min: None, max: None }
    }

    /// Whether `provenance.json` must have a section for the entry.
    pub fn is_due(entry: &str) -> bool {
        ![pack::PROVENANCE, pack::CHAIN_ATTESTATION, pack::MANIFEST].contains(&entry)
    }
}

/// The figures that appear in `data.json`, in the CSVs and in the PDF alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlTotals {
    pub findings: u64,
    pub roll_forward: RollForward,
    pub scans_done: u64,
    pub scans_partial: u64,
    pub scans_failed: u64,
    pub audit_entries: u64,
}

impl From<&Summary> for ControlTotals {
    fn from(summary: &Summary) -> Self {
        let headline = &summary.headline;
        Self {
            findings: headline.findings_in_period,
            roll_forward: headline.roll_forward,
            scans_done: headline.scans_done,
            scans_partial: headline.scans_partial,
            scans_failed: headline.scans_failed,
            audit_entries: summary.audit.entries,
        }
    }
}

/// The sums that were checked while the pack was built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TieOut {
    /// The roll-forward per risk level as at detection.
    pub levels: BTreeMap<RiskLevel, RollForward>,
    pub checks: Vec<TieCheck>,
}

/// Two counts of the same thing, made in two ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TieCheck {
    pub name: String,
    pub reported: i64,
    pub counted: i64,
}

impl TieCheck {
    pub fn ties(&self) -> bool {
        self.reported == self.counted
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SequenceGaps {
    /// The statements that were asked for the numbers.
    pub queries: Vec<Query>,
    /// The organisation's finding numbers, from 1 to the newest.
    pub finding_numbers: Sequence,
    /// The entries of the audit chain in the period.
    pub audit_seq: Sequence,
}

/// A run of numbers that should have no holes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    pub first: Option<i64>,
    pub last: Option<i64>,
    /// First and last number of each hole.
    pub missing: Vec<(i64, i64)>,
}

/// Something that the pack does not contain, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exclusion {
    pub what: String,
    pub why: String,
}

impl Exclusion {
    pub fn new(what: &str, why: &str) -> Self {
        Self { what: what.to_owned(), why: why.to_owned() }
    }

    /// What no pack contains.
    pub fn standing() -> Vec<Self> {
        vec![
            Self::new(
                "Login and sign-in events",
                "People sign in at the organisation's identity provider, which is the source of these records.",
            ),
            Self::new(
                "SCIM provisioning events",
                "They are recorded only for organisations that use SCIM; without SCIM there are none.",
            ),
            Self::new(
                "Values of changed attributes",
                "findings.csv names the attributes that changed. Their values may be secret and are left out.",
            ),
        ]
    }
}

/// A public key, also as PEM for stock tools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerificationKey {
    pub kid: String,
    pub alg: String,
    /// The 32 raw bytes, base64.
    pub public_key: String,
    pub pem: String,
}

impl VerificationKey {
    pub fn of(key: &PublicKey) -> Result<Self, Error> {
        let pem = key.to_pem()?;
        let PublicKey { kid, alg, public_key, .. } = key.clone();
        Ok(Self { kid, alg, public_key, pem })
    }

    /// The key, if its four members belong together.
    pub fn public(&self) -> Result<PublicKey, Error> {
        let key = PublicKey::from_text(&self.pem)?;
        if (&key.kid, &key.alg, &key.public_key) == (&self.kid, &self.alg, &self.public_key) {
            Ok(key)
        } else {
            Err(Error::Key("its PEM text is another key than its public_key"))
        }
    }
}

impl Provenance {
    /// The bytes of the file.
    pub fn render(&self) -> Result<String, Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Reads the file; unknown members are refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        Ok(serde_json::from_slice(bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SigningKey;

    #[test]
    fn a_key_whose_members_disagree_is_refused() {
        let key = |byte| VerificationKey::of(&SigningKey::generate([byte; 32]).public()).unwrap();
        assert!(key(1).public().is_ok());
        assert!(VerificationKey { pem: key(2).pem, ..key(1) }.public().is_err());
    }

    #[test]
    fn the_hash_of_a_query_is_that_of_its_text() {
        let query = Query::new("findings", "select 1", BTreeMap::new());
        assert_eq!(query.sql_sha256, sha256_hex(b"select 1"));
    }
}
