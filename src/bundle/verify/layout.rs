//! Is every byte of the file accounted for?
//!
//! A ZIP reader follows the directory at the end and overlooks what lies beside the entries. Here the file is walked from its
//! first byte to its last: header, packed data and data descriptor of each entry, the directory, its end. Anything between them, a
//! comment, or a field that no packer of plain files writes, is a fault. Independent of the reader that unpacks.

use std::io::{self, Read, Seek, SeekFrom};

use super::form;

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const DESCRIPTOR: &[u8] = b"PK\x07\x08";
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";
const LOCAL_BYTES: usize = 30;
const CENTRAL_BYTES: usize = 46;
const END_BYTES: u64 = 22;
const END_64_BYTES: u64 = 56;
const LOCATOR_64_BYTES: u64 = 20;

/// A directory of seventeen entries is far smaller; a larger one is not read.
const DIRECTORY_MAX_BYTES: u64 = 1 << 20;

/// Sizes are in the field for large files, because 32 bits do not hold them.
const IN_FIELD_64: u32 = u32::MAX;
const HAS_DESCRIPTOR: u16 = 1 << 3;

/// Fields that packers add to plain files, and how long they may be: large files, times, owner.
const FIELD_64: u16 = 0x0001;
const FIELDS: [(u16, usize); 3] = [(FIELD_64, 28), (0x5455, 13), (0x7875, 11)];

/// What is there that should not be. `Err` inside: the file cannot be read.
pub(super) type Fault = String;

/// Walks the file; it must end with a directory end that has no comment. Gives the one time of its entries, in seconds since 1970.
pub(super) fn walk<R: Read + Seek>(reader: &mut R) -> io::Result<Result<u32, Fault>> {
    let length = reader.seek(SeekFrom::End(0))?;
    let mut file = File { reader, length };
    match file.walk() {
        Ok(time) => Ok(Ok(time)),
        Err(Stop::Fault(fault)) => Ok(Err(fault)),
        Err(Stop::Io(error)) => Err(error),
    }
}

/// Nothing is hidden in it, but somebody else packed it, or touched a time, a permission or a flag.
const PACKED_AGAIN: &str = "it was packed again, or a time, permission or flag of it was changed; it is not the file that driftpack \
wrote. What is in it is checked all the same; ask for the original file";

enum Stop {
    Fault(Fault),
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn fault<T>(what: &str) -> Result<T, Stop> {
    Err(Stop::Fault(what.to_owned()))
}

struct File<'a, R> {
    reader: &'a mut R,
    length: u64,
}

/// An entry as the directory describes it.
struct Entry {
    name: Vec<u8>,
    flags: u16,
    crc: u32,
    packed: u64,
    size: u64,
    offset: u64,
}

impl<R: Read + Seek> File<'_, R> {
    fn walk(&mut self) -> Result<u32, Stop> {
        let (start, end) = self.directory()?;
        let mut entries = self.entries(start, end)?;
        entries.sort_unstable_by_key(|entry| entry.offset);
        let mut position = 0;
        for at in 0..entries.len() {
            let next = entries.get(at + 1).map_or(start, |entry| entry.offset);
            if entries[at].offset != position {
                return fault("there are bytes between its entries");
            }
            position = self.entry(&entries[at], next)?;
        }
        if position != start {
            return fault("there are bytes between the last entry and the directory");
        }
        self.is_as_written(&entries, start)
    }

    /// Compares what lies around the packed data with the one form of it.
    fn is_as_written(&mut self, entries: &[Entry], start: u64) -> Result<u32, Stop> {
        let directory = self.bytes(start, self.length - start)?;
        let entries: Vec<_> = entries.iter().map(Entry::form).collect();
        let time = form::time(&directory).unwrap_or_default();
        let mut is_same = form::directory(&entries, time, start) == directory;
        let ends = entries.iter().skip(1).map(|entry| entry.offset).chain([start]);
        for (entry, end) in entries.iter().zip(ends) {
            let (head, tail) = (form::local(entry, time), form::descriptor(entry));
            is_same &= self.bytes(entry.offset, head.len() as u64)? == head;
            let tail_at = end.saturating_sub(tail.len() as u64);
            is_same &= self.bytes(tail_at, tail.len() as u64)? == tail;
        }
        if is_same { Ok(time) } else { fault(PACKED_AGAIN) }
    }

    /// Where the directory begins and ends.
    fn directory(&mut self) -> Result<(u64, u64), Stop> {
        let at = self.length.saturating_sub(END_BYTES);
        let end = self.bytes(at, END_BYTES)?;
        let (size, offset) = (u32_at(&end, 12), u32_at(&end, 16));
        let is_large = size == u32::MAX || offset == u32::MAX || u16_at(&end, 10) == u16::MAX;
        let (size, offset, behind) = if is_large {
            self.directory_64(at)?
        } else {
            (u64::from(size), u64::from(offset), at)
        };
        if offset.checked_add(size) != Some(behind) {
            return fault("there are bytes between the directory and its end");
        }
        if size > DIRECTORY_MAX_BYTES {
            return fault("its directory is larger than that of any pack");
        }
        Ok((offset, behind))
    }

    /// Size and offset of the directory of a large file, and where its own end begins.
    fn directory_64(&mut self, end: u64) -> Result<(u64, u64, u64), Stop> {
        let locator = self.bytes(end.saturating_sub(LOCATOR_64_BYTES), LOCATOR_64_BYTES)?;
        let at = end.saturating_sub(LOCATOR_64_BYTES + END_64_BYTES);
        let record = self.bytes(at, END_64_BYTES)?;
        let is_sound = locator.starts_with(LOCATOR_64)
            && u64_at(&locator, 8) == at
            && record.starts_with(END_64)
            && u64_at(&record, 4) == END_64_BYTES - 12;
        if !is_sound {
            return fault("the end of its directory is not that of a plain large ZIP");
        }
        Ok((u64_at(&record, 40), u64_at(&record, 48), at))
    }

    fn entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, Stop> {
        let directory = self.bytes(start, end - start)?;
        let (mut rest, mut entries) = (directory.as_slice(), Vec::new());
        while !rest.is_empty() {
            let (entry, after) = central(rest)?;
            entries.push(entry);
            rest = after;
        }
        Ok(entries)
    }

    /// Walks over one entry that must reach up to `next`; gives where it ends.
    fn entry(&mut self, entry: &Entry, next: u64) -> Result<u64, Stop> {
        let header = self.bytes(entry.offset, LOCAL_BYTES as u64)?;
        let (name, extra) = (u16_at(&header, 26), u16_at(&header, 28));
        let behind_header = entry.offset.saturating_add(LOCAL_BYTES as u64);
        let variable = self.bytes(behind_header, u64::from(name) + u64::from(extra))?;
        let (name, extra) = variable.split_at(name.into());
        let is_same =
            header.starts_with(LOCAL) && name == entry.name && u16_at(&header, 6) == entry.flags;
        if !is_same {
            return fault("an entry and the directory describe it differently");
        }
        fields(extra)?;
        let packed_from = behind_header.saturating_add(variable.len() as u64);
        let end = packed_from.saturating_add(entry.packed);
        let Some(gap) = next.checked_sub(end) else { return fault("two entries overlap") };
        if gap == 0 && entry.flags & HAS_DESCRIPTOR == 0 {
            return Ok(end);
        }
        let is_descriptor = entry.flags & HAS_DESCRIPTOR != 0
            && matches!(gap, 12 | 16 | 20 | 24)
            && entry.describes(&self.bytes(end, gap)?);
        if is_descriptor { Ok(next) } else { fault("there are bytes behind an entry") }
    }

    fn bytes(&mut self, at: u64, length: u64) -> Result<Vec<u8>, Stop> {
        if at.checked_add(length).is_none_or(|end| end > self.length) {
            return fault("its directory points outside of the file");
        }
        self.reader.seek(SeekFrom::Start(at))?;
        let mut bytes = Vec::new();
        self.reader.by_ref().take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == length { Ok(bytes) } else { fault("the file became shorter") }
    }
}

impl Entry {
    fn form(&self) -> form::Entry<'_> {
        let Self { name, crc, packed, size, offset, .. } = self;
        form::Entry { name, crc: *crc, packed: *packed, size: *size, offset: *offset }
    }

    /// Whether these are the CRC-32 and the sizes that follow the packed data.
    fn describes(&self, bytes: &[u8]) -> bool {
        let bytes = if bytes.len().is_multiple_of(8) {
            let Some(rest) = bytes.strip_prefix(DESCRIPTOR) else { return false };
            rest
        } else {
            bytes
        };
        let sizes = if bytes.len() == 12 {
            (u64::from(u32_at(bytes, 4)), u64::from(u32_at(bytes, 8)))
        } else {
            (u64_at(bytes, 4), u64_at(bytes, 12))
        };
        (u32_at(bytes, 0), sizes) == (self.crc, (self.packed, self.size))
    }
}

/// The first entry of a directory, and what follows it.
fn central(directory: &[u8]) -> Result<(Entry, &[u8]), Stop> {
    if directory.len() < CENTRAL_BYTES || !directory.starts_with(CENTRAL) {
        return fault("there are bytes in the directory that describe no entry");
    }
    let (head, rest) = directory.split_at(CENTRAL_BYTES);
    let length = |at| usize::from(u16_at(head, at));
    let (name, extra, comment) = (length(28), length(30), length(32));
    if comment != 0 {
        return fault("an entry has a comment");
    }
    if rest.len() < name + extra {
        return fault("the directory ends within an entry");
    }
    let (name, rest) = rest.split_at(name);
    let (extra, rest) = rest.split_at(extra);
    let large = fields(extra)?;
    let mut large = large.chunks_exact(8).map(|word| u64_at(word, 0));
    let mut wide = |at| match u32_at(head, at) {
        IN_FIELD_64 => large.next().unwrap_or(u64::MAX),
        plain => u64::from(plain),
    };
    let (size, packed, offset) = (wide(24), wide(20), wide(42));
    let (flags, crc) = (u16_at(head, 8), u32_at(head, 16));
    Ok((Entry { name: name.to_vec(), flags, crc, packed, size, offset }, rest))
}

/// Refuses fields that could carry something; gives the one for large files.
fn fields(mut extra: &[u8]) -> Result<&[u8], Stop> {
    let mut large: &[u8] = &[];
    while !extra.is_empty() {
        if extra.len() < 4 {
            return fault("an entry has a field that is cut off");
        }
        let (head, rest) = extra.split_at(4);
        let (id, length) = (u16_at(head, 0), usize::from(u16_at(head, 2)));
        let is_known = FIELDS.iter().any(|(known, max)| *known == id && length <= *max);
        if !is_known || rest.len() < length {
            return fault("an entry has a field that no packer of plain files writes");
        }
        let (field, rest) = rest.split_at(length);
        if id == FIELD_64 {
            large = field;
        }
        extra = rest;
    }
    Ok(large)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
