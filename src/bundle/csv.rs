//! CSV: RFC 4180 quoting, UTF-8, LF, one header row.
//!
//! Spreadsheets run a cell that begins with `= + - @`, a tab, a carriage return or a full-width
//! twin of the four as a formula, quoted or not. Cells of text columns that do are written with a
//! `'` before them; numbers, times and flags never. A text that begins with `'` and would look
//! guarded is guarded too, so that [`unguard`] always gives back the very text. `data.json` holds
//! the raw values.

use std::borrow::Cow;
use std::io::Write;

use evidence::time::{Time, stamp};

use crate::Error;
use crate::digest::{Digest, Hashing};
use crate::table::{Cell, Row, Table};

/// What a finished section holds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counted {
    /// Without the header.
    pub rows: u64,
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
    /// The least and greatest value of the table's range column, as written; absent without rows.
    pub min: Option<String>,
    pub max: Option<String>,
}

/// Writes one section. Constant memory.
pub struct Writer<W: Write> {
    table: &'static Table,
    inner: Hashing<W>,
    buffer: Vec<u8>,
    rows: u64,
    range: Range,
}

/// What is gathered before it is hashed and handed on.
const BUFFER_BYTES: usize = 64 * 1024;

impl<W: Write> Writer<W> {
    /// Writes the header.
    pub fn new(writer: W, table: &'static Table) -> Result<Self, Error> {
        let mut buffer = Vec::with_capacity(BUFFER_BYTES + BUFFER_BYTES / 8);
        for (position, column) in table.columns.iter().enumerate() {
            separate(&mut buffer, position);
            field(&mut buffer, column.name);
        }
        buffer.push(b'\n');
        Ok(Self { table, inner: Hashing::new(writer), buffer, rows: 0, range: Range::new(table) })
    }

    /// Writes a row of the table.
    pub fn row(&mut self, row: Row<'_>) -> Result<(), Error> {
        debug_assert_eq!(row.table, self.table, "the row of another table");
        for (position, (cell, plain)) in row.written().enumerate() {
            separate(&mut self.buffer, position);
            match cell {
                Cell::Text(_) | Cell::Word(_) | Cell::List(_) => {
                    if let Some(text) = cell.written() {
                        field(&mut self.buffer, &guard(&text));
                    }
                }
                _ => self.buffer.extend_from_slice(plain),
            }
        }
        self.buffer.push(b'\n');
        self.range.take(row.cells);
        self.rows += 1;
        if self.buffer.len() >= BUFFER_BYTES { self.send() } else { Ok(()) }
    }

    /// Flushes and gives the writer back.
    pub fn finish(mut self) -> Result<(W, Counted), Error> {
        self.send()?;
        let (mut writer, Digest { sha256, bytes, .. }) = self.inner.finish();
        writer.flush()?;
        let (min, max) = self.range.written();
        Ok((writer, Counted { rows: self.rows, bytes, sha256, min, max }))
    }

    fn send(&mut self) -> Result<(), Error> {
        self.inner.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

fn separate(out: &mut Vec<u8>, position: usize) {
    if position > 0 {
        out.push(b',');
    }
}

/// A field, in quotes where RFC 4180 asks for them. (No table has one column, so that no line is empty.)
fn field(out: &mut Vec<u8>, text: &str) {
    // Without an early end, so that many bytes are looked at at once.
    let special = |byte: &u8| u8::from(matches!(byte, b',' | b'"' | b'\n' | b'\r'));
    if text.as_bytes().iter().fold(0, |found, byte| found | special(byte)) == 0 {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    for (position, part) in text.split('"').enumerate() {
        if position > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'"');
}

/// The least and greatest value of one column.
struct Range {
    position: usize,
    bounds: Option<(Bound, Bound)>,
}

#[derive(Clone, PartialEq, PartialOrd)]
enum Bound {
    Int(i64),
    Time(Time),
    Decimal(f64, u8),
    Text(String),
}

impl Range {
    fn new(table: &Table) -> Self {
        let position = table.position(table.range).expect("a test holds every table to this");
        Self { position, bounds: None }
    }

    fn take(&mut self, row: &[Cell<'_>]) {
        let Some(value) = Bound::of(&row[self.position]) else { return };
        match &mut self.bounds {
            None => self.bounds = Some((value.clone(), value)),
            Some((min, _)) if value < *min => *min = value,
            Some((_, max)) if value > *max => *max = value,
            Some(_) => {}
        }
    }

    fn written(self) -> (Option<String>, Option<String>) {
        let bounds = self.bounds.map(|(min, max)| (min.written(), max.written()));
        bounds.unzip()
    }
}

impl Bound {
    fn of(cell: &Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Int(number) => Some(Self::Int(*number)),
            Cell::Time(time) => Some(Self::Time(*time)),
            Cell::Decimal(number, digits) => {
                number.is_finite().then_some(Self::Decimal(*number, *digits))
            }
            other => other.written().map(|text| Self::Text(text.into_owned())),
        }
    }

    fn written(self) -> String {
        match self {
            Self::Int(number) => number.to_string(),
            Self::Time(time) => stamp(time),
            Self::Decimal(number, digits) => {
                Cell::Decimal(number, digits).written().unwrap_or_default().into_owned()
            }
            Self::Text(text) => text,
        }
    }
}

/// Characters that make a spreadsheet run the rest of the cell.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(FORMULA)
}

/// The text as it stands in a CSV cell, before quoting.
pub fn guard(text: &str) -> Cow<'_, str> {
    if is_formula(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// The raw text of a cell of a text column.
pub fn unguard(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| is_formula(rest)).unwrap_or(cell)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::section::EXCEPTIONS;
    use crate::table::Intake;

    fn written(rows: &[Vec<Cell<'_>>]) -> (String, Counted) {
        let mut writer = Writer::new(Vec::new(), &EXCEPTIONS).unwrap();
        let mut intake = Intake::new(&EXCEPTIONS);
        for row in rows {
            writer.row(intake.row(row).unwrap()).unwrap();
        }
        let (bytes, counted) = writer.finish().unwrap();
        (String::from_utf8(bytes).unwrap(), counted)
    }

    fn row(text: &str, count: i64, when: Option<Time>) -> Vec<Cell<'_>> {
        let text = || Cell::from(text);
        vec![text(), text(), text(), count.into(), text(), when.into(), text()]
    }

    #[test]
    fn formulas_are_disarmed_in_text_and_negative_numbers_stay_numbers() {
        let (csv, _) = written(&[row("=HYPERLINK(\"http://x\",\"y\")", -5, None)]);
        let line = csv.lines().nth(1).unwrap();
        let cell = "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"";
        assert_eq!(line, format!("{cell},{cell},{cell},-5,{cell},,{cell}"));
    }

    #[test]
    fn every_dangerous_beginning_is_guarded_and_nothing_else_is() {
        for start in FORMULA {
            assert_eq!(guard(&format!("{start}x")), format!("'{start}x"));
        }
        for harmless in ["", "a=b", "'quoted", " =x", "１", "''", "aws_iam_user.u[\"=x\"]"] {
            assert_eq!(guard(harmless), harmless);
        }
    }

    #[test]
    fn an_empty_section_is_a_header_and_nothing_else() {
        let (csv, counted) = written(&[]);
        assert_eq!(csv, "kind,reference,subject,count,who,when,why\n");
        assert_eq!((counted.rows, counted.min, counted.max), (0, None, None));
    }

    #[test]
    fn the_range_is_the_least_and_greatest_value() {
        let at = |seconds| Time::from_timestamp(seconds, 0);
        let (_, counted) = written(&[
            row("b", 1, at(20)),
            row("a", 1, at(10)),
            row("c", 1, None),
            row("d", 1, at(15)),
        ]);
        assert_eq!(counted.min.as_deref(), Some("1970-01-01T00:00:10.000000Z"));
        assert_eq!(counted.max.as_deref(), Some("1970-01-01T00:00:20.000000Z"));
    }

    proptest! {
        #[test]
        fn any_text_survives_the_way_through_a_csv_reader(
            texts in proptest::collection::vec("(['=+@\\-\t\r＝']{0,3})(\\PC|[\n\r\",'=])*", 0..8),
            count in any::<i64>(),
        ) {
            let rows: Vec<_> = texts.iter().map(|text| row(text, count, None)).collect();
            let (csv, counted) = written(&rows);
            prop_assert_eq!(counted.rows, rows.len() as u64);
            prop_assert_eq!(&counted.sha256, &crate::digest::sha256_hex(csv.as_bytes()));
            let mut reader = ::csv::Reader::from_reader(csv.as_bytes());
            let read: Vec<_> = reader.records().collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(read.len(), texts.len());
            for (record, text) in read.iter().zip(&texts) {
                prop_assert_eq!(unguard(&record[0]), text);
                prop_assert_eq!(&record[3], &count.to_string());
                prop_assert!(!record[0].starts_with(FORMULA));
            }
        }
    }
}
