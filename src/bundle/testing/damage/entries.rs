//! Files that are missing, too many, or of another kind, and damages of the list itself.

use super::{Damage, damage, swap, without_line};
use crate::verify::Outcome::{Broken, Incomplete, Ok};

pub(super) const DAMAGES: &[Damage] = &[
    damage("nothing", &[], Ok, |_| ()),
    damage("no PDF, from the start", &[], Ok, |sample| {
        sample.remove("summary.pdf");
        sample.undescribe("summary.pdf");
        sample.sign_again();
    }),
    damage("an extra entry", &["names"], Broken, |sample| {
        sample.put("notes.txt", b"hello".to_vec());
    }),
    damage("an entry removed", &["names", "manifest", "signature"], Broken, |sample| {
        sample.remove("controls.csv");
    }),
    damage(
        "an entry removed, manifest anew",
        &["names", "signature", "provenance"],
        Broken,
        |sample| {
            sample.remove("controls.csv");
            sample.list();
        },
    ),
    damage("the PDF removed, manifest anew", &["signature", "provenance"], Broken, |sample| {
        sample.remove("summary.pdf");
        sample.list();
    }),
    damage("no manifest", &["names", "manifest"], Incomplete, |sample| {
        sample.remove("MANIFEST.txt");
    }),
    damage("a manifest with CRLF", &["manifest"], Broken, |sample| {
        sample.edit("MANIFEST.txt", |text| text.replace('\n', "\r\n"));
    }),
    damage("a manifest with an absolute name", &["manifest"], Broken, |sample| {
        swap(sample, "MANIFEST.txt", "  data.json", "  /etc/passwd");
    }),
    damage("an empty manifest", &["manifest"], Broken, |sample| {
        sample.put("MANIFEST.txt", Vec::new());
    }),
    damage("a manifest with a BOM", &["manifest"], Broken, |sample| {
        sample.edit("MANIFEST.txt", |text| format!("\u{feff}{text}"));
    }),
    damage("a line removed from the manifest", &["manifest"], Broken, |sample| {
        without_line(sample, "MANIFEST.txt", 3);
    }),
    damage("two lines of the manifest swapped", &["manifest"], Broken, |sample| {
        sample.edit("MANIFEST.txt", |text| {
            let mut lines: Vec<_> = text.split_inclusive('\n').collect();
            lines.swap(2, 3);
            lines.concat()
        });
    }),
    damage("the manifest lists itself", &["manifest"], Broken, |sample| {
        let hash = "0".repeat(64);
        sample.edit("MANIFEST.txt", |text| {
            text.replacen('\n', &format!("\n{hash}  MANIFEST.txt\n"), 1)
        });
    }),
    damage("a twin of data.json in capital letters", &["names"], Broken, |sample| {
        let twin = sample.get("data.json").to_vec();
        sample.put("DATA.JSON", twin);
    }),
    damage("an extra entry + key", &["names"], Broken, |sample| {
        sample.put("notes.txt", b"hello".to_vec());
        sample.sign_again();
    }),
    damage(
        "the attestation removed, manifest anew",
        &["names", "attestation"],
        Incomplete,
        |sample| {
            sample.remove("chain-attestation.json");
            sample.list();
        },
    )
    .note("nothing is left that could contradict; a pack without attestation proves nothing"),
    damage("findings.csv emptied", &["tables", "manifest"], Broken, |sample| {
        sample.put("findings.csv", Vec::new());
    }),
    damage("findings.csv emptied + key", &["tables"], Broken, |sample| {
        sample.put("findings.csv", Vec::new());
        super::cover_up(sample, "findings.csv");
    }),
    damage("a figure of the PDF changed", &["manifest", "signature"], Broken, |sample| {
        sample.edit("summary.pdf", |text| text.replace("stand-in", "stand-up"));
    }),
    damage("a figure of the PDF changed + key", &[], Ok, |sample| {
        sample.edit("summary.pdf", |text| text.replace("stand-in", "stand-up"));
        super::cover_up(sample, "summary.pdf");
    })
    .note("no verifier reads the PDF; compare its figures with `data.json`, which is checked"),
    damage("a web page in place of the PDF + key", &["archive"], Broken, |sample| {
        sample.put("summary.pdf", b"<!doctype html><script>alert(1)</script>".to_vec());
        super::cover_up(sample, "summary.pdf");
    }),
    damage("the index changed", &["manifest", "signature"], Broken, |sample| {
        swap(sample, "index.html", "stand-in", "stand-up");
    }),
    damage("the index changed, manifest anew", &["signature"], Broken, |sample| {
        swap(sample, "index.html", "stand-in", "stand-up");
        sample.list();
    }),
    damage("the index changed + key", &[], Ok, |sample| {
        swap(sample, "index.html", "stand-in", "stand-up");
        sample.sign_again();
    })
    .note("no verifier reads the page; what it says of the figures is in `data.json`, which is checked"),
    damage("the index removed", &["names", "manifest", "signature"], Broken, |sample| {
        sample.remove("index.html");
    }),
    damage("the index removed + key", &["names"], Incomplete, |sample| {
        sample.remove("index.html");
        sample.sign_again();
    })
    .note("nothing contradicts; every pack has one"),
    damage("a second line for the index in the manifest", &["manifest"], Broken, |sample| {
        sample.edit("MANIFEST.txt", |text| {
            let line = text.lines().find(|line| line.ends_with("  index.html"));
            let line = format!("{}\n", line.expect("the index is listed"));
            text.replace(&line, &line.repeat(2))
        });
    }),
    damage("no line for the index in the manifest", &["manifest"], Broken, |sample| {
        sample.edit("MANIFEST.txt", |text| {
            text.split_inclusive('\n').filter(|line| !line.contains("index.html")).collect()
        });
    }),
];
