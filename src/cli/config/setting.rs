//! Every setting of the program in one table, and the example file that is made of it.
//!
//! Invariants
//! - A setting that the program asks for is here; what is not here cannot be asked for (`Source::find`).
//! - A default that is written here is the one in force: a test reads all of them and compares what comes of it.
//! - The example holds no value that would do as a secret: as it stands it is refused.

mod table;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use table::GROUPS;

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Lower case, without prefix: as in the file.
    pub(crate) name: &'static str,
    /// What it is, in a sentence or two.
    pub(crate) what: &'static str,
    pub(crate) value: Value,
    /// It belongs where only the program can read it, and is never printed.
    pub(crate) is_secret: bool,
}

/// What is in force without it, or what a good value looks like.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value {
    /// This is in force when nothing is said.
    Default(&'static str),
    /// Nothing can be in force without it; the text is an example.
    Needed(&'static str),
    /// It may be left out.
    Free { without: &'static str, example: &'static str },
}

use Value::{Default, Free, Needed};

/// Every setting, in the order of the file.
pub(crate) fn all() -> impl Iterator<Item = &'static Setting> {
    GROUPS.iter().flat_map(|(_, settings)| settings.iter())
}

/// Whether the program has a setting of this name (lower case, without prefix).
pub(crate) fn is_known(name: &str) -> bool {
    all().any(|setting| setting.name == name)
}

/// The setting that names a file which holds the secret `name`; none where `name` is no secret, or has a file that is a setting
/// by itself.
pub(crate) fn own_file(name: &str) -> Option<String> {
    let file = format!("{name}_file");
    let is_secret = all().any(|setting| setting.name == name && setting.is_secret);
    (is_secret && !is_known(&file)).then_some(file)
}

/// The example file: every setting with what it is. What may be left out is commented out.
pub(crate) fn example() -> String {
    let mut text = HEAD.to_owned();
    for (group, settings) in GROUPS {
        let _ = write!(text, "\n# ── {group}\n");
        for setting in *settings {
            let _ = write!(text, "\n{}", entry(setting));
        }
    }
    text
}

const HEAD: &str = "\
# Every setting of driftpack, as `driftpack config example` prints it.
#
# DRIFTWISE_CONFIG names the file that is read. A variable DRIFTWISE_<NAME> wins over its line here. What is commented out shows
# the default or, where there is none, an example. `driftpack config show` checks the result and names every fault at once.
# As it stands this file is refused: the secrets are yours to make.
";

fn entry(setting: &Setting) -> String {
    let (note, comment, value) = match setting.value {
        Default(value) => (None, "#", value),
        Needed(example) => (Some("Needed.".to_owned()), "", example),
        Free { without, example } => (Some(format!("Without it: {without}.")), "#", example),
    };
    let mut text = format!("# {}\n", setting.what);
    let secret = setting.is_secret.then(|| match own_file(setting.name) {
        Some(file) => format!("Secret. Or {file}: a file that holds it."),
        None => "Secret.".to_owned(),
    });
    let notes: Vec<_> = secret.into_iter().chain(note).collect();
    if !notes.is_empty() {
        let _ = writeln!(text, "# {}", notes.join(" "));
    }
    let _ = writeln!(text, "{comment}{} = {}", setting.name, toml(value));
    text
}

/// The value as TOML writes it: numbers and truth values bare, everything else as a string.
fn toml(value: &str) -> String {
    let is_bare = matches!(value, "true" | "false") || value.parse::<u64>().is_ok();
    if is_bare { value.to_owned() } else { toml::Value::from(value).to_string() }
}
