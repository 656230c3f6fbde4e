//! The one container that driftpack writes around given entries: every byte of it that is not packed data.
//!
//! Names, sizes, check sums and one time decide all of it. So no byte of a pack is without meaning: a time, a permission or a flag
//! that was touched is as visible as a changed row. Written here a second time, apart from the writer, from the ZIP
//! specification (APPNOTE 4.3); a test holds the two together.

use chrono::{DateTime, Datelike as _, Timelike as _};

/// What decides the bytes around one entry.
pub(super) struct Entry<'a> {
    pub(super) name: &'a [u8],
    pub(super) crc: u32,
    pub(super) packed: u64,
    pub(super) size: u64,
    pub(super) offset: u64,
}

/// Deflate needs version 2.0, large files 4.5.
const VERSION: u16 = 20;
const VERSION_64: u16 = 45;
/// Sizes and CRC-32 follow the packed data.
const FLAGS: u16 = 1 << 3;
const DEFLATED: u16 = 8;
const MADE_BY_UNIX: u16 = 3 << 8;
/// `rw-r--r--`.
const ATTRIBUTES: u32 = 0o644 << 16;
const FIELD_TIME: u16 = 0x5455;
const FIELD_64: u16 = 0x0001;
/// A directory entry's name begins here; the field with the time follows it.
const CENTRAL_BYTES: usize = 46;

/// The moment (seconds since 1970) that the first entry of a directory names.
pub(super) fn time(directory: &[u8]) -> Option<u32> {
    let name = directory.get(28..30)?;
    let at = CENTRAL_BYTES + usize::from(u16::from_le_bytes([name[0], name[1]])) + 5;
    Some(u32::from_le_bytes(directory.get(at..at + 4)?.try_into().ok()?))
}

/// What stands before the packed data.
pub(super) fn local(entry: &Entry<'_>, time: u32) -> Vec<u8> {
    let mut bytes = Bytes(b"PK\x03\x04".to_vec());
    bytes.u16s(&[VERSION, FLAGS, DEFLATED]).u32s(&[dos(time), 0, 0, 0]);
    bytes.u16s(&[name_length(entry), 0]);
    bytes.0.extend_from_slice(entry.name);
    bytes.0
}

/// What stands behind the packed data.
pub(super) fn descriptor(entry: &Entry<'_>) -> Vec<u8> {
    let mut bytes = Bytes(b"PK\x07\x08".to_vec());
    bytes.u32s(&[entry.crc]);
    match (u32::try_from(entry.packed), u32::try_from(entry.size)) {
        (Ok(packed), Ok(size)) if packed < u32::MAX && size < u32::MAX => {
            bytes.u32s(&[packed, size])
        }
        _ => bytes.u64s(&[entry.packed, entry.size]),
    };
    bytes.0
}

/// The directory, which begins at `start`, and its end.
pub(super) fn directory(entries: &[Entry<'_>], time: u32, start: u64) -> Vec<u8> {
    let mut bytes = Bytes(Vec::new());
    let mut is_large = start >= u64::from(u32::MAX);
    for entry in entries {
        is_large |= central(&mut bytes, entry, time);
    }
    let (size, count) = (bytes.0.len() as u64, entries.len() as u64);
    if is_large {
        bytes.0.extend_from_slice(b"PK\x06\x06");
        bytes.u64s(&[44]).u16s(&[VERSION_64, VERSION_64]).u32s(&[0, 0]);
        bytes.u64s(&[count, count, size, start]);
        bytes.0.extend_from_slice(b"PK\x06\x07");
        bytes.u32s(&[0]).u64s(&[start.saturating_add(size)]).u32s(&[1]);
    }
    bytes.0.extend_from_slice(b"PK\x05\x06");
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    bytes.u16s(&[0, 0, count, count]).u32s(&[capped(size), capped(start)]).u16s(&[0]);
    bytes.0
}

/// One entry of the directory; whether it is a large one.
fn central(bytes: &mut Bytes, entry: &Entry<'_>, time: u32) -> bool {
    let wide = [entry.size, entry.packed, entry.offset];
    let large: Vec<u64> = wide.into_iter().filter(|n| *n >= u64::from(u32::MAX)).collect();
    let version = if large.is_empty() { VERSION } else { VERSION_64 };
    let extra = 9 + if large.is_empty() { 0 } else { 4 + 8 * large.len() };
    bytes.0.extend_from_slice(b"PK\x01\x02");
    bytes.u16s(&[MADE_BY_UNIX | version, version, FLAGS, DEFLATED]).u32s(&[dos(time), entry.crc]);
    bytes.u32s(&[capped(entry.packed), capped(entry.size)]);
    bytes.u16s(&[name_length(entry), u16::try_from(extra).unwrap_or(u16::MAX), 0, 0, 0]);
    bytes.u32s(&[ATTRIBUTES, capped(entry.offset)]);
    bytes.0.extend_from_slice(entry.name);
    bytes.u16s(&[FIELD_TIME, 5]).0.push(1);
    bytes.u32s(&[time]);
    if !large.is_empty() {
        bytes.u16s(&[FIELD_64, u16::try_from(8 * large.len()).unwrap_or(u16::MAX)]).u64s(&large);
    }
    !large.is_empty()
}

/// A name is read from a field of this size, so it fits.
fn name_length(entry: &Entry<'_>) -> u16 {
    u16::try_from(entry.name.len()).unwrap_or(u16::MAX)
}

fn capped(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Time and date of DOS, in this order; two seconds are its smallest step.
fn dos(time: u32) -> u32 {
    let Some(at) = DateTime::from_timestamp(time.into(), 0) else { return 0 };
    let year = u32::try_from(at.year() - 1980).unwrap_or_default();
    let date = year << 9 | at.month() << 5 | at.day();
    date << 16 | at.hour() << 11 | at.minute() << 5 | (at.second() / 2)
}

/// Little-endian numbers, one after the other.
struct Bytes(Vec<u8>);

impl Bytes {
    fn u16s(&mut self, numbers: &[u16]) -> &mut Self {
        self.0.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        self
    }

    fn u32s(&mut self, numbers: &[u32]) -> &mut Self {
        self.0.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        self
    }

    fn u64s(&mut self, numbers: &[u64]) -> &mut Self {
        self.0.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest numbers that need no field of their own, and the least that do.
    #[test]
    fn large_files_get_the_fields_of_large_files() {
        let edge = u64::from(u32::MAX);
        let entry = |size| Entry { name: b"a", crc: 7, packed: 5, size, offset: 0 };
        assert_eq!(descriptor(&entry(edge - 1)).len(), 16);
        assert_eq!(descriptor(&entry(edge)).len(), 24);
        let small = directory(&[entry(edge - 1)], 1_775_001_600, 99);
        let large = directory(&[entry(edge)], 1_775_001_600, 99);
        assert_eq!(small.len(), 46 + 1 + 9 + 22);
        assert_eq!(large.len(), small.len() + 12 + 56 + 20);
        assert_eq!(time(&small), Some(1_775_001_600));
        assert_eq!(time(b"PK\x01\x02"), None);
    }

    #[test]
    fn a_dos_time_is_that_of_the_moment_in_utc() {
        // 2026-04-01T00:00:00Z
        assert_eq!(dos(1_775_001_600), ((46 << 9) | (4 << 5) | 1) << 16);
    }
}
