//! Bits of a deflate stream, lowest first (RFC 1951, 3.1.1), gathered in a word and written eight
//! bytes at a time.

/// Writes bits into a buffer that the caller made large enough: the sum of the bits is known before
/// a block is written, and eight bytes more are needed, as `flush` stores a whole word.
pub(super) struct Bits<'a> {
    out: &'a mut [u8],
    at: usize,
    word: u64,
    held: u32,
}

/// What is carried from one block to the next: the bits of the byte not yet full.
#[derive(Clone, Copy, Default)]
pub(super) struct Carry {
    word: u64,
    held: u32,
}

impl Carry {
    /// Bits not yet written, seven at most.
    pub(super) fn held(self) -> u32 {
        self.held
    }
}

impl<'a> Bits<'a> {
    /// Goes on at `at` in `out` with the bits left from the block before.
    pub(super) fn resume(out: &'a mut [u8], at: usize, carry: Carry) -> Self {
        Self { out, at, word: carry.word, held: carry.held }
    }

    /// Adds the `count` low bits of `bits`, whose other bits are zero.
    #[inline]
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        self.word |= bits << self.held;
        self.held += count;
    }

    /// Stores the full bytes; to be called before more than 57 bits have been put,
    /// as up to seven stay behind.
    #[inline]
    pub(super) fn flush(&mut self) {
        let place = self.out[self.at..].first_chunk_mut().expect("the buffer has room for a block");
        *place = self.word.to_le_bytes();
        self.at += (self.held >> 3) as usize;
        self.word >>= self.held & !7;
        self.held &= 7;
    }

    /// Fills the last byte with zero bits, as a stored block wants it (RFC 1951, 3.2.4).
    pub(super) fn align(&mut self) {
        self.held = (self.held + 7) & !7;
        self.flush();
    }

    /// Copies whole bytes; the stream must be aligned.
    pub(super) fn copy(&mut self, bytes: &[u8]) {
        self.out[self.at..][..bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    /// Fills the last byte of the stream; returns where it ends.
    pub(super) fn close(mut self) -> usize {
        self.align();
        self.at
    }

    /// Where the next byte goes, and the bits that are not a byte yet.
    pub(super) fn pause(mut self) -> (usize, Carry) {
        self.flush();
        (self.at, Carry { word: self.word, held: self.held })
    }
}
