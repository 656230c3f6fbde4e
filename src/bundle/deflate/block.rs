//! Writes one parsed block in the cheapest of the three ways: stored, with the fixed codes, or with
//! codes of its own (RFC 1951, 3.2.3).

use super::bits::{Bits, Carry};
use super::huffman;
use super::matches::Parsed;

/// Codes of literals and lengths are kept this short, so that four literals, or one match, fit into
/// the bit buffer between two flushes. The format allows 15.
const CODE_LIMIT: usize = 14;
/// The same for the code that describes the code lengths (RFC 1951, 3.2.7).
const META_LIMIT: usize = 7;
/// The symbol that ends a block.
const END: usize = 256;
/// Largest stored block.
const STORED: usize = 65535;
/// Order in which the lengths of the code-length code are sent (RFC 1951, 3.2.7).
const META_ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Symbol (less 257) and number of extra bits of each match length less 3 (RFC 1951, 3.2.5).
const LENGTHS: [(u8, u8); 256] = length_symbols();

const fn length_symbols() -> [(u8, u8); 256] {
    let mut table = [(0, 0); 256];
    let (mut symbol, mut at) = (0_u8, 0_usize);
    while at < 255 {
        let extra = if symbol < 8 { 0 } else { symbol / 4 - 1 };
        let end = at + (1 << extra);
        while at < end && at < 255 {
            table[at] = (symbol, extra);
            at += 1;
        }
        symbol += 1;
    }
    // 258 has a symbol to itself.
    table[255] = (28, 0);
    table
}

/// Extra bits of a distance symbol.
const fn distance_extra(symbol: u32) -> u32 {
    if symbol < 4 { 0 } else { symbol / 2 - 1 }
}

/// Lengths of the two codes of a block.
struct Lengths {
    literal: [u8; 288],
    distance: [u8; 32],
}

impl Lengths {
    /// The fixed codes (RFC 1951, 3.2.6).
    fn fixed() -> Self {
        let literal = std::array::from_fn(|symbol| match symbol {
            0..144 | 280.. => 8,
            144..256 => 9,
            256..280 => 7,
        });
        Self { literal, distance: [5; 32] }
    }

    /// The best codes for these counts.
    fn fitted(counts: &Counts) -> Self {
        Self {
            literal: huffman::lengths(&counts.literal, CODE_LIMIT),
            distance: huffman::lengths(&counts.distance, CODE_LIMIT),
        }
    }
}

/// How often each symbol of the two alphabets occurs in a block.
struct Counts {
    literal: [u32; 288],
    distance: [u32; 32],
}

impl Counts {
    fn of(parsed: &Parsed) -> Self {
        let mut literal = [0; 288];
        literal[..256].copy_from_slice(&parsed.literals);
        literal[END] = 1;
        for (count, (symbol, _)) in parsed.lengths.iter().zip(&LENGTHS) {
            literal[END + 1 + usize::from(*symbol)] += count;
        }
        Self { literal, distance: parsed.distances }
    }

    /// Bits of the block's body with codes of these lengths, without the extra bits.
    fn bits(&self, lengths: &Lengths) -> u64 {
        let sum = |counts: &[u32], lengths: &[u8]| -> u64 {
            counts.iter().zip(lengths).map(|(n, length)| u64::from(*n) * u64::from(*length)).sum()
        };
        sum(&self.literal, &lengths.literal) + sum(&self.distance, &lengths.distance)
    }
}

/// Extra bits of lengths and distances, which cost the same with any code.
fn extra_bits(parsed: &Parsed) -> u64 {
    let lengths = parsed.lengths.iter().zip(&LENGTHS).map(|(n, (_, bits))| (*n, u32::from(*bits)));
    let distances =
        parsed.distances.iter().zip(0..).map(|(n, symbol)| (*n, distance_extra(symbol)));
    lengths.chain(distances).map(|(n, bits)| u64::from(n) * u64::from(bits)).sum()
}

/// The code lengths of a block as they are sent: runs shortened, then coded (RFC 1951, 3.2.7).
struct Header {
    literals: usize,
    distances: usize,
    metas: usize,
    /// Symbol, extra bits and their number.
    runs: Vec<(u8, u8, u8)>,
    meta_lengths: [u8; 19],
}

impl Header {
    fn of(lengths: &Lengths) -> Self {
        let used = |lengths: &[u8]| lengths.iter().rposition(|n| *n > 0).map_or(0, |last| last + 1);
        let literals = used(&lengths.literal);
        let distances = used(&lengths.distance);
        // A run may reach from one alphabet into the other.
        let mut all = [0; 288 + 32];
        all[..literals].copy_from_slice(&lengths.literal[..literals]);
        all[literals..literals + distances].copy_from_slice(&lengths.distance[..distances]);
        let runs = shortened(&all[..literals + distances]);
        let mut counts = [0; 19];
        for (symbol, _, _) in &runs {
            counts[usize::from(*symbol)] += 1;
        }
        let meta_lengths = huffman::lengths(&counts, META_LIMIT);
        let last = META_ORDER.iter().rposition(|symbol| meta_lengths[*symbol] > 0);
        let metas = last.map_or(4, |last| (last + 1).max(4));
        Self { literals, distances, metas, runs, meta_lengths }
    }

    fn bits(&self) -> u64 {
        let run = |(symbol, _, extra): &(u8, u8, u8)| {
            u64::from(self.meta_lengths[usize::from(*symbol)]) + u64::from(*extra)
        };
        14 + 3 * self.metas as u64 + self.runs.iter().map(run).sum::<u64>()
    }

    fn write(&self, bits: &mut Bits) {
        bits.put(self.literals as u64 - 257, 5);
        bits.put(self.distances as u64 - 1, 5);
        bits.put(self.metas as u64 - 4, 4);
        for symbol in &META_ORDER[..self.metas] {
            bits.flush();
            bits.put(u64::from(self.meta_lengths[*symbol]), 3);
        }
        let codes = huffman::codes(&self.meta_lengths);
        for (symbol, value, extra) in &self.runs {
            let symbol = usize::from(*symbol);
            bits.flush();
            bits.put(u64::from(codes[symbol]), u32::from(self.meta_lengths[symbol]));
            bits.put(u64::from(*value), u32::from(*extra));
        }
    }
}

/// Code lengths with their runs: 16 repeats the length before 3 to 6 times, 17 and 18 stand for 3 to
/// 10 and 11 to 138 zeros (RFC 1951, 3.2.7).
fn shortened(lengths: &[u8]) -> Vec<(u8, u8, u8)> {
    let mut runs = Vec::with_capacity(lengths.len());
    for same in lengths.chunk_by(|a, b| a == b) {
        let (value, mut left) = (same[0], same.len());
        if value > 0 {
            runs.push((value, 0, 0));
            left -= 1;
        }
        while left > 0 {
            let (symbol, least, most, extra) = match (value, left) {
                (_, ..3) => (value, 1, 1, 0),
                (0, 11..) => (18, 11, 138, 7),
                (0, _) => (17, 3, 10, 3),
                _ => (16, 3, 6, 2),
            };
            let taken = left.min(most);
            let over = u8::try_from(taken - least).expect("a run is 138 at most");
            runs.push((symbol, over, extra));
            left -= taken;
        }
    }
    runs
}

/// A code, with extra bits above it where they are known, and the number of its bits.
#[derive(Clone, Copy, Default)]
struct Code(u32);

impl Code {
    fn new(code: u16, length: u8, extra: u32, extra_bits: u8) -> Self {
        Self((u32::from(code) | extra << length) << 5 | u32::from(length + extra_bits))
    }

    #[inline]
    fn bits(self) -> u64 {
        u64::from(self.0 >> 5)
    }

    #[inline]
    fn count(self) -> u32 {
        self.0 & 31
    }
}

/// The two codes of a block, laid out for writing.
struct Codes {
    literal: [Code; 256],
    /// By match length less 3, with the extra bits.
    length: [Code; 256],
    /// By symbol, without the extra bits.
    distance: [Code; 32],
    end: Code,
}

impl Codes {
    fn new(lengths: &Lengths) -> Self {
        let codes = huffman::codes(&lengths.literal);
        let plain = |symbol: usize| Code::new(codes[symbol], lengths.literal[symbol], 0, 0);
        let mut base = 0;
        let length = std::array::from_fn(|index| {
            let (symbol, extra_bits) = LENGTHS[index];
            if index == 0 || LENGTHS[index - 1].0 != symbol {
                base = index;
            }
            let place = END + 1 + usize::from(symbol);
            let extra = u32::try_from(index - base).expect("a length is 258 at most");
            Code::new(codes[place], lengths.literal[place], extra, extra_bits)
        });
        let far = huffman::codes(&lengths.distance);
        let distance =
            std::array::from_fn(|symbol| Code::new(far[symbol], lengths.distance[symbol], 0, 0));
        Self { literal: std::array::from_fn(plain), length, distance, end: plain(END) }
    }

    /// Writes the body of a block.
    fn write(&self, bits: &mut Bits, parsed: &Parsed) {
        let mut bytes = &parsed.bytes[..];
        for step in &parsed.steps {
            self.write_literals(bits, bytes, step.literals());
            bytes = &bytes[step.literals()..];
            let length = self.length[usize::from(step.short_length())];
            bits.put(length.bits(), length.count());
            let symbol = step.symbol();
            let distance = self.distance[symbol as usize];
            bits.put(distance.bits(), distance.count());
            bits.put(step.extra(), distance_extra(symbol));
            bits.flush();
        }
        self.write_literals(bits, bytes, parsed.tail);
        bits.put(self.end.bits(), self.end.count());
        bits.flush();
    }

    /// Writes the first `run` of `bytes`. The last one to three are written without a branch for
    /// their number, as empty codes where there are fewer.
    #[inline]
    fn write_literals(&self, bits: &mut Bits, mut bytes: &[u8], mut run: usize) {
        while let (4.., Some((four, rest))) = (run, bytes.split_first_chunk::<4>()) {
            for byte in four {
                let code = self.literal[usize::from(*byte)];
                bits.put(code.bits(), code.count());
            }
            bits.flush();
            bytes = rest;
            run -= 4;
        }
        let three: &[u8; 3] = bytes.first_chunk().expect("slack follows the literals");
        for (index, byte) in three.iter().enumerate() {
            let code = self.literal[usize::from(*byte)];
            let code = if index < run { code } else { Code::default() };
            bits.put(code.bits(), code.count());
        }
        bits.flush();
    }
}

/// Where a block goes: the buffer, the place in it, and the bits before it.
pub(super) struct Place<'a> {
    pub(super) out: &'a mut [u8],
    pub(super) at: usize,
    pub(super) carry: Carry,
}

/// Bytes of output buffer that a block of `bytes` needs at most, with the store of a whole word.
pub(super) const fn room(bytes: usize) -> usize {
    bytes + 5 * (bytes / STORED + 1) + 16
}

/// Writes `data` as a block, or as several stored ones; the last of a stream is marked as `last`.
/// The place moves behind it.
pub(super) fn write(place: &mut Place, data: &[u8], parsed: &Parsed, last: bool) {
    let counts = Counts::of(parsed);
    let fitted = Lengths::fitted(&counts);
    let header = Header::of(&fitted);
    let fixed = Lengths::fixed();
    let extra = extra_bits(parsed);
    let with_fitted = header.bits() + counts.bits(&fitted) + extra;
    let with_fixed = counts.bits(&fixed) + extra;
    let blocks = data.len().div_ceil(STORED).max(1) as u64;
    let stored = 8 * data.len() as u64 + blocks * 40 - 3;
    let mut bits = Bits::resume(place.out, place.at, place.carry);
    if stored < with_fitted.min(with_fixed) {
        write_stored(&mut bits, data, last);
    } else if with_fixed <= with_fitted {
        bits.put(u64::from(last) | 0b01 << 1, 3);
        bits.flush();
        Codes::new(&fixed).write(&mut bits, parsed);
    } else {
        bits.put(u64::from(last) | 0b10 << 1, 3);
        header.write(&mut bits);
        bits.flush();
        Codes::new(&fitted).write(&mut bits, parsed);
    }
    (place.at, place.carry) = bits.pause();
}

/// Stored blocks (RFC 1951, 3.2.4).
fn write_stored(bits: &mut Bits, data: &[u8], last: bool) {
    let mut chunks = data.chunks(STORED).peekable();
    while let Some(chunk) = chunks.next() {
        bits.put(u64::from(last && chunks.peek().is_none()), 3);
        bits.align();
        let length = u16::try_from(chunk.len()).expect("a stored block is 65535 bytes at most");
        bits.put(u64::from(length) | u64::from(!length) << 16, 32);
        bits.flush();
        bits.copy(chunk);
    }
}
