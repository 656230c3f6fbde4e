//! `AUDIT_LOG_VERIFY.md`: how to check a pack with stock tools.
//!
//! Every command block under «Linux» is run by a test against a freshly built pack. The blocks take
//! what they need from the pack's own files; the only value set into them is the file name, which
//! must be a plain one.

use evidence::time::{Period, stamp};

use crate::Error;
use crate::zip::is_safe_name;

const TEMPLATE: &str = include_str!("walkthrough.md");

/// What differs from pack to pack.
#[derive(Debug, Clone, Copy)]
pub struct Walkthrough<'a> {
    /// `evidence::pack::file_name`.
    pub file_name: &'a str,
    pub org_slug: &'a str,
    pub period: &'a Period,
    /// [`crate::keys::PublicKey::kid`].
    pub key_id: &'a str,
    /// Where the public keys are published, apart from any pack.
    pub keys_url: &'a str,
}

/// The text; refuses values that could be read as something else by a shell or a Markdown viewer.
pub fn render(walkthrough: &Walkthrough<'_>) -> Result<String, Error> {
    let plain = |text: &str| {
        // Brackets stand around the host of an address like `http://[::1]:8420`.
        let harmless = |c: char| c.is_ascii_alphanumeric() || "-._~:/?&=%+[]".contains(c);
        if text.chars().all(harmless) {
            Ok(())
        } else {
            Err(Error::EntryName { name: text.chars().take(100).collect() })
        }
    };
    if !is_safe_name(walkthrough.file_name) {
        return Err(Error::EntryName { name: walkthrough.file_name.chars().take(100).collect() });
    }
    plain(walkthrough.org_slug)?;
    plain(walkthrough.key_id)?;
    plain(walkthrough.keys_url)?;
    Ok(TEMPLATE
        .replace("{{file}}", walkthrough.file_name)
        .replace("{{org}}", walkthrough.org_slug)
        .replace("{{start}}", &stamp(walkthrough.period.start))
        .replace("{{end}}", &stamp(walkthrough.period.end))
        .replace("{{key_id}}", walkthrough.key_id)
        .replace("{{keys_url}}", walkthrough.keys_url))
}

#[cfg(test)]
mod tests;
