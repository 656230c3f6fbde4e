//! `.dev/up.json`: what `./dev up` tells other commands and other programs.
//!
//! It holds tokens of a development set-up; the file is readable by its owner only.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

/// The whole file.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Up {
    pub(crate) base_url: Url,
    pub(crate) org_id: Uuid,
    pub(crate) tokens: Tokens,
    pub(crate) api_keys: ApiKeys,
}

/// A token of a person of each kind.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Tokens {
    pub(crate) owner: String,
    pub(crate) admin: String,
    pub(crate) member: String,
    pub(crate) viewer: String,
    pub(crate) platform_admin: String,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ApiKeys {
    pub(crate) read: String,
    pub(crate) write: String,
}

impl Up {
    /// The file of this folder or of one above it.
    pub(crate) fn find() -> Result<Self> {
        let here = std::env::current_dir().context("the current folder is gone")?;
        let file: PathBuf = here
            .ancestors()
            .map(|folder| folder.join(".dev/up.json"))
            .find(|file| file.is_file())
            .context("there is no .dev/up.json")?;
        Self::read(&file)
    }

    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text =
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_slice(&text).with_context(|| {
            format!("{} is not what ./dev up writes; run ./dev down and ./dev up", file.display())
        })
    }

    /// Writes the file, for its owner's eyes.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        crate::private::write(
            file,
            serde_json::to_string_pretty(self).context("plain strings")?.as_bytes(),
        )
    }
}
