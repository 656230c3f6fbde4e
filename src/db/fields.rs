//! The columns of a row one after the other, as the server sent them, without a copy.
//!
//! For statements that answer with millions of rows: sqlx compares the type of each value with the one that is asked for, which
//! takes longer than to read it. What reads here must stand beside the statement whose columns it reads. A value that has not the
//! size of its type is refused; a type of the same size is not told from it.

use evidence::time::Time;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgRow;
use sqlx::{Error, Result, Row as _};
use uuid::Uuid;

/// PostgreSQL counts from 2000-01-01, in microseconds.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

pub(crate) struct Fields<'r> {
    row: &'r PgRow,
    next: usize,
}

impl<'r> Fields<'r> {
    /// Of a statement with parameters: its answer is in the binary form.
    pub(crate) fn of(row: &'r PgRow) -> Self {
        Self { row, next: 0 }
    }

    pub(crate) fn maybe_bytes(&mut self) -> Result<Option<&'r [u8]>> {
        let value = self.row.try_get_raw(self.next)?;
        self.next += 1;
        // The only error is that it is null.
        Ok(value.as_bytes().ok())
    }

    pub(crate) fn bytes(&mut self) -> Result<&'r [u8]> {
        let bytes = self.maybe_bytes()?;
        bytes.ok_or_else(|| self.unfit("null where a value must be"))
    }

    pub(crate) fn text(&mut self) -> Result<&'r str> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|error| self.unfit(error))
    }

    pub(crate) fn integer(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.sized()?))
    }

    pub(crate) fn id(&mut self) -> Result<Uuid> {
        Ok(Uuid::from_bytes(self.sized()?))
    }

    pub(crate) fn time(&mut self) -> Result<Time> {
        let micros = i64::from_be_bytes(self.sized()?).checked_add(EPOCH_MICROS);
        let time = micros.and_then(Time::from_timestamp_micros);
        time.ok_or_else(|| self.unfit("a time beyond what a program can hold"))
    }

    fn sized<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.bytes()?.try_into().map_err(|error| self.unfit(error))
    }

    fn unfit(&self, source: impl Into<BoxDynError>) -> Error {
        Error::ColumnDecode { index: (self.next - 1).to_string(), source: source.into() }
    }
}
