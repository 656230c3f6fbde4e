//! Changes of a ZIP's own bytes.

/// Where things are in a ZIP as driftpack writes it.
pub(super) struct Map {
    pub(super) directory: usize,
    /// Of each entry: its local header, its directory header, the end of its packed data.
    pub(super) entries: Vec<Place>,
}

pub(super) struct Place {
    pub(super) local: usize,
    pub(super) central: usize,
    pub(super) packed_end: usize,
}

pub(super) fn u16_at(zip: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([zip[at], zip[at + 1]]))
}

pub(super) fn u32_at(zip: &[u8], at: usize) -> usize {
    u16_at(zip, at) | u16_at(zip, at + 2) << 16
}

pub(super) fn put_u16(zip: &mut [u8], at: usize, number: usize) {
    zip[at..at + 2].copy_from_slice(&number.to_le_bytes()[..2]);
}

pub(super) fn put_u32(zip: &mut [u8], at: usize, number: usize) {
    zip[at..at + 4].copy_from_slice(&number.to_le_bytes()[..4]);
}

pub(super) fn map(zip: &[u8]) -> Map {
    let end = zip.len() - 22;
    let directory = u32_at(zip, end + 16);
    let (mut central, mut entries) = (directory, Vec::new());
    while zip[central..].starts_with(b"PK\x01\x02") {
        let local = u32_at(zip, central + 42);
        let data = local + 30 + u16_at(zip, local + 26) + u16_at(zip, local + 28);
        entries.push(Place { local, central, packed_end: data + u32_at(zip, central + 20) });
        central += 46 + u16_at(zip, central + 28) + u16_at(zip, central + 30);
    }
    Map { directory, entries }
}

/// Puts bytes in at `at` and moves every offset of the directory that lies behind.
pub(super) fn inserted(zip: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let map = map(zip);
    let mut moved = [&zip[..at], bytes, &zip[at..]].concat();
    let mut shift = |place: usize| {
        let place = if place >= at { place + bytes.len() } else { place };
        let offset = u32_at(&moved, place);
        if offset >= at {
            put_u32(&mut moved, place, offset + bytes.len());
        }
    };
    shift(zip.len() - 6);
    for entry in &map.entries {
        shift(entry.central + 42);
    }
    moved
}

/// Another name of the same length for an entry, in its header and in the directory.
pub(super) fn renamed(mut zip: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    for Place { local, central, .. } in map(&zip).entries {
        for at in [local + 30, central + 46] {
            if zip[at..].starts_with(from) {
                zip[at..at + to.len()].copy_from_slice(to);
            }
        }
    }
    zip
}
