//! Which bytes a request asks for (RFC 9110, section 14).

use std::ops::Range;

/// The bytes to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) range: Range<u64>,
    /// Asked for as a part: 206 instead of 200.
    pub(super) is_part: bool,
}

impl Wanted {
    /// The whole for a header that is absent, of another unit, malformed, or asks for several ranges,
    /// as the RFC allows; `None` when the range lies outside the file.
    pub(super) fn of(header: Option<&str>, size: u64) -> Option<Self> {
        let whole = Self { range: 0..size, is_part: false };
        let Some(spec) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else {
            return Some(whole);
        };
        let Some((first, last)) = spec.trim().split_once('-') else { return Some(whole) };
        let range = match (number(first), number(last)) {
            (Some(first), None) if last.is_empty() => first..size,
            (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
            // The last so many bytes; of none of them nothing can be sent.
            (None, Some(count)) if first.is_empty() => size.saturating_sub(count)..size,
            _ => return Some(whole),
        };
        (range.start < range.end).then_some(Self { range, is_part: true })
    }
}

fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Whether the list of an `If-None-Match` names `etag`.
pub(super) fn names(list: &str, etag: &str) -> bool {
    list.split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(header: &str) -> Option<Range<u64>> {
        let wanted = Wanted::of(Some(header), 100)?;
        assert!(wanted.is_part, "{header}");
        Some(wanted.range)
    }

    #[test]
    fn one_range_is_read_as_the_rfc_says() {
        assert_eq!(part("bytes=0-9"), Some(0..10));
        assert_eq!(part("bytes=90-"), Some(90..100));
        assert_eq!(part("bytes=90-1000"), Some(90..100));
        assert_eq!(part("bytes=-10"), Some(90..100));
        assert_eq!(part("bytes=-1000"), Some(0..100));
        assert_eq!(part("bytes=0-18446744073709551615"), Some(0..100));
    }

    #[test]
    fn a_range_outside_the_file_cannot_be_sent() {
        for header in ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=99999999999999999999999-"]
        {
            assert_eq!(part(header), None, "{header}");
        }
        assert_eq!(Wanted::of(Some("bytes=0-"), 0), None);
    }

    #[test]
    fn what_is_no_single_range_gives_the_whole_file() {
        for header in [
            "",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=9-0",
            "bytes=0-1,5-6",
            "rows=0-1",
            "bytes=+1-2",
        ] {
            let wanted = Wanted::of(Some(header), 100).unwrap();
            assert_eq!(wanted, Wanted { range: 0..100, is_part: false }, "{header}");
        }
    }

    #[test]
    fn an_etag_is_found_in_a_list() {
        assert!(names("\"a\", W/\"b\"", "\"b\""));
        assert!(names("*", "\"b\""));
        assert!(!names("\"a\"", "\"b\""));
    }

    proptest! {
        #[test]
        fn any_header_is_a_part_inside_the_file_or_none(header in "(bytes)?[=:]?[ ]?\\PC{0,30}", size in any::<u64>()) {
            if let Some(Wanted { range, .. }) = Wanted::of(Some(&header), size) {
                prop_assert!(range.start <= range.end && range.end <= size);
            }
        }

        #[test]
        fn a_part_always_lies_inside_the_file(header in "bytes=[0-9]{0,22}-[0-9]{0,22}", size in 0u64..1_000) {
            if let Some(Wanted { range, .. }) = Wanted::of(Some(&header), size) {
                prop_assert!(range.start <= range.end && range.end <= size);
            }
        }
    }
}
