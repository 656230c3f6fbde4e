//! Entries compressed before there is a ZIP: while their bytes come, each by itself, several at once.
//!
//! [`Packer`] deflates and counts; [`crate::zip::Writer::packed`] copies what came of it into a ZIP without looking at it again. The
//! same bytes in, however they are cut, give the same bytes out.
//!
//! It does not hash what goes in: the writers of the sections do, and one hash of each byte is enough.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::deflate::Encoder;
use crate::digest::Fingerprinting;

/// What a ZIP must know of an entry that was compressed before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    /// Of the entry's own bytes.
    pub crc32: u32,
    pub bytes: u64,
    /// The [`Fingerprint`](crate::digest::Fingerprint) of the compressed ones.
    pub fingerprint: String,
}

/// Compresses the bytes of one entry on their way to `W`. Constant memory.
pub struct Packer<W: Write> {
    encoder: Encoder<Fingerprinting<W>>,
    crc: crc32fast::Hasher,
    bytes: u64,
}

impl<W: Write> Packer<W> {
    pub fn new(writer: W) -> Self {
        Self {
            encoder: Encoder::new(Fingerprinting::fingerprinting(writer)),
            crc: crc32fast::Hasher::new(),
            bytes: 0,
        }
    }

    /// Ends the entry and gives the writer back.
    pub fn finish(self) -> Result<(W, Packed), Error> {
        let (mut writer, fingerprint) = self.encoder.finish()?.finish();
        writer.flush()?;
        Ok((writer, Packed { crc32: self.crc.finalize(), bytes: self.bytes, fingerprint }))
    }
}

impl<W: Write> Write for Packer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.encoder.write_all(bytes)?;
        self.crc.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    /// Does nothing: flushing the compressor would change the bytes.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read as _};

    use evidence::time::Time;
    use proptest::prelude::*;

    use super::*;
    use crate::zip;

    fn packed(bytes: &[u8], cut: usize) -> (Vec<u8>, Packed) {
        let mut packer = Packer::new(Vec::new());
        for piece in bytes.chunks(cut) {
            packer.write_all(piece).unwrap();
        }
        packer.finish().unwrap()
    }

    fn text(lines: u64) -> Vec<u8> {
        (0..lines).flat_map(|line| format!("{line},{},x\n", line * line).into_bytes()).collect()
    }

    fn zipped(packed: &Packed, content: &[u8]) -> Result<Vec<u8>, Error> {
        let mut zip = zip::Writer::new(Vec::new(), Time::UNIX_EPOCH);
        let mut entry = zip.packed("a.csv", packed)?;
        entry.write_all(content)?;
        entry.finish()?;
        zip.finish()
    }

    #[test]
    fn a_packed_entry_is_read_back_by_another_reader() {
        let bytes = text(40_000);
        let (content, packed) = packed(&bytes, 1000);
        assert_eq!(packed.bytes, bytes.len() as u64);
        assert!(content.len() * 2 < bytes.len());
        let zip = zipped(&packed, &content).unwrap();
        let mut archive = ::zip::ZipArchive::new(Cursor::new(zip)).unwrap();
        archive.validate_header_consistency().unwrap();
        let mut read = Vec::new();
        archive.by_index(0).unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes);
    }

    #[test]
    fn a_packed_entry_is_the_entry_that_is_packed_on_the_way() {
        let bytes = text(10_000);
        let (content, packed) = packed(&bytes, 77);
        let mut zip = zip::Writer::new(Vec::new(), Time::UNIX_EPOCH);
        let mut entry = zip.entry("a.csv").unwrap();
        entry.write_all(&bytes).unwrap();
        entry.finish().unwrap();
        assert_eq!(zip.finish().unwrap(), zipped(&packed, &content).unwrap());
    }

    #[test]
    fn other_content_than_was_packed_is_refused() {
        let (mut content, packed) = packed(b"a,b\n1,2\n", 3);
        content[2] ^= 1;
        assert!(matches!(zipped(&packed, &content), Err(Error::Repacked { .. })));
        content[2] ^= 1;
        let cut = zipped(&packed, &content[..content.len() - 1]);
        assert!(matches!(cut, Err(Error::Repacked { .. })), "{cut:?}");
    }

    proptest! {
        // Each one compresses more than a chunk, twice.
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn the_cut_does_not_change_the_bytes(seed in any::<u64>(), cut in 50_usize..200_000) {
            let bytes: Vec<u8> = text(9_000).into_iter().zip(seed..).map(|(byte, at)| {
                if at.is_multiple_of(97) { u8::try_from(at % 251).unwrap() } else { byte }
            }).collect();
            prop_assert_eq!(packed(&bytes, cut), packed(&bytes, bytes.len()));
        }
    }
}
