//! What stock decoders make of the output.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::{CHUNK, Encoder, WINDOW, huffman};

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    encoder.write_all(bytes).expect("a Vec takes everything");
    encoder.finish().expect("a Vec takes everything")
}

fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut decoder = flate2::bufread::DeflateDecoder::new(packed);
    let mut bytes = Vec::new();
    decoder.read_to_end(&mut bytes).expect("the stream is valid");
    assert_eq!(decoder.total_in(), packed.len() as u64, "nothing follows the last block");
    bytes
}

#[track_caller]
fn comes_back(bytes: &[u8]) -> usize {
    let packed = packed(bytes);
    assert!(unpacked(&packed) == bytes, "{} bytes do not come back", bytes.len());
    packed.len()
}

/// Bytes that look random but are the same each time.
fn noise(length: usize, mut seed: u64) -> Vec<u8> {
    let next = |_| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed.to_be_bytes()[0]
    };
    (0..length).map(next).collect()
}

/// Rows as they occur in the entries.
fn rows(length: usize) -> Vec<u8> {
    let random = noise(length / 8 + 64, 7);
    let mut text = String::new();
    for (number, bytes) in random.chunks_exact(8).enumerate() {
        let hex = u64::from_be_bytes(bytes.try_into().expect("a chunk is eight bytes"));
        writeln!(
            text,
            "{number},{hex:016x},2026-08-{:02}T04:51:08Z,aws_s3_bucket,low,true",
            bytes[0] % 28
        )
        .expect("a String takes everything");
        if text.len() >= length {
            break;
        }
    }
    text.truncate(length);
    text.into_bytes()
}

/// Takes `left` bytes, then fails; notes what it was asked after that.
struct Full<'a> {
    left: usize,
    asked_again: &'a mut usize,
    broken: bool,
}

impl Write for Full<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        *self.asked_again += usize::from(self.broken);
        if bytes.len() > self.left {
            self.broken = true;
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.left -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn nothing_becomes_the_empty_stream() {
    assert_eq!(packed(b""), [3, 0]);
    assert_eq!(comes_back(b""), 2);
}

#[test]
fn every_length_to_600_comes_back() {
    for length in 1..=600 {
        comes_back(&rows(length));
        comes_back(&noise(length, length as u64));
        comes_back(&vec![b'a'; length]);
    }
}

#[test]
fn lengths_about_the_chunk_come_back() {
    for length in [WINDOW, 65535, 65536, CHUNK, CHUNK + WINDOW, 2 * CHUNK, 3 * CHUNK] {
        for length in [length - 1, length, length + 1] {
            comes_back(&rows(length));
            comes_back(&noise(length, 3));
            comes_back(&vec![0; length]);
        }
    }
}

#[test]
fn noise_costs_a_few_bytes_per_64_kib() {
    for length in [100, 65536, CHUNK, 5 * CHUNK + 77] {
        let over = comes_back(&noise(length, 11)) - length;
        assert!(over <= 8 * (length / 65536 + 1), "{length} bytes grow by {over}");
    }
}

#[test]
fn long_runs_shrink_to_little() {
    assert!(comes_back(&vec![0; 1_000_000]) < 2000);
}

#[test]
fn matches_at_the_greatest_distance_and_length_come_back() {
    for (distance, length) in [(32768, 258), (32769, 258), (32767, 300), (32768, 257), (32768, 3)] {
        let mut bytes = noise(distance, 5);
        for turn in 0..6 {
            let from = bytes.len() - distance;
            bytes.extend_from_within(from..from + length);
            bytes.extend(noise(distance - length, 100 + turn));
        }
        comes_back(&bytes);
    }
}

#[test]
fn a_match_at_the_greatest_distance_is_found() {
    let mut bytes = noise(32768, 5);
    bytes.extend_from_within(..);
    assert!(comes_back(&bytes) < 34000);
}

#[test]
fn distances_reach_into_the_chunk_before() {
    let mut bytes = noise(CHUNK, 9);
    bytes.extend_from_within(CHUNK - 20000..);
    assert!(comes_back(&bytes) < CHUNK + 1000);
}

#[test]
fn chunks_made_of_matches_come_back() {
    // Words of eight bytes out of a small set, over and over: about as many matches as a chunk can have.
    let words: Vec<Vec<u8>> = (0..64).map(|seed| noise(8, seed * 977)).collect();
    let picks = noise(60_000, 1);
    let bytes: Vec<u8> =
        picks.iter().flat_map(|pick| words[usize::from(pick % 64)].clone()).collect();
    comes_back(&bytes);
}

#[test]
fn skewed_alphabets_come_back() {
    // Fibonacci counts make the deepest tree there is; shuffled, so that they stay literals.
    let (mut a, mut b) = (1_usize, 1);
    let mut bytes = Vec::new();
    for byte in 0..24 {
        bytes.extend(std::iter::repeat_n(byte, a));
        (a, b) = (b, a + b);
    }
    let keys = noise(bytes.len() * 4, 21);
    let mut keyed: Vec<(&[u8], u8)> = keys.chunks_exact(4).zip(bytes).collect();
    keyed.sort_unstable();
    comes_back(&keyed.into_iter().map(|(_, byte)| byte).collect::<Vec<u8>>());
}

#[test]
fn python_reads_it_too() {
    let bytes = [rows(300_000), noise(70_000, 2), vec![b' '; 5000], rows(CHUNK)].concat();
    let script = "import sys,zlib\nd=zlib.decompressobj(-15)\nb=d.decompress(sys.stdin.buffer.read())\n\
                  assert d.eof and not d.unused_data\nsys.stdout.buffer.write(b)";
    let mut command = Command::new("python3");
    command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("python3 is there");
    let mut stdin = child.stdin.take().expect("it is piped");
    let packed = packed(&bytes);
    let feeder = std::thread::spawn(move || stdin.write_all(&packed));
    let output = child.wait_with_output().expect("python ends");
    feeder.join().expect("the feeder ends").expect("python reads its input");
    assert!(output.status.success() && output.stdout == bytes);
}

#[test]
fn an_error_comes_back_and_nothing_follows_it() {
    let bytes = noise(3 * CHUNK, 4);
    for left in [0, 10, CHUNK + 100] {
        let mut asked_again = 0;
        let mut encoder = Encoder::new(Full { left, asked_again: &mut asked_again, broken: false });
        let error = encoder.write_all(&bytes).expect_err("it is full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(encoder.write_all(b"more").is_err());
        assert!(encoder.write_all(&bytes).is_err());
        assert!(encoder.finish().is_err());
        assert_eq!(asked_again, 0);
    }
}

#[test]
fn an_error_at_the_end_comes_back() {
    let mut asked_again = 0;
    let mut encoder = Encoder::new(Full { left: 0, asked_again: &mut asked_again, broken: false });
    encoder.write_all(b"few").expect("they are gathered");
    assert!(encoder.finish().is_err());
}

/// Texts with repetitions near and far, of few and of many different bytes.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        (0..40_000_usize, any::<u64>()).prop_map(|(length, seed)| noise(length, seed)),
        (0..60_000_usize).prop_map(rows),
        (0..70_000_usize, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]),
        prop::collection::vec(0..3_u8, 0..2000),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| bytes.repeat(20)),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// How much of the room for codes is used: 1 << limit when it is complete.
fn taken(lengths: &[u8], limit: usize) -> u32 {
    lengths
        .iter()
        .filter(|length| **length > 0)
        .map(|length| 1 << (limit - usize::from(*length)))
        .sum()
}

#[test]
fn the_deepest_tree_is_cut_to_the_limit() {
    let (mut a, mut b) = (1_u32, 1);
    let counts: [u32; 32] = std::array::from_fn(|_| {
        (a, b) = (b, a + b);
        a
    });
    for limit in [7, 14, 15] {
        let lengths = huffman::lengths(&counts, limit);
        assert_eq!(lengths.iter().max().map(|longest| usize::from(*longest)), Some(limit));
        assert_eq!(taken(&lengths, limit), 1 << limit);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn codes_are_complete_and_the_more_frequent_symbol_has_no_longer_one(
        counts in prop::collection::vec(prop_oneof![Just(0), 1..50_u32, 1..2_000_000_u32], 288),
    ) {
        let counts: [u32; 288] = counts.try_into().expect("there are 288");
        let lengths = huffman::lengths(&counts, 14);
        prop_assert_eq!(taken(&lengths, 14), 1 << 14);
        for (one, other) in counts.iter().zip(&lengths).zip(counts.iter().zip(&lengths).skip(1)) {
            let (rarer, more) = if one.0 < other.0 { (one, other) } else { (other, one) };
            prop_assert!(*rarer.0 == 0 || rarer.0 == more.0 || rarer.1 >= more.1);
        }
    }

    #[test]
    fn what_went_in_comes_back(bytes in texts()) {
        comes_back(&bytes);
    }

    #[test]
    fn short_bytes_come_back(bytes in prop::collection::vec(any::<u8>(), 0..700)) {
        comes_back(&bytes);
    }

    #[test]
    fn the_output_is_the_same_however_it_was_cut(
        bytes in texts(),
        cuts in prop::collection::vec(1..90_000_usize, 1..40),
    ) {
        let mut encoder = Encoder::new(Vec::new());
        let mut rest = &bytes[..];
        for cut in cuts {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            encoder.write_all(now)?;
            rest = later;
        }
        encoder.write_all(rest)?;
        prop_assert!(encoder.finish()? == packed(&bytes));
    }
}
