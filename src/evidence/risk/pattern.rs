//! Globs over addresses, types and attribute names.
//!
//! Only `*` (any run of characters, also none) and `?` (one character) are special: `[`, `]`, `{`
//! and `.` are ordinary parts of Terraform addresses, and a pattern pasted from a plan must match
//! itself. Case counts. Matching keeps no stack and never backtracks further than the last `*`.

/// A glob that is known to be well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
}

/// Longer than any address that a person types, and a bound on the time of a match.
const LENGTH_MAX: usize = 512;

impl Pattern {
    /// Refuses with a phrase that follows the name of the field: `… is empty`.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        if text.trim().is_empty() {
            return Err("is empty; use * to match everything");
        }
        if text.len() > LENGTH_MAX {
            return Err("is longer than 512 bytes");
        }
        if text.chars().any(char::is_control) {
            return Err("contains a control character");
        }
        Ok(Self { text: text.to_owned() })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn matches(&self, name: &str) -> bool {
        matches(&self.text, name)
    }
}

/// Whether the glob covers the whole name.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern.chars(), name.chars());
    // The pattern after the last `*`, and the part of the name that `*` has not swallowed yet.
    let mut retry = None;
    loop {
        let unread = name.clone();
        match (pattern.next(), name.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                name = unread;
                retry = Some((pattern.clone(), name.clone()));
            }
            (Some('?'), Some(_)) => {}
            (Some(expected), Some(found)) if expected == found => {}
            _ => {
                let Some((after_star, mut swallowed)) = retry.take() else { return false };
                if swallowed.next().is_none() {
                    return false;
                }
                pattern = after_star.clone();
                name = swallowed.clone();
                retry = Some((after_star, swallowed));
            }
        }
    }
}
