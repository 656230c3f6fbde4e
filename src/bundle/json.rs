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
use crate::table::{Cell, Table};

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
    written: usize,
}

impl<W: Write> Document<W> {
    pub fn begin(writer: W, opening: &Opening<'_>) -> Result<Self, Error> {
        let mut document = Self { inner: Hashing::new(writer), written: 0 };
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
        self.inner.write_all(b"[")?;
        Ok(Rows { inner: &mut self.inner, table, count: 0 })
    }

    /// Ends the document and gives the writer back.
    pub fn finish(mut self, audit_log: &AuditRange, chain: &Chain) -> Result<(W, Digest), Error> {
        self.member("audit_log", audit_log)?;
        self.member("chain", chain)?;
        self.inner.write_all(b"\n}\n")?;
        self.inner.flush()?;
        Ok(self.inner.finish())
    }

    fn member(&mut self, name: &'static str, value: &impl Serialize) -> Result<(), Error> {
        self.name(name)?;
        serde_json::to_writer(&mut self.inner, value)?;
        Ok(())
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
        write!(self.inner, "{before}\n\"{name}\":")?;
        self.written += 1;
        Ok(())
    }
}

/// The array of one section; [`Self::finish`] closes it.
#[must_use = "an array that is not finished leaves the document open"]
pub struct Rows<'a, W: Write> {
    inner: &'a mut Hashing<W>,
    table: &'static Table,
    count: u64,
}

impl<W: Write> Rows<'_, W> {
    /// Writes a row as an object with the keys of the header.
    pub fn row(&mut self, row: &[Cell]) -> Result<(), Error> {
        self.table.check(row)?;
        self.inner.write_all(if self.count == 0 { b"\n{" } else { b",\n{" })?;
        for (position, (column, cell)) in self.table.columns.iter().zip(row).enumerate() {
            if position > 0 {
                self.inner.write_all(b",")?;
            }
            write!(self.inner, "\"{}\":", column.name)?;
            value(&mut self.inner, cell)?;
        }
        self.inner.write_all(b"}")?;
        self.count += 1;
        Ok(())
    }

    /// Closes the array; gives the number of rows.
    pub fn finish(self) -> Result<u64, Error> {
        self.inner.write_all(if self.count == 0 { b"]" } else { b"\n]" })?;
        Ok(self.count)
    }
}

fn value(writer: &mut impl Write, cell: &Cell) -> Result<(), Error> {
    match (cell, cell.written()) {
        (Cell::List(parts), _) => serde_json::to_writer(writer, parts)?,
        (_, None) => writer.write_all(b"null")?,
        (Cell::Text(_) | Cell::Time(_), Some(text)) => {
            serde_json::to_writer(writer, text.as_ref())?;
        }
        (_, Some(text)) => writer.write_all(text.as_bytes())?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
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
                rows.row(&[
                    text,
                    Cell::from(""),
                    Cell::Null,
                    (-3_i64).into(),
                    "\"\n".into(),
                    when,
                    "é".into(),
                ])
                .unwrap();
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
        assert_eq!(row["count"], -3);
        assert_eq!(row["who"], "\"\n");
        assert_eq!(row["when"], "1970-01-01T00:00:00.000000Z");
    }
}
