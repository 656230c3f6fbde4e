//! The folder of one browser, removed with it.
//!
//! A killed process of ours leaves its folder behind, and so may a browser that still wrote while it was dying. The next start
//! removes both: a folder names the process that made it, and of our own we know which are in use.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

const PREFIX: &str = "driftpack-chromium-";

/// The folders of browsers that this process runs, by path.
static IN_USE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A folder that nothing else uses.
pub(super) struct Profile(TempDir);

impl Profile {
    /// Makes one, after removing what is left of earlier ones.
    pub(super) fn create() -> std::io::Result<Self> {
        let mut in_use = in_use();
        remove_orphans(&std::env::temp_dir(), &in_use);
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir()?;
        in_use.insert(folder.path().to_path_buf());
        Ok(Self(folder))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        in_use().remove(self.path());
    }
}

fn in_use() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    IN_USE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Best effort: they are a few megabytes each.
fn remove_orphans(temporary: &Path, in_use: &BTreeSet<PathBuf>) {
    let Ok(folders) = std::fs::read_dir(temporary) else { return };
    for folder in folders.flatten() {
        let (name, path) = (folder.file_name(), folder.path());
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        let Some(pid) = pid.and_then(|pid| pid.parse::<u32>().ok()) else { continue };
        let is_left = if pid == std::process::id() {
            !in_use.contains(&path)
        } else {
            Path::new("/proc/self").exists() && !Path::new(&format!("/proc/{pid}")).exists()
        };
        if is_left && let Err(error) = std::fs::remove_dir_all(&path) {
            tracing::debug!(%error, "the profile of an earlier Chromium stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_no_living_browser_uses_are_removed() {
        let temporary = tempfile::tempdir().unwrap();
        let mine = std::process::id();
        let [used, left, gone, foreign] = [
            format!("{PREFIX}{mine}-a"),
            format!("{PREFIX}{mine}-b"),
            format!("{PREFIX}{}-c", u32::MAX),
            "other".into(),
        ]
        .map(|name| temporary.path().join(name));
        for folder in [&used, &left, &gone, &foreign] {
            std::fs::create_dir(folder).unwrap();
        }
        remove_orphans(temporary.path(), &BTreeSet::from([used.clone()]));
        assert!(used.exists() && foreign.exists());
        assert!(!left.exists() && !gone.exists());
    }
}
