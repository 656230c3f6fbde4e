//! From bytes to text: encodings, depth, and making text from outside safe to keep.

use std::borrow::Cow;

use super::{ADDRESS_CHARS_MAX, Code, Error};
use crate::time::{Time, floor_micros};

/// The depth at which `serde_json` gives up; checked beforehand so that parts that are skipped over
/// obey it too.
const DEPTH_MAX: usize = 128;
/// Types, names, providers, versions.
const NAME_CHARS_MAX: usize = 256;
/// Messages of tools.
const MESSAGE_CHARS_MAX: usize = 200;

pub(super) struct Decoded<'a> {
    pub(super) text: Cow<'a, str>,
    /// It was UTF-16.
    pub(super) converted: bool,
}

/// UTF-8 with or without a byte order mark; UTF-16 with one (what PowerShell's `>` writes).
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded<'_>, Error> {
    let decoded = match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest)?,
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        _ => utf8(bytes)?,
    };
    if decoded.text.trim().is_empty() {
        return Err(Error::new(
            Code::EmptyInput,
            "the file is empty; run `terraform show -json <planfile>` and send its output",
        ));
    }
    Ok(decoded)
}

fn utf8(bytes: &[u8]) -> Result<Decoded<'_>, Error> {
    let text = std::str::from_utf8(bytes).map_err(|fault| {
        let at = fault.valid_up_to();
        Error::new(
            Code::NotUtf8,
            format!("byte {at} is not UTF-8; a binary plan must go through `terraform show -json`"),
        )
    })?;
    Ok(Decoded { text: Cow::Borrowed(text), converted: false })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Decoded<'_>, Error> {
    let broken = || Error::new(Code::NotUtf8, "the file is damaged UTF-16; save it as UTF-8");
    let (units, []) = bytes.as_chunks::<2>() else { return Err(broken()) };
    let text: String = char::decode_utf16(units.iter().map(|pair| unit(*pair)))
        .collect::<Result<_, _>>()
        .map_err(|_| broken())?;
    Ok(Decoded { text: Cow::Owned(text), converted: true })
}

/// Refuses nesting that no tool writes, before anything recurses.
pub(super) fn check_depth(text: &str) -> Result<(), Error> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(too_deep());
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn too_deep() -> Error {
    Error::new(
        Code::TooDeep,
        "the JSON is nested deeper than 128 levels; no plan is, so the file is damaged",
    )
}

/// Control characters become visible ones; see the header of `input`.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(visible).collect()
}

fn visible(c: char) -> char {
    match c {
        '\t' | '\n' | '\r' => c,
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        '\u{80}'..='\u{9f}' => '\u{fffd}',
        _ => c,
    }
}

/// An address; too long a one is refused, since cutting it would make two resources one.
pub(super) fn address(text: &str) -> Result<String, Error> {
    if text.chars().count() > ADDRESS_CHARS_MAX {
        return Err(Error::new(
            Code::AddressTooLong,
            format!("a resource address has more than {ADDRESS_CHARS_MAX} characters"),
        ));
    }
    if text.is_empty() {
        return Err(Error::field("the address of a resource", "not empty"));
    }
    Ok(clean(text))
}

pub(super) fn name(text: &str) -> String {
    bounded(text, NAME_CHARS_MAX)
}

pub(super) fn message(text: &str) -> String {
    bounded(text, MESSAGE_CHARS_MAX)
}

/// The reasons why a scan is incomplete, as one text.
pub(super) fn reasons(reasons: &[String]) -> String {
    bounded(&reasons.join("; "), 4 * MESSAGE_CHARS_MAX)
}

/// Cut with an ellipsis where it is longer than `chars_max`.
pub(super) fn bounded(text: &str, chars_max: usize) -> String {
    let mut chars = text.chars().map(visible);
    let mut kept: String = chars.by_ref().take(chars_max).collect();
    if chars.next().is_some() {
        kept.pop();
        kept.push('…');
    }
    kept
}

/// RFC 3339 with any offset, to UTC microseconds.
pub(super) fn time(field: &str, text: &str) -> Result<Time, Error> {
    let time = chrono::DateTime::parse_from_rfc3339(text)
        .map_err(|_| Error::field(field, "an RFC 3339 time"))?;
    let time = floor_micros(time.to_utc());
    if time < Time::UNIX_EPOCH {
        return Err(Error::field(field, "a time after 1970"));
    }
    Ok(time)
}
