//! The time stamp over the manifest.
//!
//! No verifier here checks who gave a stamp: `openssl ts -verify` does, with the authority that the auditor trusts. So these answers
//! come from one of OpenSSL's (`answer.tsr`), with imprint and time written over: whole in form, and signed by nobody.

use super::{Damage, Sample, damage, swap};
use crate::digest::sha256_hex;
use crate::verify::Outcome::{Broken, Ok};

const ANSWER: &[u8] = include_bytes!("answer.tsr");
/// What the answer was given over.
const IMPRINT: [u8; 32] = [0xab; 32];
/// Where the tag of its time stands: behind imprint and serial number.
const TIME: &[u8] = b"\x18\x0f20";
/// An hour after the pack was made.
const SOON: &str = "20260403130000Z";
const STAMP: &str = "MANIFEST.txt.tsr";

pub(super) const DAMAGES: &[Damage] = &[
    damage("no damage: a time stamp over the manifest", &[], Ok, |sample| stamped(sample, SOON))
        .note("who gave it is for `openssl ts -verify` to say, with an authority that the auditor trusts"),
    damage("a time stamp from days after the pack was made", &[], Ok, |sample| {
        stamped(sample, "20261126000000Z");
    })
    .note("told, not blamed: nothing outside the organisation shows that the pack is older than that"),
    damage("a time stamp removed from a pack that asked for one", &[], Ok, |sample| {
        sample.ask_authority("https://tsa.example/tsr");
        sample.sign_again();
    })
    .note("told, not blamed: an authority may be gone when it is asked, and a pack does not wait for it"),
    damage("a time stamp from before the data", &["time_stamp"], Broken, |sample| {
        stamped(sample, "20260403100000Z");
    }),
    damage("the time stamp of another pack", &["time_stamp"], Broken, |sample| {
        let answer = over(super::super::earlier(11).get("MANIFEST.txt"), SOON);
        sample.put(STAMP, answer);
    }),
    damage("the pack changed under its time stamp + key", &["time_stamp"], Broken, |sample| {
        stamped(sample, SOON);
        swap(sample, "index.html", "stand-in", "stand-up");
        let kept = sample.get(STAMP).to_vec();
        sample.remove(STAMP);
        sample.sign_again();
        sample.put(STAMP, kept);
    }),
    damage("a web page as time stamp", &["time_stamp"], Broken, |sample| {
        sample.put(STAMP, b"<!doctype html>504 Gateway Time-out".to_vec());
    }),
    damage("an empty time stamp", &["time_stamp"], Broken, |sample| {
        sample.put(STAMP, Vec::new());
    }),
    damage("a time stamp larger than any", &["time_stamp"], Broken, |sample| {
        stamped(sample, SOON);
        let padded = [sample.get(STAMP), &[0; 64 << 10][..]].concat();
        sample.put(STAMP, padded);
    }),
    damage("a byte behind the time stamp", &["time_stamp"], Broken, |sample| {
        stamped(sample, SOON);
        let padded = [sample.get(STAMP), &[0][..]].concat();
        sample.put(STAMP, padded);
    }),
    damage("a time stamp cut off", &["time_stamp"], Broken, |sample| {
        stamped(sample, SOON);
        let half = sample.get(STAMP)[..600].to_vec();
        sample.put(STAMP, half);
    }),
    damage("an answer that refuses", &["time_stamp"], Broken, |sample| {
        stamped(sample, SOON);
        written_over(sample, &[2, 1, 0, 0x30], &[2, 1, 2, 0x30]);
    }),
    damage("a time stamp that calls its hash SHA-512", &["time_stamp"], Broken, |sample| {
        stamped(sample, SOON);
        written_over(sample, b"\x04\x02\x01\x05\x00\x04\x20", b"\x04\x02\x03\x05\x00\x04\x20");
    }),
    damage("a time stamp of a month that is none", &["time_stamp"], Broken, |sample| {
        stamped(sample, "20261303130000Z");
    }),
    damage("a signed mail in place of a time stamp", &["time_stamp"], Broken, |sample| {
        stamped(sample, SOON);
        // id-ct-TSTInfo made id-ct-authData.
        written_over(sample, b"\x09\x10\x01\x04", b"\x09\x10\x01\x02");
    }),
    damage("a time stamp that the manifest lists", &["manifest"], Broken, |sample| {
        sample.edit("MANIFEST.txt", |text| {
            // Behind AUDIT_LOG_VERIFY.md, where it would stand.
            text.replacen('\n', &format!("\n{}  {STAMP}\n", "0".repeat(64)), 1)
        });
        stamped(sample, SOON);
    }),
    damage("a time stamp before the manifest", &["names"], Broken, |sample| {
        stamped(sample, SOON);
        let last = sample.entries.len() - 1;
        sample.entries.swap(last - 1, last);
    }),
];

/// An answer over these bytes, of this moment (`YYYYMMDDHHMMSSZ`).
fn over(bytes: &[u8], time: &str) -> Vec<u8> {
    let sha256 = hex::decode(sha256_hex(bytes)).expect("it is hex");
    let mut answer = replaced(ANSWER, &IMPRINT, &sha256);
    let at = find(&answer, TIME) + 2;
    answer[at..at + 15].copy_from_slice(time.as_bytes());
    answer
}

fn stamped(sample: &mut Sample, time: &str) {
    let answer = over(sample.get("MANIFEST.txt"), time);
    sample.put(STAMP, answer);
}

fn written_over(sample: &mut Sample, from: &[u8], to: &[u8]) {
    let answer = replaced(sample.get(STAMP), from, to);
    sample.put(STAMP, answer);
}

/// The first place only.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = find(bytes, from);
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

fn find(bytes: &[u8], part: &[u8]) -> usize {
    bytes.windows(part.len()).position(|window| window == part).expect("it is there")
}
