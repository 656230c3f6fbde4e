//! The container: is it a plain ZIP, whole, with only the names a pack may have?

use std::collections::BTreeSet;
use std::io::{self, Read, Seek, SeekFrom};

use evidence::pack;
use zip::read::{ArchiveOffset, Config};
use zip::{CompressionMethod, ZipArchive};

use super::report::{Checks, plain};
use super::{Limits, layout};
use crate::digest::Sum;
use crate::zip::is_safe_name;

/// An opened pack: its entries by position. Only entries that are safe to read are listed.
pub(super) struct Archive<R> {
    pub(super) inner: ZipArchive<R>,
    pub(super) entries: Vec<Entry>,
    /// The time of its entries in seconds since 1970; absent when the container is not as driftpack writes it.
    pub(super) time: Option<u32>,
}

pub(super) struct Entry {
    pub(super) position: usize,
    pub(super) name: &'static str,
    /// Bytes that may come out of it.
    pub(super) max: u64,
}

/// The hash of the whole file.
pub(super) fn sha256<R: Read + Seek>(reader: &mut R) -> io::Result<String> {
    reader.seek(SeekFrom::Start(0))?;
    let mut sum = Sum::default();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(sum.finish().sha256),
            read => sum.update(&buffer[..read]),
        }
    }
}

/// `None` when nothing in it can be read.
pub(super) fn open<R: Read + Seek>(
    mut reader: R,
    limits: &Limits,
    checks: &mut Checks,
) -> Option<Archive<R>> {
    match frame(&mut reader) {
        Ok(Frame::Whole) => {}
        Ok(Frame::NoEnd) => {
            checks.truncated(
                "archive",
                "the file has no ZIP directory at its end: it was cut off, or is no ZIP",
            );
            return None;
        }
        Ok(Frame::Padded) => checks.broken("archive", "there are bytes before or after the ZIP"),
        Err(error) => return unreadable(&error, checks),
    }
    let mut time = None;
    match layout::walk(&mut reader) {
        Ok(Ok(found)) => time = Some(found),
        Ok(Err(fault)) => checks.broken("archive", format!("it is no plain ZIP: {fault}")),
        Err(error) => return unreadable(&error, checks),
    }
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let mut inner = match ZipArchive::with_config(config, reader) {
        Ok(inner) => inner,
        Err(error) => {
            checks.broken("archive", format!("the ZIP directory is damaged: {error}"));
            return None;
        }
    };
    if let Err(error) = inner.validate_header_consistency() {
        checks.broken("archive", format!("the ZIP contradicts itself: {error}"));
    }
    let entries = entries(&mut inner, limits, checks);
    checks.ok_if_silent(
        "archive",
        "a plain ZIP, as driftpack writes it: nothing before, between or after its entries",
    );
    checks.ok_if_silent(
        "names",
        format!("{} entries, each name known, plain and used once", entries.len()),
    );
    checks.ok_if_silent("limits", "no entry is larger or denser than an honest one");
    Some(Archive { inner, entries, time })
}

fn unreadable<T>(error: &io::Error, checks: &mut Checks) -> Option<T> {
    checks.incomplete("archive", format!("the file could not be read: {error}"));
    None
}

enum Frame {
    Whole,
    Padded,
    NoEnd,
}

const END: [u8; 4] = *b"PK\x05\x06";
/// A directory end without comment.
const END_BYTES: usize = 22;
/// How far from the end a directory end with a comment can lie.
const END_REACH: u64 = END_BYTES as u64 + 0xffff;

/// A pack begins with its first entry and ends with a directory end without comment.
fn frame<R: Read + Seek>(reader: &mut R) -> io::Result<Frame> {
    let length = reader.seek(SeekFrom::End(0))?;
    let reach = length.min(END_REACH);
    reader.seek(SeekFrom::Start(length - reach))?;
    let mut tail = Vec::new();
    reader.by_ref().take(reach).read_to_end(&mut tail)?;
    let Some(end) = tail.windows(END.len()).rposition(|window| window == END) else {
        return Ok(Frame::NoEnd);
    };
    let end = &tail[end..];
    if end.len() < END_BYTES {
        return Ok(Frame::NoEnd);
    }
    reader.seek(SeekFrom::Start(0))?;
    let mut head = [0; 4];
    let begins = reader.read_exact(&mut head).is_ok() && head == *b"PK\x03\x04";
    let ends = end.len() == END_BYTES && end.ends_with(&[0, 0]);
    Ok(if begins && ends { Frame::Whole } else { Frame::Padded })
}

fn entries<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    limits: &Limits,
    checks: &mut Checks,
) -> Vec<Entry> {
    if archive.has_duplicate_names() {
        checks.broken(
            "names",
            "two entries have the same name; unpackers disagree about which one counts",
        );
    }
    let mut entries = Vec::new();
    let mut total = 0_u64;
    for position in 0..archive.len() {
        let Some((name, packed, size)) = admitted(archive, position, checks) else { continue };
        total = total.saturating_add(size);
        let dense = Limits::RATIO_FREE_BYTES.max(packed.saturating_mul(limits.ratio));
        let max = limits.entry_bytes.min(dense);
        if size > max || total > limits.total_bytes {
            checks.broken(
                "limits",
                format!("{name} unpacks from {packed} to {size} bytes; it is not read"),
            );
            continue;
        }
        entries.push(Entry { position, name, max });
    }
    let places = entries.iter().map(|entry| place(entry.name));
    checks.require(places.is_sorted(), "names", "its entries are not in the order of a pack");
    let present: BTreeSet<_> = entries.iter().map(|entry| entry.name).collect();
    for name in pack::ENTRIES {
        if !present.contains(name) && !pack::OPTIONAL.contains(name) {
            checks.incomplete("names", format!("{name} is not there"));
        }
    }
    entries
}

fn place(name: &str) -> Option<usize> {
    pack::ENTRIES.iter().position(|entry| *entry == name)
}

/// The name, packed and unpacked size of an entry that a pack may have.
fn admitted<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    position: usize,
    checks: &mut Checks,
) -> Option<(&'static str, u64, u64)> {
    let file = match archive.by_index_raw(position) {
        Ok(file) => file,
        Err(error) => {
            checks.broken("archive", format!("entry {position} cannot be reached: {error}"));
            return None;
        }
    };
    let raw = String::from_utf8_lossy(file.name_raw()).into_owned();
    let name: String = plain(&raw).chars().take(100).collect();
    if !is_safe_name(&raw) {
        checks.broken(
            "names",
            format!("«{name}» is no plain file name (absolute, upwards, or foreign characters)"),
        );
        return None;
    }
    if !file.is_file() {
        checks.broken("names", format!("«{name}» is a link or a folder, not a file"));
        return None;
    }
    let known = pack::ENTRIES.iter().find(|entry| **entry == raw);
    let Some(known) = known else {
        checks.broken("names", format!("«{name}» does not belong into a pack"));
        return None;
    };
    let plain_method =
        matches!(file.compression(), CompressionMethod::Deflated | CompressionMethod::Stored);
    if file.encrypted() || !plain_method {
        checks.broken("archive", format!("{name} is encrypted or packed in a foreign way"));
        return None;
    }
    Some((known, file.compressed_size(), file.size()))
}
