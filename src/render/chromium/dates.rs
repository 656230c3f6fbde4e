//! The dates of a PDF, set to a given time.
//!
//! Chromium writes the moment of printing into `/CreationDate` and `/ModDate` as `(D:YYYYMMDDHHMMSS+00'00')` and offers no way to
//! choose it. The digits are overwritten in place: the length stays, so every offset of the file's table stays right.

use evidence::time::Time;

use super::Error;

const DIGITS: usize = 14;

/// Sets both dates; an error when the file has not exactly one of each.
pub(super) fn set(mut pdf: Vec<u8>, time: Time) -> Result<Vec<u8>, Error> {
    let digits = time.format("%Y%m%d%H%M%S").to_string();
    for name in ["/CreationDate (D:", "/ModDate (D:"] {
        let at = only(&pdf, name.as_bytes()).ok_or(Error::Undated)? + name.len();
        let place = pdf.get_mut(at..at + DIGITS).ok_or(Error::Undated)?;
        if digits.len() != DIGITS || !place.iter().all(u8::is_ascii_digit) {
            return Err(Error::Undated);
        }
        place.copy_from_slice(digits.as_bytes());
    }
    Ok(pdf)
}

fn only(pdf: &[u8], name: &[u8]) -> Option<usize> {
    let mut places = pdf.windows(name.len()).enumerate().filter(|(_, at)| *at == name);
    let (first, _) = places.next()?;
    places.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PDF: &str =
        "%PDF\n/CreationDate (D:20260101120000+00'00')\n/ModDate (D:20260101120000+00'00')";

    #[test]
    fn dates_are_overwritten_in_place() {
        let time = "2025-12-31T23:59:58Z".parse().unwrap();
        let set = String::from_utf8(set(PDF.into(), time).unwrap()).unwrap();
        assert_eq!(set, PDF.replace("20260101120000", "20251231235958"));
    }

    #[test]
    fn a_file_without_its_dates_is_refused() {
        for wrong in ["%PDF", "/CreationDate (D:2026", &PDF.repeat(2)] {
            assert!(matches!(set(wrong.into(), Time::UNIX_EPOCH), Err(Error::Undated)));
        }
    }
}
