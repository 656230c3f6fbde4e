//! `.dev/up.json`: what `./dev up` tells other commands and other programs.
//!
//! It holds tokens of a development set-up; the file is readable by its owner only.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize, Serializer};
use url::Url;
use uuid::Uuid;

/// The whole file.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Up {
    /// Written without a slash at its end, so that a path can be put behind it.
    #[serde(serialize_with = "without_slash")]
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

fn without_slash<S: Serializer>(url: &Url, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(url.as_str().trim_end_matches('/'))
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_file_has_the_documented_shape_and_an_address_that_a_path_can_be_put_behind() {
        let documented = json!({
            "base_url": "http://127.0.0.1:8420",
            "org_id": "019ab000-0000-7000-8000-000000000001",
            "tokens": {"owner": "o", "admin": "a", "member": "m", "viewer": "v", "platform_admin": "p"},
            "api_keys": {"read": "r", "write": "w"},
        });
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("up.json");
        let up: Up = serde_json::from_value(documented.clone()).unwrap();
        up.write(&file).unwrap();
        let written: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(written, documented);
        assert_eq!(Up::read(&file).unwrap().base_url, up.base_url);
    }
}
