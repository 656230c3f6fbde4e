//! One entry, unpacked, with nothing left over: bytes behind the end of its packed data are refused, and so are another size or
//! CRC-32 than the directory says.

use std::io::{self, BufRead as _, BufReader, Read};

use flate2::bufread::DeflateDecoder;
use zip::CompressionMethod;
use zip::read::ZipFile;

/// Unpacks what is read of it. Constant memory.
pub(super) struct Inflate<R: Read> {
    inner: Packed<R>,
    crc: crc32fast::Hasher,
    bytes: u64,
    /// CRC-32 and size as the directory says.
    expected: (u32, u64),
}

enum Packed<R: Read> {
    Stored(R),
    Deflated(DeflateDecoder<BufReader<R>>),
}

impl<'a, R: Read> Inflate<ZipFile<'a, R>> {
    /// `raw` gives the packed bytes; its method is one of the two that a pack may have.
    pub(super) fn new(raw: ZipFile<'a, R>) -> Self {
        let expected = (raw.crc32(), raw.size());
        let inner = match raw.compression() {
            CompressionMethod::Stored => Packed::Stored(raw),
            _ => Packed::Deflated(DeflateDecoder::new(BufReader::with_capacity(64 << 10, raw))),
        };
        Self { inner, crc: crc32fast::Hasher::new(), bytes: 0, expected }
    }
}

impl<R: Read> Inflate<R> {
    fn is_at_end(&mut self) -> io::Result<bool> {
        match &mut self.inner {
            Packed::Stored(_) => Ok(true),
            Packed::Deflated(decoder) => Ok(decoder.get_mut().fill_buf()?.is_empty()),
        }
    }

    fn end(&mut self) -> io::Result<()> {
        if !self.is_at_end()? {
            return Err(io::Error::other("there are bytes behind the end of its packed data"));
        }
        if (self.crc.clone().finalize(), self.bytes) != self.expected {
            return Err(io::Error::other("it has another size or CRC-32 than the ZIP says"));
        }
        Ok(())
    }
}

impl<R: Read> Read for Inflate<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.inner {
            Packed::Stored(raw) => raw.read(buffer)?,
            Packed::Deflated(decoder) => decoder.read(buffer)?,
        };
        if read == 0 && !buffer.is_empty() {
            self.end()?;
        }
        self.crc.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}
