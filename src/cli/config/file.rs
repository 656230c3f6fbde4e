//! A secret that lies in a file of its own: `DRIFTWISE_<NAME>_FILE`, as container images have it, for credentials of systemd and mounted secrets.
//!
//! Invariants
//! - What is in the file never gets into a message, whatever is wrong with it.
//! - The file is read once, at the start. Nothing waits: what is no regular file is refused before it is opened.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The longest secret: room for a ring of signing keys and a chain of headers, and an end to a path that names the wrong file.
const BYTES_MAX: u64 = 64 * 1024;

/// What was read.
#[derive(Debug)]
pub(super) struct Found {
    /// Without the line ends at its end.
    pub(super) text: String,
    /// Everybody on the machine may read it.
    pub(super) is_open: bool,
}

/// Reads a secret from its file; what is wrong, as the end of a sentence that begins with the setting.
pub(super) fn read(path: &Path) -> Result<Found, String> {
    let named = path.display();
    let unreadable =
        |error: std::io::Error| format!("names {named}, which cannot be read: {error}");
    let metadata = path.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(format!("names {named}, which is no file"));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(format!(
            "names {named}, which has more than {BYTES_MAX} bytes and is no secret"
        ));
    }
    let text =
        String::from_utf8(bytes).map_err(|_| format!("names {named}, which is not UTF-8"))?;
    let text = text.trim_end_matches(['\r', '\n']).to_owned();
    if text.is_empty() {
        return Err(format!("names {named}, which is empty"));
    }
    // Of others: the owner's group is how an account that is not root is given a secret.
    Ok(Found { text, is_open: metadata.permissions().mode() & 0o004 != 0 })
}
