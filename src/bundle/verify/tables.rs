//! CSV entries: the exact header, every row of the right shape, formulas disarmed.
//!
//! Each row also goes into a digest of values (not of bytes), and so does the row of the same
//! section in `data.json`: equal digests mean that the two say the same, row by row.

use std::io::{self, Read};

use csv::StringRecord;
use evidence::time::read_stamp;
use sha2::{Digest as _, Sha256};

use super::meter::Allowance;
use super::recount::Recount;
use crate::csv::{guard, unguard};
use crate::digest::Hashing;
use crate::table::{Kind, Table};

/// What a section holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) rows: u64,
    pub(super) values: [u8; 32],
}

/// What was read, and the SHA-256 of the one way in which it can be written: a CSV with other quotes, line ends or a mark at
/// its beginning shows two readers two things.
pub(super) struct Sheet {
    pub(super) rows: Rows,
    pub(super) rendered: String,
}

/// The digest of the values of a section.
#[derive(Default)]
pub(super) struct Values {
    sum: Sha256,
    /// Values that are to be hashed together: a value by itself is a few bytes.
    waiting: Vec<u8>,
}

/// When values that wait are hashed.
const WAITING_BYTES: usize = 4 << 10;

impl Values {
    pub(super) fn blank(&mut self) {
        self.put(b'n', &[]);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.put(b't', &(text.len() as u64).to_be_bytes());
        self.waiting.extend_from_slice(text.as_bytes());
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.put(b'f', &[flag.into()]);
    }

    pub(super) fn integer(&mut self, number: i64) {
        self.put(b'i', &number.to_be_bytes());
    }

    pub(super) fn decimal(&mut self, number: f64) {
        self.put(b'd', &number.to_bits().to_be_bytes());
    }

    fn put(&mut self, kind: u8, bytes: &[u8]) {
        if self.waiting.len() >= WAITING_BYTES {
            self.sum.update(&self.waiting);
            self.waiting.clear();
        }
        self.waiting.push(kind);
        self.waiting.extend_from_slice(bytes);
    }

    pub(super) fn finish(mut self, rows: u64) -> Rows {
        self.sum.update(&self.waiting);
        Rows { rows, values: self.sum.finalize().into() }
    }

    fn cell(&mut self, kind: Kind, cell: &str) -> Result<(), &'static str> {
        if cell.is_empty() {
            self.blank();
            return Ok(());
        }
        match kind {
            Kind::Text | Kind::List => {
                let raw = unguard(cell);
                if guard(raw) != cell {
                    return Err("is text that a spreadsheet would run as a formula");
                }
                self.text(raw);
            }
            Kind::Number => match (cell.parse::<i64>(), decimal(cell)) {
                (Ok(number), _) => self.integer(number),
                (_, Some(number)) => self.decimal(number),
                _ => return Err("is not a number"),
            },
            Kind::Time => {
                read_stamp(cell).ok_or("is not a UTC time with six digits")?;
                self.text(cell);
            }
            Kind::Flag => self.flag(cell.parse().map_err(|_| "is neither true nor false")?),
        }
        Ok(())
    }
}

/// Digits, a point, digits: no `inf`, no exponents.
fn decimal(cell: &str) -> Option<f64> {
    let plain = cell.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-'));
    cell.parse().ok().filter(|_| plain)
}

pub(super) fn read(
    reader: &mut dyn Read,
    allowance: &Allowance,
    table: &'static Table,
    recount: &mut Recount,
) -> Result<Sheet, String> {
    let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(reader);
    let mut record = StringRecord::new();
    let mut next = |record: &mut StringRecord| {
        allowance.renew();
        reader.read_record(record).map_err(|error| format!("it is not a readable CSV: {error}"))
    };
    let mut writer = ::csv::WriterBuilder::new()
        .terminator(::csv::Terminator::Any(b'\n'))
        .from_writer(Hashing::new(io::sink()));
    let mut written_again = |record: &StringRecord| {
        writer.write_record(record).map_err(|error| format!("it cannot be compared: {error}"))
    };
    next(&mut record)?;
    written_again(&record)?;
    if !record.iter().eq(table.columns.iter().map(|column| column.name)) {
        return Err("its header is not the published one".to_owned());
    }
    let mut values = Values::default();
    let mut rows = 0_u64;
    while next(&mut record)? {
        rows += 1;
        written_again(&record)?;
        for (column, cell) in table.columns.iter().zip(&record) {
            values
                .cell(column.kind, cell)
                .map_err(|fault| format!("row {rows}: {} {fault}", column.name))?;
        }
        recount.row(table, &record).map_err(|fault| format!("row {rows}: {fault}"))?;
    }
    let hashing = writer.into_inner().map_err(|error| error.to_string())?;
    Ok(Sheet { rows: values.finish(rows), rendered: hashing.finish().1.sha256 })
}
