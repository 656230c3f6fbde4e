//! The container: what a ZIP reader overlooks, and what unpackers disagree about.

use std::io::{Cursor, Write as _};

use super::raw::{inserted, map, put_u16, put_u32, renamed, u16_at, u32_at};
use super::{Damage, Make, Sample, bytes, cover_up, damage, of, sample};
use crate::verify::Outcome::{Broken, Ok, Truncated};

pub(super) const DAMAGES: &[Damage] = &[
    bytes("no ZIP at all", &["archive"], Truncated, |_| b"This is a text, and no ZIP.\n".to_vec()),
    bytes("an empty file", &["archive"], Truncated, |_| Vec::new()),
    bytes("cut off in the middle", &["archive"], Truncated, |zip| zip[..zip.len() / 2].to_vec()),
    bytes("the last byte cut off", &["archive"], Truncated, |zip| zip[..zip.len() - 1].to_vec()),
    bytes("bytes before it", &["archive"], Broken, |zip| [b"MZ\x90".as_slice(), &zip].concat()),
    bytes("bytes behind it", &["archive"], Broken, |zip| [&zip, b"more".as_slice()].concat()),
    bytes("a second ZIP behind it", &["archive"], Broken, |zip| [zip.clone(), zip].concat()),
    bytes("bytes between two entries", &["archive"], Broken, |zip| {
        inserted(&zip, map(&zip).entries[1].local, &[b'x'; 1024])
    }),
    bytes("bytes before the directory", &["archive"], Broken, |zip| {
        inserted(&zip, map(&zip).directory, &[b'x'; 1024])
    }),
    bytes("bytes behind packed data, which its length covers", &["archive"], Broken, |zip| {
        smuggled(&zip)
    }),
    bytes("a comment on the ZIP", &["archive"], Broken, |mut zip| {
        let length = zip.len() - 2;
        put_u16(&mut zip, length, 5);
        zip.extend_from_slice(b"hello");
        zip
    }),
    bytes("a comment on an entry", &["archive"], Broken, |zip| commented(&zip)),
    bytes("a field that nobody knows", &["archive"], Broken, |mut zip| {
        let central = map(&zip).entries[0].central;
        let field = central + 46 + u16_at(&zip, central + 28);
        put_u16(&mut zip, field, 0xcafe);
        zip
    }),
    of(
        "a name twice",
        &["names"],
        Broken,
        Make::Both(
            |sample| sample.put("data.jsox", b"{}".to_vec()),
            |zip| renamed(zip, b"data.jsox", b"data.json"),
        ),
    ),
    bytes("an absolute name", &["names"], Broken, |zip| renamed(zip, b"data.json", b"/etc/data")),
    bytes("a name that leads upwards", &["names"], Broken, |zip| {
        renamed(zip, b"data.json", b"../a.json")
    }),
    bytes("a name with a backslash", &["names"], Broken, |zip| {
        renamed(zip, b"data.json", b"..\\a.json")
    }),
    bytes("a name in a folder", &["names"], Broken, |zip| renamed(zip, b"data.json", b"d/ta.json")),
    bytes("a name that is no UTF-8", &["names"], Broken, |zip| {
        renamed(zip, b"data.json", b"d\xffta.json")
    }),
    bytes("a name in capital letters", &["names"], Broken, |zip| {
        renamed(zip, b"data.json", b"DATA.JSON")
    }),
    bytes("a symbolic link", &["archive"], Broken, |zip| attributes(zip, 0o120_777 << 16)),
    bytes("a file that may be run", &["archive"], Broken, |zip| attributes(zip, 0o755 << 16)),
    bytes("the time of a file changed", &["archive"], Broken, |mut zip| {
        let place = &map(&zip).entries[3];
        for at in [place.local + 12, place.central + 14] {
            zip[at] ^= 1;
        }
        zip
    }),
    bytes("the flag of encryption set", &["archive"], Broken, |mut zip| {
        let place = &map(&zip).entries[0];
        for at in [place.local + 6, place.central + 8] {
            zip[at] |= 1;
        }
        zip
    }),
    bytes("a data descriptor that lies", &["archive"], Broken, |mut zip| {
        let at = map(&zip).entries[2].packed_end + 4;
        zip[at] ^= 1;
        zip
    }),
    bytes("a check sum that lies everywhere", &["archive"], Broken, |mut zip| {
        let place = &map(&zip).entries[2];
        for at in [place.packed_end + 4, place.central + 16] {
            zip[at] ^= 1;
        }
        zip
    }),
    bytes("the directory gives another name than the entry", &["archive"], Broken, |mut zip| {
        let at = map(&zip).entries[3].local + 30;
        zip[at..at + 8].copy_from_slice(b"goodness");
        zip
    }),
    bytes("the directory gives another size than the entry", &["archive"], Broken, |mut zip| {
        let at = map(&zip).entries[3].central + 24;
        let size = u32_at(&zip, at);
        put_u32(&mut zip, at, size + 1);
        zip
    }),
    bytes("sizes in a field for large files that is not there", &["archive"], Broken, |mut zip| {
        let at = map(&zip).entries[3].central + 20;
        put_u32(&mut zip, at, 0xffff_ffff);
        put_u32(&mut zip, at + 4, 0xffff_ffff);
        zip
    }),
    bytes("the end of a large ZIP that is not there", &["archive"], Broken, |mut zip| {
        let at = zip.len() - 22 + 8;
        put_u32(&mut zip, at, 0xffff_ffff);
        zip
    }),
    bytes("fewer entries counted than there are", &["archive"], Broken, |mut zip| {
        let at = zip.len() - 22 + 8;
        let count = map(&zip).entries.len();
        put_u16(&mut zip, at, count - 1);
        put_u16(&mut zip, at + 2, count - 1);
        zip
    }),
    bytes("packed again by another program", &["archive"], Broken, |_| packed_again()).note(
        "every file is whole; the container is not the one that left driftpack, so ask for it",
    ),
    damage("files in another order + key", &["names"], Broken, |sample| {
        sample.entries.swap(2, 3);
    }),
    damage("a bomb: 8 MiB of nothing in 8 KiB + key", &["limits"], Broken, |sample| {
        sample.put("summary.pdf", [b"%PDF-".to_vec(), vec![0; 8 << 20]].concat());
        cover_up(sample, "summary.pdf");
    }),
    of(
        "a bomb that lies about its size",
        &["archive"],
        Broken,
        Make::Both(
            |sample| {
                sample.put("summary.pdf", [b"%PDF-".to_vec(), vec![0; 8 << 20]].concat());
                cover_up(sample, "summary.pdf");
            },
            |mut zip| {
                let place = &map(&zip).entries[0];
                for at in [place.packed_end + 12, place.central + 24] {
                    put_u32(&mut zip, at, 1000);
                }
                zip
            },
        ),
    ),
    damage("a ZIP bomb as the content of a file + key", &[], Ok, |sample| {
        let mut bomb = [b"%PDF-".to_vec(), sample.zip()].concat();
        bomb.extend(sample.zip());
        sample.put("summary.pdf", bomb);
        cover_up(sample, "summary.pdf");
    })
    .note("nothing unpacks what is within a file; it is what the signer put there"),
];

fn attributes(mut zip: Vec<u8>, attributes: usize) -> Vec<u8> {
    let at = map(&zip).entries[0].central + 38;
    put_u32(&mut zip, at, attributes);
    zip
}

/// The first entry's packed data is said to be eight bytes longer than it is.
fn smuggled(zip: &[u8]) -> Vec<u8> {
    let end = map(zip).entries[0].packed_end;
    let mut zip = inserted(zip, end, b"smuggled");
    let place = &map(&zip).entries[0];
    let packed = u32_at(&zip, place.central + 20) + 8;
    put_u32(&mut zip, place.central + 20, packed);
    put_u32(&mut zip, end + 8 + 8, packed);
    zip
}

fn commented(zip: &[u8]) -> Vec<u8> {
    let map = map(zip);
    let (first, second) = (map.entries[0].central, map.entries[1].central);
    let mut zip = [&zip[..second], b"hello", &zip[second..]].concat();
    put_u16(&mut zip, first + 32, 5);
    let at = zip.len() - 22 + 12;
    let size = u32_at(&zip, at);
    put_u32(&mut zip, at, size + 5);
    zip
}

/// With the other ZIP writer.
fn packed_again() -> Vec<u8> {
    let Sample { entries, .. } = sample();
    let mut zip = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in &entries {
        let options = ::zip::write::SimpleFileOptions::default();
        zip.start_file(name.as_str(), options).expect("the name is plain");
        zip.write_all(bytes).expect("memory takes everything");
    }
    zip.finish().expect("memory takes everything").into_inner()
}
