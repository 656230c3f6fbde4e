//! Checking a pack that is on disk.
//!
//! [`verify`] needs nothing but the file, and shows that every byte in it is what the manifest says. That the manifest is
//! what the service signed, and that the audit log continues earlier packs, is what [`verify_with_program`] finds out.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};
use zip::ZipArchive;

use crate::error::{BrokenPack, Error};

const MANIFEST: &str = "MANIFEST.txt";
const MANIFEST_BYTES_MAX: u64 = 1 << 20;
/// Made over the manifest, so it cannot be listed there; OpenSSL checks it.
const TIME_STAMP: &str = "MANIFEST.txt.tsr";

/// The SHA-256 of each entry, all as MANIFEST.txt has them and no entry more or less. Reads the whole file, and blocks.
///
/// # Errors
/// [`Error::BrokenPack`] names what is wrong.
pub fn verify(pack: &Path) -> Result<BTreeMap<String, String>, Error> {
    let unreadable = |fault: String| BrokenPack(format!("{} cannot be read: {fault}", pack.display()));
    let mut archive = ZipArchive::new(File::open(pack)?).map_err(|fault| unreadable(fault.to_string()))?;
    let (mut found, mut manifest) = (BTreeMap::new(), None);
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|fault| unreadable(fault.to_string()))?;
        let name = entry.name().map_err(|fault| unreadable(fault.to_string()))?.into_owned();
        let is_twice = if name == MANIFEST {
            let mut text = String::new();
            let read = entry.take(MANIFEST_BYTES_MAX).read_to_string(&mut text);
            read.map_err(|fault| unreadable(fault.to_string()))?;
            manifest.replace(text).is_some()
        } else {
            let mut digest = Sha256::new();
            let mut sink = Sink(&mut digest);
            io::copy(&mut entry, &mut sink).map_err(|fault| unreadable(fault.to_string()))?;
            found.insert(name.clone(), hex::encode(digest.finalize())).is_some()
        };
        if is_twice {
            return Err(BrokenPack(format!("{name} is there twice")).into());
        }
    }
    found.remove(TIME_STAMP);
    let manifest = manifest.ok_or_else(|| BrokenPack(format!("{MANIFEST} is missing")))?;
    compare(&read_manifest(&manifest)?, &found)?;
    Ok(found)
}

struct Sink<'a>(&'a mut Sha256);

impl io::Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn read_manifest(text: &str) -> Result<BTreeMap<String, String>, BrokenPack> {
    let mut listed = BTreeMap::new();
    for line in text.lines() {
        let pair = line.split_once("  ").filter(|(digest, name)| digest.len() == 64 && !name.is_empty());
        let is_new = pair.is_some_and(|(digest, name)| listed.insert(name.to_owned(), digest.to_owned()).is_none());
        if !is_new {
            return Err(BrokenPack(format!("{MANIFEST} has a line that is none: {line:?}")));
        }
    }
    Ok(listed)
}

fn compare(listed: &BTreeMap<String, String>, found: &BTreeMap<String, String>) -> Result<(), BrokenPack> {
    for (name, digest) in listed {
        match found.get(name) {
            None => return Err(BrokenPack(format!("{name} is missing"))),
            Some(real) if real != digest => {
                return Err(BrokenPack(format!("{name} is not what the manifest says")));
            }
            Some(_) => {}
        }
    }
    match found.keys().find(|name| !listed.contains_key(*name)) {
        Some(name) => Err(BrokenPack(format!("{name} is not in the manifest"))),
        None => Ok(()),
    }
}

/// The report of `driftpack verify --json`, run as `program` with these further arguments: `["--key", "acme.pub"]` believes no
/// key but yours, `["--against", "older.zip"]` checks continuity.
///
/// # Errors
/// [`Error::BrokenPack`] unless its result is `ok`.
pub async fn verify_with_program<A: AsRef<OsStr>>(
    pack: &Path,
    program: impl AsRef<OsStr>,
    arguments: &[A],
) -> Result<serde_json::Value, Error> {
    let mut command = tokio::process::Command::new(program);
    command.arg("verify").arg(pack).arg("--json").args(arguments);
    let out = command.output().await?;
    if !matches!(out.status.code(), Some(0..=3)) {
        let said = String::from_utf8_lossy(&out.stderr).trim().to_owned();
        return Err(Error::Unexpected(format!("driftpack verify: {said}")));
    }
    let report: serde_json::Value =
        serde_json::from_slice(&out.stdout).map_err(|fault| Error::Unexpected(fault.to_string()))?;
    match report["result"].as_str() {
        Some("ok") => Ok(report),
        other => {
            let result = other.unwrap_or("not understood");
            Err(BrokenPack(format!("{} is {result}", pack.display())).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;

    fn manifest(entries: &[(&str, &str)]) -> String {
        let line = |(name, text): &(&str, &str)| format!("{}  {name}\n", hex::encode(Sha256::digest(text)));
        entries.iter().map(line).collect()
    }

    fn verdict(entries: &[(&str, &str)]) -> Result<usize, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut archive = ZipWriter::new(file.reopen().unwrap());
        for (name, text) in entries {
            archive.start_file(*name, SimpleFileOptions::default()).unwrap();
            archive.write_all(text.as_bytes()).unwrap();
        }
        archive.finish().unwrap();
        verify(file.path()).map(|found| found.len()).map_err(|fault| fault.to_string())
    }

    const WHOLE: [(&str, &str); 2] = [("data.json", "{}"), ("findings.csv", "number\n")];

    #[test]
    fn a_whole_pack_is_whole() {
        let manifest = manifest(&WHOLE);
        assert_eq!(verdict(&[WHOLE[0], WHOLE[1], (MANIFEST, &manifest)]), Ok(2));
    }

    #[test]
    fn a_broken_pack_is_named() {
        let manifest = manifest(&WHOLE);
        let last = (MANIFEST, manifest.as_str());
        let said = |entries: &[(&str, &str)]| verdict(entries).unwrap_err();
        assert_eq!(said(&[("data.json", "[]"), WHOLE[1], last]), "data.json is not what the manifest says");
        assert_eq!(said(&[WHOLE[0], last]), "findings.csv is missing");
        assert_eq!(said(&[WHOLE[0], WHOLE[1], ("more", ""), last]), "more is not in the manifest");
        assert_eq!(said(&WHOLE), "MANIFEST.txt is missing");
        assert!(said(&[WHOLE[0], (MANIFEST, "hello\n")]).contains("a line that is none"));
    }

    #[test]
    fn what_is_no_zip_is_broken() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hello").unwrap();
        assert!(matches!(verify(file.path()), Err(Error::BrokenPack(_))));
    }
}
