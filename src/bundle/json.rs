//! `data.json`: every section with raw values, written as the rows come. Constant memory.
//!
//! Members stand in the order of [`MEMBERS`]; [`Document`] refuses any other. One row per line, so
//! that two documents can be compared with stock tools. Numbers have the very digits of the CSV.

use std::io::Write;

use evidence::pack::{AuditRange, Org, Summary};
use evidence::time::{Period, Time};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::digest::{Digest, Hashing};
use crate::table::{Cell, Row, Table};

/// The form of `data.json` and of the CSV headers.
pub const SCHEMA: &str = "driftpack.data/v1";

/// The members in their order.
pub const MEMBERS: [&str; 15] = [
    "schema",
    "generated_at",
    "org",
    "period",
    "summary",
    "findings",
    "scans",
    "coverage_monthly",
    "remediation_sla",
    "custom_rules",
    "state_sources",
    "exceptions",
    "controls",
    "audit_log",
    "chain",
];

/// Where the audit chain stood in the snapshot of the sections: the position that the attestation speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// The chain's name: the organisation's id.
    pub chain: String,
    pub canonical_version: String,
    pub head_seq: i64,
    /// Lower-case hex.
    pub head_hash_hex: String,
}

/// What stands before the sections.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    pub generated_at: Time,
    pub org: &'a Org,
    pub period: &'a Period,
    pub summary: &'a Summary,
}

/// Writes the document member by member; [`Self::begin`], then a [`Self::section`] for each of
/// [`crate::section::ALL`], then [`Self::finish`].
pub struct Document<W: Write> {
    inner: Hashing<W>,
    /// What is gathered before it is hashed and handed on.
    buffer: Vec<u8>,
    written: usize,
}

const BUFFER_BYTES: usize = 64 * 1024;

impl<W: Write> Document<W> {
    pub fn begin(writer: W, opening: &Opening<'_>) -> Result<Self, Error> {
        let mut document = Self { inner: Hashing::new(writer), buffer: Vec::new(), written: 0 };
        document.member("schema", &SCHEMA)?;
        document.member("generated_at", &evidence::time::stamp(opening.generated_at))?;
        document.member("org", opening.org)?;
        document.member("period", opening.period)?;
        document.member("summary", opening.summary)?;
        Ok(document)
    }

    /// Begins the array of a section; the next one in [`MEMBERS`] must be its name.
    pub fn section(&mut self, table: &'static Table) -> Result<Rows<'_, W>, Error> {
        self.name(table.name)?;
        self.buffer.push(b'[');
        let keys = table.columns.iter().enumerate().map(|(position, column)| {
            let before = if position == 0 { "{" } else { "," };
            format!("{before}\"{}\":", column.name)
        });
        Ok(Rows { document: self, table, keys: keys.collect(), count: 0 })
    }

    /// Ends the document and gives the writer back.
    pub fn finish(mut self, audit_log: &AuditRange, chain: &Chain) -> Result<(W, Digest), Error> {
        self.member("audit_log", audit_log)?;
        self.member("chain", chain)?;
        self.buffer.extend_from_slice(b"\n}\n");
        self.send()?;
        self.inner.flush()?;
        Ok(self.inner.finish())
    }

    fn member(&mut self, name: &'static str, value: &impl Serialize) -> Result<(), Error> {
        self.name(name)?;
        serde_json::to_writer(&mut self.buffer, value)?;
        self.send()
    }

    fn name(&mut self, name: &'static str) -> Result<(), Error> {
        let expected = MEMBERS.get(self.written).copied().unwrap_or("the end");
        if expected != name {
            return Err(Error::DocumentOrder {
                expected: expected.to_owned(),
                found: name.to_owned(),
            });
        }
        let before = if self.written == 0 { "{" } else { "," };
        write!(self.buffer, "{before}\n\"{name}\":")?;
        self.written += 1;
        Ok(())
    }

    fn send(&mut self) -> Result<(), Error> {
        self.inner.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// The array of one section; [`Self::finish`] closes it.
#[must_use = "an array that is not finished leaves the document open"]
pub struct Rows<'a, W: Write> {
    document: &'a mut Document<W>,
    table: &'static Table,
    /// What stands before each value.
    keys: Vec<String>,
    count: u64,
}

impl<W: Write> Rows<'_, W> {
    /// Writes a row as an object with the keys of the header.
    pub fn row(&mut self, row: Row<'_>) -> Result<(), Error> {
        debug_assert_eq!(row.table, self.table, "the row of another table");
        let out = &mut self.document.buffer;
        out.extend_from_slice(if self.count == 0 { b"\n" } else { b",\n" });
        for (key, (cell, plain)) in self.keys.iter().zip(row.written()) {
            out.extend_from_slice(key.as_bytes());
            value(out, cell, plain)?;
        }
        out.push(b'}');
        self.count += 1;
        if out.len() >= BUFFER_BYTES { self.document.send() } else { Ok(()) }
    }

    /// Closes the array; gives the number of rows.
    pub fn finish(self) -> Result<u64, Error> {
        let end: &[u8] = if self.count == 0 { b"]" } else { b"\n]" };
        self.document.buffer.extend_from_slice(end);
        Ok(self.count)
    }
}

/// A value; `plain` is the written form of a number, a time, a flag or an id.
fn value(out: &mut Vec<u8>, cell: &Cell<'_>, plain: &[u8]) -> Result<(), Error> {
    match cell {
        Cell::List(parts) => serde_json::to_writer(out, parts)?,
        Cell::Text(text) if !text.is_empty() => string(out, text)?,
        Cell::Word(word) if !word.is_empty() => string(out, word)?,
        Cell::Time(_) | Cell::Id(_) => quoted(out, plain),
        _ if !plain.is_empty() => out.extend_from_slice(plain),
        _ => out.extend_from_slice(b"null"),
    }
    Ok(())
}

/// Nearly all texts stand in JSON as they are, which is quicker to see than to write sign by sign.
fn string(out: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    let special = |byte: &u8| u8::from(matches!(byte, 0..b' ' | b'"' | b'\\'));
    if text.as_bytes().iter().fold(0, |found, byte| found | special(byte)) != 0 {
        serde_json::to_writer(out, text)?;
    } else {
        quoted(out, text.as_bytes());
    }
    Ok(())
}

fn quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(bytes);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::table::Intake;
    use crate::{section, testing};

    fn opened() -> Document<Vec<u8>> {
        let summary = testing::summary();
        let opening = Opening {
            generated_at: summary.generated_at,
            org: &summary.org,
            period: &summary.period,
            summary: &summary,
        };
        Document::begin(Vec::new(), &opening).unwrap()
    }

    #[test]
    fn sections_out_of_order_are_refused() {
        let mut document = opened();
        let refused = document.section(&section::SCANS).map(|_| ());
        assert!(matches!(refused, Err(Error::DocumentOrder { .. })), "{refused:?}");
    }

    #[test]
    fn a_document_cannot_end_before_its_sections() {
        let chain = Chain {
            chain: String::new(),
            canonical_version: "v1".to_owned(),
            head_seq: 1,
            head_hash_hex: String::new(),
        };
        let refused = opened().finish(&AuditRange::default(), &chain).map(|_| ());
        assert!(matches!(refused, Err(Error::DocumentOrder { .. })), "{refused:?}");
    }

    #[test]
    fn rows_keep_raw_values_and_their_kinds() {
        let mut document = opened();
        for table in section::ALL {
            let mut rows = document.section(table).unwrap();
            if table.name == "exceptions" {
                let text = Cell::from("=1+1");
                let when = Cell::Time(Time::UNIX_EPOCH);
                let cells = [
                    text,
                    Cell::from(""),
                    Cell::Id(Uuid::max()),
                    (-3_i64).into(),
                    "\"\n".into(),
                    when,
                    "é".into(),
                ];
                rows.row(Intake::new(table).row(&cells).unwrap()).unwrap();
            }
            rows.finish().unwrap();
        }
        let chain = Chain {
            chain: "c".to_owned(),
            canonical_version: "v1".to_owned(),
            head_seq: 9_007_199_254_740_993,
            head_hash_hex: "00".to_owned(),
        };
        let (bytes, digest) = document.finish(&AuditRange::default(), &chain).unwrap();
        assert_eq!(digest, crate::digest::of(&bytes));
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let members: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        assert_eq!(members.len(), MEMBERS.len());
        let row = &value["exceptions"][0];
        assert_eq!(row["kind"], "=1+1");
        assert_eq!(row["reference"], serde_json::Value::Null);
        assert_eq!(row["subject"], "ffffffff-ffff-ffff-ffff-ffffffffffff");
        assert_eq!(row["count"], -3);
        assert_eq!(row["who"], "\"\n");
        assert_eq!(row["when"], "1970-01-01T00:00:00.000000Z");
    }
}
