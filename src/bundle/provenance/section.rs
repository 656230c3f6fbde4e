//! One entry of the pack, and the statements that it was made from.

use std::collections::BTreeMap;

use evidence::pack;
use serde::{Deserialize, Serialize};

use crate::csv::Counted;
use crate::digest::{Digest, sha256_hex};

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
        ![
            pack::PROVENANCE,
            pack::INDEX_HTML,
            pack::CHAIN_ATTESTATION,
            pack::MANIFEST,
            pack::TIME_STAMP,
        ]
        .contains(&entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_query_is_that_of_its_text() {
        let query = Query::new("findings", "select 1", BTreeMap::new());
        assert_eq!(query.sql_sha256, sha256_hex(b"select 1"));
    }
}
