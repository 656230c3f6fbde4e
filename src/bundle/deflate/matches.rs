//! Finds repetitions (RFC 1951, 2.2 and 4): a greedy parse with the distance of the last match
//! tried first, for a row resembles the row before it, and one hash table after that.

use std::ops::Range;

/// How far back a match may reach.
pub(super) const WINDOW: usize = 32 * 1024;
/// Shortest and longest match of the format.
const SHORTEST: usize = 3;
const LONGEST: usize = 258;
/// Bytes that may be read or written after the last one of a block, whatever they are.
pub(super) const SLACK: usize = 32;
/// Literals that are copied at once.
const SHORT_RUN: usize = 16;
/// Entries of the hash table, as a power of two.
const HASH_BITS: u32 = 14;
/// Bytes a match found by hash has at least: a shorter one costs more bits than its literals.
const HASHED: u32 = 8;
/// The same at the distance of the last match, which is seldom far.
const REPEATED: u32 = 6;
/// After so many literals, as a power of two, the search takes larger steps.
const PATIENCE: u32 = 3;
/// The largest step of the search that does not depend on the data.
const STRIDE: usize = 8;

/// Literals followed by a match, in one word: the number of literals (20 bits), length of the match
/// less 3 (8 bits), symbol of the distance (5 bits), extra bits of the distance (13 bits).
#[derive(Clone, Copy)]
pub(super) struct Step(u64);

impl Step {
    fn new(literals: usize, length: usize, symbol: usize, extra: usize) -> Self {
        let length = (length - SHORTEST) as u64;
        Self(literals as u64 | length << 20 | (symbol as u64) << 28 | (extra as u64) << 33)
    }

    /// Literals before the match.
    #[inline]
    pub(super) fn literals(self) -> usize {
        (self.0 & 0xF_FFFF) as usize
    }

    /// Length of the match less the shortest, as tables are indexed.
    #[inline]
    pub(super) fn short_length(self) -> u8 {
        (self.0 >> 20 & 0xFF) as u8
    }

    /// Symbol of the distance, below 30.
    #[inline]
    pub(super) fn symbol(self) -> u32 {
        (self.0 >> 28 & 0x1F) as u32
    }

    /// Value of the extra bits of the distance.
    #[inline]
    pub(super) fn extra(self) -> u64 {
        self.0 >> 33
    }
}

/// Symbol and extra bits of a distance (RFC 1951, 3.2.5): each power of two is halved, and the half
/// counts are the symbols.
#[inline]
fn distance_symbol(distance: usize) -> (usize, usize) {
    let from_zero = distance - 1;
    if from_zero < 2 {
        return (from_zero, 0);
    }
    let bits = from_zero.ilog2() as usize - 1;
    (2 * bits + (from_zero >> bits), from_zero & ((1 << bits) - 1))
}

/// The parse of one block, and how often each symbol occurs in it.
pub(super) struct Parsed {
    pub(super) steps: Vec<Step>,
    /// The literals of all steps and those after the last, one after the other; bytes after them
    /// are of no meaning.
    pub(super) bytes: Vec<u8>,
    /// How many of `bytes` are literals.
    held: usize,
    /// How many of them follow the last match.
    pub(super) tail: usize,
    /// By value of the byte.
    pub(super) literals: [u32; 256],
    /// By length less the shortest.
    pub(super) lengths: [u32; 256],
    /// By symbol.
    pub(super) distances: [u32; 32],
}

impl Parsed {
    /// For blocks of `most` bytes.
    pub(super) fn new(most: usize) -> Self {
        Self {
            steps: Vec::with_capacity(most / REPEATED as usize),
            bytes: vec![0; most + SLACK],
            held: 0,
            tail: 0,
            literals: [0; 256],
            lengths: [0; 256],
            distances: [0; 32],
        }
    }

    fn clear(&mut self) {
        self.steps.clear();
        self.held = 0;
        self.lengths = [0; 256];
        self.distances = [0; 32];
    }

    /// Notes `run` literals, the first of `ahead`, and the match after them.
    #[inline]
    fn push(&mut self, ahead: &[u8], run: usize, length: usize, distance: usize) {
        self.keep(ahead, run);
        let (symbol, extra) = distance_symbol(distance);
        self.lengths[(length - SHORTEST) & 0xFF] += 1;
        self.distances[symbol & 0x1F] += 1;
        self.steps.push(Step::new(run, length, symbol, extra));
    }

    /// Copies literals. Most runs are short, so the first bytes are copied whatever their number.
    #[inline]
    fn keep(&mut self, ahead: &[u8], run: usize) {
        let room = &mut self.bytes[self.held..];
        room[..SHORT_RUN].copy_from_slice(&ahead[..SHORT_RUN]);
        if run > SHORT_RUN {
            room[SHORT_RUN..run].copy_from_slice(&ahead[SHORT_RUN..run]);
        }
        self.held += run;
    }

    /// Counts the literals, in four tables by turns, as the same byte twice running would wait for
    /// its own count.
    fn count(&mut self) {
        let mut turns = [[0_u32; 256]; 4];
        let (fours, rest) = self.bytes[..self.held].as_chunks::<4>();
        for four in fours {
            for (counts, byte) in turns.iter_mut().zip(four) {
                counts[usize::from(*byte)] += 1;
            }
        }
        for byte in rest {
            turns[0][usize::from(*byte)] += 1;
        }
        self.literals = std::array::from_fn(|byte| turns.iter().map(|counts| counts[byte]).sum());
    }
}

/// What the search remembers from block to block.
pub(super) struct Matcher {
    /// Last position of each hash, modulo 65536. An entry that is out of date only costs a
    /// comparison: every match is compared byte by byte.
    table: Box<[u16; 1 << HASH_BITS]>,
    /// Distance of the last match.
    last: usize,
}

impl Matcher {
    /// Every entry names 65535, which is too far from the first window of positions: 32768 to 65535.
    pub(super) fn new() -> Self {
        let table = vec![u16::MAX; 1 << HASH_BITS].into_boxed_slice();
        Self { table: table.try_into().expect("the sizes are the same"), last: 1 }
    }

    /// Parses `span` of `data`. Matches reach back to `floor` at most. `SLACK` bytes follow the span.
    pub(super) fn parse(
        &mut self,
        data: &[u8],
        span: Range<usize>,
        floor: usize,
        parsed: &mut Parsed,
    ) {
        parsed.clear();
        let mut done = span.start;
        let mut at = done.max(floor + 1);
        while at + 8 <= span.end {
            let Some(distance) = self.find(data, at) else {
                at += step(data[at], at - done);
                continue;
            };
            let ahead = common(data, at, distance, LONGEST.min(span.end - at));
            // The search may have stepped over the beginning. Where it goes on does not wait for this.
            let most = (at - done).min(at - distance - floor).min(LONGEST - ahead);
            let back = before(data, at, distance).min(most);
            parsed.push(&data[done..], at - back - done, back + ahead, distance);
            self.last = distance;
            self.insert_within(data, at, ahead);
            at += ahead;
            done = at;
        }
        parsed.tail = span.end - done;
        parsed.keep(&data[done..], parsed.tail);
        parsed.count();
    }

    /// Distance of a match at `at`, and remembers the position. Both candidates are compared and the
    /// longer is taken without a branch, for which of them it is cannot be foretold.
    #[inline]
    fn find(&mut self, data: &[u8], at: usize) -> Option<usize> {
        let here = load(data, at);
        let place = &mut self.table[hash(here)];
        let hashed = usize::from(low16(at).wrapping_sub(*place));
        *place = low16(at);
        let hashed = if hashed.wrapping_sub(1) < WINDOW { hashed } else { self.last };
        let same_last = (here ^ load(data, at - self.last)).trailing_zeros();
        let same_hashed = (here ^ load(data, at - hashed)).trailing_zeros();
        let found = same_last >= 8 * REPEATED || same_hashed >= 8 * HASHED;
        let distance = if same_hashed > same_last { hashed } else { self.last };
        found.then_some(distance)
    }

    /// Remembers some positions inside a match.
    #[inline]
    fn insert_within(&mut self, data: &[u8], at: usize, length: usize) {
        for inside in [at + 1, at + length - 2] {
            self.table[hash(load(data, inside))] = low16(inside);
        }
    }
}

/// How many of the eight bytes before `at` are the same as those `distance` before them. The window
/// of history, even when it is empty, is before every position.
#[inline]
fn before(data: &[u8], at: usize, distance: usize) -> usize {
    // Nothing lies eight bytes before the oldest position: no match is lengthened there.
    let Some(from) = (at - distance).checked_sub(8) else { return 0 };
    ((load(data, at - 8) ^ load(data, from)).leading_zeros() >> 3) as usize
}

/// How far the search goes on after `run` literals, the last of them `byte`. The longest steps
/// depend on the data, so that a search through a repetition falls into the steps of the first pass,
/// which alone are in the table.
#[inline]
fn step(byte: u8, run: usize) -> usize {
    let step = 1 + (run >> PATIENCE);
    if step <= STRIDE { step } else { STRIDE + usize::from(byte & 7) }
}

/// Length of the match at `at` with what lies `distance` before it, `most` at most. Reads beyond
/// that, but not beyond the slack.
#[inline]
fn common(data: &[u8], at: usize, distance: usize, most: usize) -> usize {
    let mut length = 0;
    while length < most {
        let low = load(data, at + length) ^ load(data, at + length - distance);
        let high = load(data, at + length + 8) ^ load(data, at + length + 8 - distance);
        let same = if low != 0 { low.trailing_zeros() } else { 64 + high.trailing_zeros() };
        length += (same >> 3) as usize;
        if same < 128 {
            break;
        }
    }
    length.min(most)
}

/// Eight bytes as a number, the first lowest.
#[inline]
fn load(data: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*data[at..].first_chunk().expect("eight bytes follow the position"))
}

/// Place in the table of the first `HASHED` bytes.
#[inline]
fn hash(bytes: u64) -> usize {
    ((bytes << (64 - 8 * HASHED)).wrapping_mul(0x9E37_79B1_85EB_CA87) >> (64 - HASH_BITS)) as usize
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
fn low16(number: usize) -> u16 {
    number as u16
}
