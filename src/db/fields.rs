//! The columns of a row one after the other, as the server sent them, without a copy.
//!
//! For statements that answer with millions of rows: sqlx compares the type of each value with the one that is asked for, which
//! takes longer than to read it. What reads here must stand beside the statement whose columns it reads. A value that has not the
//! size of its type is refused; a type of the same size is not told from it.

use std::str::FromStr;

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

/// A value in the binary form, as the server's `*send` functions write it.
pub(crate) trait Field<'r>: Sized {
    fn read(bytes: &'r [u8]) -> Result<Self, BoxDynError>;
}

impl<'r> Fields<'r> {
    /// Of a statement with parameters: its answer is in the binary form.
    pub(crate) fn of(row: &'r PgRow) -> Self {
        Self { row, next: 0 }
    }

    /// The next column, which is never null.
    pub(crate) fn value<T: Field<'r>>(&mut self) -> Result<T> {
        let value = self.maybe()?;
        value.ok_or_else(|| self.unfit("null where a value must be"))
    }

    /// The next column.
    pub(crate) fn maybe<T: Field<'r>>(&mut self) -> Result<Option<T>> {
        let value = self.row.try_get_raw(self.next)?;
        self.next += 1;
        // The only error is that it is null.
        let Ok(bytes) = value.as_bytes() else { return Ok(None) };
        T::read(bytes).map(Some).map_err(|error| self.unfit(error))
    }

    /// The next column: a word of an enum.
    pub(crate) fn word<T>(&mut self) -> Result<T>
    where
        T: FromStr<Err: Into<BoxDynError>>,
    {
        let word = self.maybe_word()?;
        word.ok_or_else(|| self.unfit("null where a word must be"))
    }

    /// The next column: a word of an enum, or null.
    pub(crate) fn maybe_word<T>(&mut self) -> Result<Option<T>>
    where
        T: FromStr<Err: Into<BoxDynError>>,
    {
        let Some(word) = self.maybe::<&str>()? else { return Ok(None) };
        word.parse().map(Some).map_err(|error: T::Err| self.unfit(error))
    }

    fn unfit(&self, source: impl Into<BoxDynError>) -> Error {
        Error::ColumnDecode { index: (self.next - 1).to_string(), source: source.into() }
    }
}

impl<'r> Field<'r> for &'r [u8] {
    fn read(bytes: &'r [u8]) -> Result<Self, BoxDynError> {
        Ok(bytes)
    }
}

impl<'r> Field<'r> for &'r str {
    fn read(bytes: &'r [u8]) -> Result<Self, BoxDynError> {
        Ok(std::str::from_utf8(bytes)?)
    }
}

impl Field<'_> for bool {
    fn read(bytes: &[u8]) -> Result<Self, BoxDynError> {
        Ok(<[u8; 1]>::try_from(bytes)? != [0])
    }
}

macro_rules! big_endian {
    ($($number:ty),+) => {$(
        impl Field<'_> for $number {
            fn read(bytes: &[u8]) -> Result<Self, BoxDynError> {
                Ok(Self::from_be_bytes(bytes.try_into()?))
            }
        }
    )+};
}

big_endian!(i32, i64, f64);

/// A `bigint` that counts something.
impl Field<'_> for u64 {
    fn read(bytes: &[u8]) -> Result<Self, BoxDynError> {
        Ok(i64::read(bytes)?.try_into()?)
    }
}

impl Field<'_> for Uuid {
    fn read(bytes: &[u8]) -> Result<Self, BoxDynError> {
        Ok(Self::from_bytes(bytes.try_into()?))
    }
}

impl Field<'_> for Time {
    fn read(bytes: &[u8]) -> Result<Self, BoxDynError> {
        let micros = i64::read(bytes)?.checked_add(EPOCH_MICROS);
        let time = micros.and_then(Self::from_timestamp_micros);
        time.ok_or_else(|| "a time beyond what a program can hold".into())
    }
}

/// A `text[]` of one dimension (or empty) without nulls: dimensions, whether there are nulls, the type of the elements; size and
/// lower bound of the dimension; then each element after its length.
impl<'r> Field<'r> for Vec<&'r str> {
    fn read(bytes: &'r [u8]) -> Result<Self, BoxDynError> {
        let mut rest = bytes;
        let [dimensions, _nulls, _element_type] =
            [int(&mut rest)?, int(&mut rest)?, int(&mut rest)?];
        if dimensions == 0 {
            return Ok(Self::new());
        }
        let [size, _lower_bound] = [int(&mut rest)?, int(&mut rest)?];
        if dimensions != 1 {
            return Err("an array of more than one dimension".into());
        }
        let texts: Self = (0..size).map(|_| element(&mut rest)).collect::<Result<_, _>>()?;
        if rest.is_empty() { Ok(texts) } else { Err("more than the elements of an array".into()) }
    }
}

fn element<'r>(rest: &mut &'r [u8]) -> Result<&'r str, BoxDynError> {
    // A null has the length -1.
    let length = usize::try_from(int(rest)?)?;
    let (text, after) = rest.split_at_checked(length).ok_or("an array that is cut short")?;
    *rest = after;
    <&str>::read(text)
}

fn int(rest: &mut &[u8]) -> Result<i32, BoxDynError> {
    let (bytes, after) = rest.split_first_chunk().ok_or("an array that is cut short")?;
    *rest = after;
    Ok(i32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As `array_send` writes it.
    fn sent(dimensions: &[i32], elements: &[Option<&str>]) -> Vec<u8> {
        let mut bytes: Vec<u8> = Vec::new();
        let text_type = 25;
        let head = [i32::try_from(dimensions.len()).unwrap(), 0, text_type];
        let sizes = dimensions.iter().flat_map(|size| [*size, 1]);
        bytes.extend(head.into_iter().chain(sizes).flat_map(i32::to_be_bytes));
        for element in elements {
            let length = element.map_or(-1, |text| i32::try_from(text.len()).unwrap());
            bytes.extend(length.to_be_bytes());
            bytes.extend(element.unwrap_or_default().bytes());
        }
        bytes
    }

    #[test]
    fn arrays_that_are_no_list_of_texts_are_refused() {
        let read = |bytes: &[u8]| <Vec<&str>>::read(bytes).map(|texts| texts.len());
        assert_eq!(read(&sent(&[], &[])).unwrap(), 0);
        for wrong in [
            sent(&[1], &[None]),
            sent(&[1, 1], &[Some("a")]),
            sent(&[2], &[Some("a")]),
            sent(&[1], &[Some("a"), Some("b")]),
            sent(&[-1], &[Some("a")]),
        ] {
            assert!(read(&wrong).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn a_list_of_texts_is_read_back_and_a_cut_one_is_refused(texts in proptest::collection::vec(".{0,9}", 1..5), cut in any::<prop::sample::Index>()) {
            let elements: Vec<_> = texts.iter().map(|text| Some(text.as_str())).collect();
            let bytes = sent(&[i32::try_from(texts.len()).unwrap()], &elements);
            prop_assert_eq!(<Vec<&str>>::read(&bytes).unwrap(), texts);
            prop_assert!(<Vec<&str>>::read(&bytes[..cut.index(bytes.len())]).is_err());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = (<Vec<&str>>::read(&bytes), Time::read(&bytes), u64::read(&bytes), <&str>::read(&bytes));
        }
    }
}
