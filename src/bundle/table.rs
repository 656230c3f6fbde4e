//! Tables and their rows: the one source of a CSV entry and of the array of the same name in
//! `data.json`.
//!
//! A cell has one written form ([`Cell::written`]); CSV adds quoting and the formula guard to it,
//! JSON adds quotes to text and times, and keeps a list as an array. An empty text and an absent value are both blank: nothing
//! between two commas, `null` in JSON.

use std::borrow::Cow;
use std::fmt::Display;

use evidence::time::{Time, push_stamp, stamp};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use crate::Error;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Number,
    /// RFC 3339, UTC, six digits, `Z`.
    Time,
    /// `true` or `false`.
    Flag,
    /// Texts: one cell in CSV, an array in JSON.
    List,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    /// For a reader, in a line.
    pub meaning: &'static str,
}

/// A section of the pack.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// The array in `data.json`.
    pub name: &'static str,
    /// The CSV entry.
    pub entry: &'static str,
    pub columns: &'static [Column],
    /// The column whose least and greatest value go into `provenance.json`.
    pub range: &'static str,
}

impl Table {
    /// The place of a column.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

/// Takes the rows of a table, one at a time: refuses what does not fit the header, and writes numbers, times and flags once for
/// all entries that hold them.
#[derive(Debug)]
pub struct Intake {
    table: &'static Table,
    /// The written forms, one after the other.
    plain: Vec<u8>,
    /// Where each cell's ends.
    ends: Vec<usize>,
}

/// A row that fits its header.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    pub(crate) table: &'static Table,
    pub(crate) cells: &'a [Cell<'a>],
    plain: &'a [u8],
    ends: &'a [usize],
}

impl Intake {
    pub fn new(table: &'static Table) -> Self {
        Self { table, plain: Vec::new(), ends: Vec::with_capacity(table.columns.len()) }
    }

    /// Refuses a row that has not one cell of the right kind for each column.
    pub fn row<'a>(&'a mut self, cells: &'a [Cell<'a>]) -> Result<Row<'a>, Error> {
        let Self { table, plain, ends } = self;
        if cells.len() != table.columns.len() {
            return Err(Error::RowLength {
                table: table.name,
                found: cells.len(),
                expected: table.columns.len(),
            });
        }
        plain.clear();
        ends.clear();
        for (column, cell) in table.columns.iter().zip(cells) {
            if !cell.fits(column.kind) {
                return Err(Error::CellKind {
                    table: table.name,
                    column: column.name,
                    expected: column.kind.as_str(),
                });
            }
            cell.push_plain(plain);
            ends.push(plain.len());
        }
        Ok(Row { table, cells, plain, ends })
    }
}

impl<'a> Row<'a> {
    /// The cells in order, each with the written form of a number, a time, a flag or an id; it is empty for anything else, and
    /// where the cell is blank.
    pub(crate) fn written(self) -> impl Iterator<Item = (&'a Cell<'a>, &'a [u8])> {
        let mut start = 0;
        self.cells.iter().zip(self.ends).map(move |(cell, end)| {
            let plain = &self.plain[start..*end];
            start = *end;
            (cell, plain)
        })
    }
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "a number",
            Self::Time => "a time",
            Self::Flag => "true or false",
            Self::List => "a list of texts",
        }
    }
}

/// One value of a row; its texts may be borrowed from where the row was read.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    Text(Cow<'a, str>),
    /// A text that is one of a few: the word of an enum.
    Word(&'static str),
    Int(i64),
    /// A value and the number of digits after the point; a value that is not finite is blank.
    Decimal(f64, u8),
    Time(Time),
    Flag(bool),
    /// A text: the hyphenated lower-case form.
    Id(Uuid),
    List(Vec<&'a str>),
    Null,
}

/// Between the parts of a list in one CSV cell.
pub const LIST_SEPARATOR: &str = "; ";

impl Cell<'_> {
    /// Anything with a textual form: enum words, names.
    pub fn text(value: impl Display) -> Self {
        Self::Text(value.to_string().into())
    }

    /// A number with a fixed count of digits after the point; blank when absent.
    pub fn decimal(value: impl Into<Option<f64>>, digits: u8) -> Self {
        value.into().map_or(Self::Null, |value| Self::Decimal(value, digits))
    }

    /// The value without quotes, a list joined with [`LIST_SEPARATOR`]; `None` when blank.
    pub fn written(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => (!text.is_empty()).then_some(Cow::Borrowed(text)),
            Self::Word(word) => (!word.is_empty()).then_some(Cow::Borrowed(*word)),
            Self::Int(number) => Some(number.to_string().into()),
            Self::Decimal(number, digits) => decimal(*number, *digits).map(Cow::Owned),
            Self::Time(time) => Some(stamp(*time).into()),
            Self::Flag(flag) => Some(if *flag { "true" } else { "false" }.into()),
            Self::Id(id) => Some(id.to_string().into()),
            Self::List(parts) => {
                Some(parts.join(LIST_SEPARATOR)).filter(|joined| !joined.is_empty()).map(Cow::Owned)
            }
            Self::Null => None,
        }
    }

    /// Appends the written form of a number, a time, a flag or an id; nothing where it is blank, or is none of these.
    fn push_plain(&self, out: &mut Vec<u8>) {
        match self {
            Self::Int(number) => {
                serde_json::to_writer(out, number).expect("memory takes everything");
            }
            Self::Time(time) => push_stamp(out, *time),
            Self::Flag(flag) => {
                out.extend_from_slice(if *flag { "true" } else { "false" }.as_bytes());
            }
            Self::Id(id) => {
                let mut text = [0; Hyphenated::LENGTH];
                out.extend_from_slice(id.as_hyphenated().encode_lower(&mut text).as_bytes());
            }
            Self::Decimal(number, digits) => {
                out.extend_from_slice(decimal(*number, *digits).unwrap_or_default().as_bytes());
            }
            Self::Text(_) | Self::Word(_) | Self::List(_) | Self::Null => {}
        }
    }

    fn fits(&self, kind: Kind) -> bool {
        match self {
            Self::Text(_) | Self::Word(_) | Self::Id(_) => kind == Kind::Text,
            Self::Int(_) | Self::Decimal(..) => kind == Kind::Number,
            Self::Time(_) => kind == Kind::Time,
            Self::Flag(_) => kind == Kind::Flag,
            Self::List(_) => kind == Kind::List,
            Self::Null => true,
        }
    }
}

/// `-0.00` is written `0.00`: a sign of nothing would only raise questions.
fn decimal(number: f64, digits: u8) -> Option<String> {
    if !number.is_finite() {
        return None;
    }
    let text = format!("{number:.*}", usize::from(digits));
    let nothing = text.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.'));
    Some(if nothing { text.trim_start_matches('-').to_owned() } else { text })
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Cell<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<Uuid> for Cell<'_> {
    fn from(id: Uuid) -> Self {
        Self::Id(id)
    }
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<i32> for Cell<'_> {
    fn from(number: i32) -> Self {
        Self::Int(number.into())
    }
}

impl From<u32> for Cell<'_> {
    fn from(number: u32) -> Self {
        Self::Int(number.into())
    }
}

/// Counts; no table has more than `i64::MAX` of anything.
impl From<u64> for Cell<'_> {
    fn from(count: u64) -> Self {
        Self::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

impl From<Time> for Cell<'_> {
    fn from(time: Time) -> Self {
        Self::Time(time)
    }
}

impl From<bool> for Cell<'_> {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell<'_> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::section;

    #[test]
    fn a_row_must_fit_its_header() {
        let mut intake = Intake::new(&section::CONTROLS);
        let short = intake.row(&[Cell::Null]);
        assert!(matches!(short, Err(Error::RowLength { found: 1, expected: 6, .. })));
        let mut row = vec![Cell::Null; 6];
        assert!(intake.row(&row).is_ok());
        row[2] = Cell::Int(1);
        let wrong = intake.row(&row);
        assert!(matches!(wrong, Err(Error::CellKind { column: "title", .. })), "{wrong:?}");
    }

    #[test]
    fn written_forms_are_fixed() {
        let written = |cell: Cell| cell.written().map(Cow::into_owned);
        assert_eq!(written(Cell::Decimal(12.5, 2)).as_deref(), Some("12.50"));
        assert_eq!(written(Cell::Decimal(-0.001, 2)).as_deref(), Some("0.00"));
        assert_eq!(written(Cell::Decimal(f64::NAN, 2)), None);
        assert_eq!(written(Cell::from("")), None);
        assert_eq!(written(Cell::from(None::<i64>)), None);
        assert_eq!(written(Cell::List(vec!["a", "b"])).as_deref(), Some("a; b"));
        let id = "01900000-0000-7000-8000-00000000000a";
        assert_eq!(written(Cell::Id(id.parse().unwrap())).as_deref(), Some(id));
        assert_eq!(
            written(Cell::Time(Time::UNIX_EPOCH)).as_deref(),
            Some("1970-01-01T00:00:00.000000Z")
        );
    }
}
