//! Files for their owner's eyes only: keys and tokens.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result};

/// Readable and writable by the owner, nobody else.
const MODE: u32 = 0o600;

/// As [`MODE`], for folders that are made on the way.
const FOLDER_MODE: u32 = 0o700;

/// Writes `bytes`, whole or not at all; a file that is there is replaced, a folder that is not there is made.
pub(crate) fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    let part = file.with_extension("part");
    let told = || format!("cannot write {}", file.display());
    if let Some(folder) = file.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(folder)
            .with_context(told)?;
    }
    let _ = std::fs::remove_file(&part);
    let mut out = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(&part)
        .with_context(told)?;
    out.write_all(bytes).and_then(|()| out.sync_all()).with_context(told)?;
    std::fs::rename(&part, file).with_context(told)
}

/// The text of `file`; when there is none it is made first, by one process of many that try.
pub(crate) fn read_or_make(file: &Path, make: impl FnOnce() -> String) -> Result<String> {
    if !file.exists() {
        let part = file.with_extension(format!("{}.part", std::process::id()));
        write(&part, make().as_bytes())?;
        // Fails when another process was faster; then its text counts.
        let _ = std::fs::hard_link(&part, file);
        let _ = std::fs::remove_file(&part);
    }
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_is_written_belongs_to_its_owner_alone_and_replaces_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        super::write(&file, b"one").unwrap();
        super::write(&file, b"two").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_one_process_has_made_the_next_one_reads() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        assert_eq!(super::read_or_make(&file, || "first".to_owned()).unwrap(), "first");
        assert_eq!(super::read_or_make(&file, || "second".to_owned()).unwrap(), "first");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
