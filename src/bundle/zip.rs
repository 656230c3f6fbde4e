//! The ZIP of a pack, written front to back to any writer.
//!
//! Same entries, same bytes: time, permissions (0644), our deflate and the order
//! in which entries are written decide the bytes, and nothing else does. Each entry carries its
//! time twice, as a DOS time and as the UTC `UT` field of the central directory, because a DOS time
//! has no zone. ZIP64 structures appear only when a size or an offset needs them. CRC-32 is counted
//! here; sizes and CRC follow each entry's data, as they must where one cannot seek.
//!
//! It does not know which entries a pack has: `evidence::pack::ENTRIES` does.

use std::collections::BTreeSet;
use std::io::{self, Write};

use evidence::time::Time;
use rawzip::time::UtcDateTime;
use rawzip::{CompressionMethod, DataDescriptorOutput, ZipArchiveWriter, ZipEntryWriter};

use crate::Error;
use crate::digest::{Digest, Fingerprinting, Sum};
use crate::packed::{Packed, Packer};

const PERMISSIONS: u32 = 0o644;

/// The years a DOS time can hold.
pub(crate) const DOS_SECONDS: std::ops::RangeInclusive<i64> = 315_532_800..=4_354_819_198;

pub struct Writer<W: Write> {
    inner: ZipArchiveWriter<W>,
    modified: UtcDateTime,
    names: BTreeSet<String>,
    finished: usize,
}

impl<W: Write> Writer<W> {
    /// `modified` is the time of every entry: the end of the period, by convention.
    pub fn new(writer: W, modified: Time) -> Self {
        let seconds = modified.timestamp().clamp(*DOS_SECONDS.start(), *DOS_SECONDS.end());
        Self {
            inner: ZipArchiveWriter::new(writer),
            modified: UtcDateTime::from_unix(seconds),
            names: BTreeSet::new(),
            finished: 0,
        }
    }

    /// Begins an entry; the one before must be finished.
    pub fn entry(&mut self, name: &str) -> Result<Entry<'_, W>, Error> {
        let (raw, finished) = self.begin(name)?;
        Ok(Entry { packer: Packer::new(raw), sum: Sum::default(), finished })
    }

    /// Begins an entry that was compressed before; what is written to it are its compressed bytes.
    pub fn packed<'a>(
        &'a mut self,
        name: &str,
        packed: &'a Packed,
    ) -> Result<PackedEntry<'a, W>, Error> {
        let (raw, finished) = self.begin(name)?;
        Ok(PackedEntry {
            inner: Fingerprinting::fingerprinting(raw),
            packed,
            name: name.to_owned(),
            finished,
        })
    }

    fn begin(&mut self, name: &str) -> Result<(ZipEntryWriter<'_, W>, &mut usize), Error> {
        self.all_finished()?;
        if !is_safe_name(name) {
            return Err(Error::EntryName { name: name.chars().take(100).collect() });
        }
        if !self.names.insert(name.to_owned()) {
            return Err(Error::DuplicateEntry { name: name.to_owned() });
        }
        let (raw, _config) = self
            .inner
            .new_file(name)
            .compression_method(CompressionMethod::DEFLATE)
            .last_modified(self.modified)
            .unix_permissions(PERMISSIONS)
            .start()?;
        Ok((raw, &mut self.finished))
    }

    /// Writes the directory and gives the writer back.
    pub fn finish(self) -> Result<W, Error> {
        self.all_finished()?;
        Ok(self.inner.finish()?)
    }

    fn all_finished(&self) -> Result<(), Error> {
        if self.names.len() == self.finished { Ok(()) } else { Err(Error::UnfinishedEntry) }
    }
}

/// Takes the bytes of one entry; [`Self::finish`] ends it.
#[must_use = "an entry that is not finished makes the ZIP unusable"]
pub struct Entry<'a, W: Write> {
    packer: Packer<ZipEntryWriter<'a, W>>,
    sum: Sum,
    finished: &'a mut usize,
}

impl<W: Write> Entry<'_, W> {
    /// The digest of the entry's own (uncompressed) bytes.
    pub fn finish(self) -> Result<Digest, Error> {
        let (raw, Packed { crc32, bytes, .. }) = self.packer.finish()?;
        raw.finish(DataDescriptorOutput::new(crc32, bytes))?;
        *self.finished += 1;
        Ok(self.sum.finish())
    }
}

impl<W: Write> Write for Entry<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let accepted = self.packer.write(bytes)?;
        self.sum.update(&bytes[..accepted]);
        Ok(accepted)
    }

    /// Does nothing: flushing the compressor would change the bytes.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes the compressed bytes of one entry; [`Self::finish`] ends it.
#[must_use = "an entry that is not finished makes the ZIP unusable"]
pub struct PackedEntry<'a, W: Write> {
    inner: Fingerprinting<ZipEntryWriter<'a, W>>,
    packed: &'a Packed,
    name: String,
    finished: &'a mut usize,
}

impl<W: Write> PackedEntry<'_, W> {
    /// Refuses other bytes than came out of the packer.
    pub fn finish(self) -> Result<(), Error> {
        let (raw, fingerprint) = self.inner.finish();
        if fingerprint != self.packed.fingerprint {
            return Err(Error::Repacked { name: self.name });
        }
        raw.finish(DataDescriptorOutput::new(self.packed.crc32, self.packed.bytes))?;
        *self.finished += 1;
        Ok(())
    }
}

impl<W: Write> Write for PackedEntry<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Names that every unpacker, `sha256sum` and Windows take for the same plain file.
pub fn is_safe_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    name.len() <= 200
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name.bytes().all(plain)
        && !name.contains("..")
        && !name.ends_with('.')
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};
    use std::process::Command;

    use super::*;

    fn built(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = Writer::new(Vec::new(), Time::from_timestamp(1_775_001_600, 0).unwrap());
        for (name, bytes) in entries {
            let mut entry = zip.entry(name).unwrap();
            entry.write_all(bytes).unwrap();
            assert_eq!(entry.finish().unwrap(), crate::digest::of(bytes));
        }
        zip.finish().unwrap()
    }

    const ENTRIES: [(&str, &[u8]); 3] =
        [("b.csv", b"x,y\n1,2\n"), ("a.txt", b""), ("z-1.json", b"{}")];

    #[test]
    fn the_same_entries_give_the_same_bytes() {
        assert_eq!(built(&ENTRIES), built(&ENTRIES));
    }

    #[test]
    fn another_reader_reads_back_what_was_written() {
        let mut archive = ::zip::ZipArchive::new(Cursor::new(built(&ENTRIES))).unwrap();
        archive.validate_header_consistency().unwrap();
        for (position, (name, bytes)) in ENTRIES.iter().enumerate() {
            let mut file = archive.by_index(position).unwrap();
            assert_eq!(file.name().unwrap(), *name);
            assert_eq!(file.unix_mode().unwrap() & 0o777, PERMISSIONS);
            let modified = file.last_modified().unwrap();
            assert_eq!((modified.year(), modified.month(), modified.day()), (2026, 4, 1));
            let mut read = Vec::new();
            file.read_to_end(&mut read).unwrap();
            assert_eq!(read, *bytes);
        }
    }

    #[test]
    fn stock_tools_find_nothing_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pack.zip");
        std::fs::write(&path, built(&ENTRIES)).unwrap();
        for (program, args) in
            [("unzip", ["-tqq"].as_slice()), ("python3", &["-m", "zipfile", "-t"])]
        {
            let output = Command::new(program).args(args).arg(&path).output().unwrap();
            assert!(output.status.success(), "{program}: {output:?}");
            assert!(!String::from_utf8_lossy(&output.stdout).contains("warning"), "{output:?}");
        }
    }

    #[test]
    fn zip64_is_not_used_where_it_is_not_needed() {
        let bytes = built(&ENTRIES);
        assert!(!bytes.windows(4).any(|window| window == b"PK\x06\x06"));
    }

    #[test]
    fn unsafe_and_repeated_names_are_refused() {
        let mut zip = Writer::new(io::sink(), Time::UNIX_EPOCH);
        for name in
            ["", "/etc/passwd", "../x", "a/b", "a\\b", ".hidden", "a b", "é", "x.", "a..b", "C:"]
        {
            assert!(
                matches!(zip.entry(name).map(|_| ()), Err(Error::EntryName { .. })),
                "{name:?}"
            );
        }
        zip.entry("a").unwrap().finish().unwrap();
        assert!(matches!(zip.entry("a").map(|_| ()), Err(Error::DuplicateEntry { .. })));
    }

    #[test]
    fn an_entry_left_open_is_noticed() {
        let mut zip = Writer::new(io::sink(), Time::UNIX_EPOCH);
        drop(zip.entry("a").unwrap());
        assert!(matches!(zip.entry("b").map(|_| ()), Err(Error::UnfinishedEntry)));
        assert!(matches!(zip.finish().map(|_| ()), Err(Error::UnfinishedEntry)));
    }
}
