//! Positions in lists: how much of a list is answered, and where the next part begins.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use evidence::ids::ScanId;
use evidence::time::{Time, stamp};

use super::time::is_in_range;
use crate::errors::{Input, Result};

pub(crate) const LIMIT_DEFAULT: u32 = 50;
const LIMIT_MAX: u32 = 1000;

/// The limit asked for. Zero or more than a list gives is refused, not bent.
pub(crate) fn limit(asked: Option<u32>) -> Result<u32> {
    match asked {
        None => Ok(LIMIT_DEFAULT),
        Some(limit @ 1..=LIMIT_MAX) => Ok(limit),
        Some(_) => Err(parameter(format!("`limit` must be 1 to {LIMIT_MAX}"))),
    }
}

/// The part of a list that is asked for.
pub(crate) fn slice(limit: Option<u32>, offset: Option<u32>) -> Result<db::Slice> {
    Ok(db::Slice { limit: self::limit(limit)?, offset: offset.unwrap_or(0) })
}

pub(crate) fn parameter(message: impl Into<String>) -> crate::errors::Error {
    Input::InvalidParameter(message.into()).into()
}

/// A number that cannot be negative, as the database counts.
pub(crate) fn position(name: &str, asked: Option<u64>) -> Result<Option<i64>> {
    asked
        .map(|number| {
            i64::try_from(number).map_err(|_| parameter(format!("`{name}` is too large")))
        })
        .transpose()
}

/// Where a list of scans goes on. Opaque to callers.
pub(crate) fn cursor(observed_at: Time, scan: ScanId) -> String {
    BASE64.encode(format!("{} {scan}", stamp(observed_at)))
}

pub(crate) fn read_cursor(text: &str) -> Result<(Time, ScanId)> {
    let read = || {
        let bytes = BASE64.decode(text).ok()?;
        let (at, id) = std::str::from_utf8(&bytes).ok()?.split_once(' ')?;
        Some((at.parse().ok()?, id.parse().ok()?))
    };
    read()
        .filter(|(at, _)| is_in_range(*at))
        .ok_or_else(|| parameter("`cursor` must be the next_cursor of an answer"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_reads_back_as_it_was() {
        let at: Time = "2026-01-31T23:59:59.000001Z".parse().unwrap();
        let id = ScanId(evidence::ids::v7(at, [9; 10]));
        assert_eq!(read_cursor(&cursor(at, id)).unwrap(), (at, id));
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let far = format!("-5000-01-01T00:00:00Z {}", uuid::Uuid::nil());
        for text in [
            "",
            "AAAA",
            "not base64!",
            &BASE64.encode("2026 x"),
            &BASE64.encode([0xff, 0x20]),
            &BASE64.encode(far),
        ] {
            assert!(read_cursor(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_limit_out_of_range_is_refused() {
        assert_eq!(limit(None).unwrap(), LIMIT_DEFAULT);
        assert_eq!(limit(Some(1000)).unwrap(), 1000);
        assert!(limit(Some(0)).is_err());
        assert!(limit(Some(1001)).is_err());
    }

    proptest! {
        #[test]
        fn any_cursor_is_read_back_as_it_would_be_written_or_refused(
            text in "\\PC{0,40}",
            bytes in prop::collection::vec(any::<u8>(), 0..80),
            at in "[0-9+-]{4,7}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:00:00(\\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})",
        ) {
            let id = uuid::Uuid::nil();
            for cursor in [text, BASE64.encode(&bytes), BASE64.encode(format!("{at} {id}"))] {
                if let Ok((at, scan)) = read_cursor(&cursor) {
                    let written = super::cursor(at, scan);
                    prop_assert_eq!(read_cursor(&written).unwrap().1, scan);
                }
            }
        }
    }
}
