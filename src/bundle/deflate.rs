//! A fast encoder of the deflate format (RFC 1951) for text made of rows: 1.8 to 3 times as fast as zlib's level 2 on the large
//! entries of a pack, and a little denser. It looks for repetitions greedily and with little memory, and spends its time
//! where rows repay it: a match at the distance of the last one is tried first.
//!
//! Invariants: the output depends on the input alone, not on how it was cut nor on the machine; memory is constant. It does not
//! decode: what reads packs is a stock decoder, and so are the judges of its tests.

use std::io::{self, Write};

mod bits;
mod block;
mod huffman;
mod matches;
#[cfg(test)]
mod tests;

use bits::{Bits, Carry};
use block::Place;
use matches::{Matcher, Parsed, SLACK, WINDOW};

/// Bytes that are parsed at once. A multiple of 65536, so that a position keeps its value modulo
/// 65536 when the buffer moves on.
const CHUNK: usize = 128 * 1024;
/// Where a full chunk ends in the buffer.
const FULL: usize = WINDOW + CHUNK;

/// Compresses what is written into it. The output depends on the bytes alone, not on how they were
/// cut: chunks end at fixed places.
pub(crate) struct Encoder<W: Write> {
    writer: W,
    /// The window of history, the chunk being gathered, and slack.
    buffer: Vec<u8>,
    /// Where the gathered bytes end.
    filled: usize,
    /// Where history begins: at `WINDOW`, that is nowhere, for the first chunk.
    floor: usize,
    matcher: Matcher,
    parsed: Parsed,
    out: Vec<u8>,
    carry: Carry,
    /// An error came back from the writer; nothing may follow what it left half written.
    failed: bool,
}

impl<W: Write> Encoder<W> {
    pub(crate) fn new(writer: W) -> Self {
        Self {
            writer,
            buffer: vec![0; FULL + SLACK],
            filled: WINDOW,
            floor: WINDOW,
            matcher: Matcher::new(),
            parsed: Parsed::new(CHUNK),
            out: vec![0; block::room(CHUNK)],
            carry: Carry::default(),
            failed: false,
        }
    }

    /// Takes all of `bytes`. A full chunk is compressed only when more follows, so that the last
    /// block of the stream is never empty but for an empty stream.
    pub(crate) fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.check()?;
        while !bytes.is_empty() {
            if self.filled == FULL {
                self.compress(false)?;
                self.buffer.copy_within(CHUNK..FULL, 0);
                self.filled = WINDOW;
                self.floor = 0;
            }
            let (now, later) = bytes.split_at(bytes.len().min(FULL - self.filled));
            self.buffer[self.filled..][..now.len()].copy_from_slice(now);
            self.filled += now.len();
            bytes = later;
        }
        Ok(())
    }

    /// Ends the stream and returns the writer.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.check()?;
        self.compress(true)?;
        Ok(self.writer)
    }

    fn check(&self) -> io::Result<()> {
        if self.failed { Err(io::Error::other("an earlier write failed")) } else { Ok(()) }
    }

    /// Writes the chunk in the buffer as one block (as several where it is stored).
    fn compress(&mut self, last: bool) -> io::Result<()> {
        self.matcher.parse(&self.buffer, WINDOW..self.filled, self.floor, &mut self.parsed);
        let data = &self.buffer[WINDOW..self.filled];
        let mut place = Place { out: &mut self.out, at: 0, carry: self.carry };
        block::write(&mut place, data, &self.parsed, last);
        self.carry = place.carry;
        let written = place.at;
        self.send(written)?;
        if last && self.carry.held() > 0 {
            let bits = Bits::resume(&mut self.out, 0, self.carry);
            let written = bits.close();
            self.send(written)?;
        }
        Ok(())
    }

    fn send(&mut self, length: usize) -> io::Result<()> {
        let sent = self.writer.write_all(&self.out[..length]);
        self.failed = sent.is_err();
        sent
    }
}
