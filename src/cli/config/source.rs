//! Where settings come from: `DRIFTWISE_*` variables, then the TOML file, then the default. A secret may lie in a file of its own that
//! `<name>_file` names.
//!
//! Invariants
//! - A fault is noted, never returned early, so that one message can list them all.
//! - A secret comes from one place: given twice, it is refused, because which one counts would be a guess.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{file, setting};

/// Names the file; the one variable that is no setting itself.
const FILE: &str = "config";

const PREFIX: &str = "DRIFTWISE_";

/// One thing that is wrong with the configuration: the setting's name, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) name: String,
    pub(crate) what: String,
}

/// Everything that is wrong with the configuration, as one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Faults(pub(crate) Vec<Fault>);

impl std::error::Error for Faults {}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "the configuration has {count} fault{}", if count == 1 { ":" } else { "s:" })?;
        for Fault { name, what } in &self.0 {
            write!(f, "\n  {name}: {what}")?;
        }
        write!(
            f,
            "\nSet them in the environment, or in lower case without {PREFIX} in the TOML file that {PREFIX}CONFIG names."
        )
    }
}

/// The raw settings, and the faults met while they were read.
#[derive(Debug, Default)]
pub(crate) struct Source {
    environment: BTreeMap<String, String>,
    /// Variables whose value is no UTF-8.
    garbled: BTreeSet<String>,
    file: BTreeMap<String, String>,
    /// Secrets that were read from files of their own.
    secrets: BTreeMap<&'static str, String>,
    asked: BTreeSet<String>,
    faults: Vec<Fault>,
    warnings: Vec<String>,
}

impl Source {
    /// Takes the `DRIFTWISE_*` variables of `environment` and the file that `DRIFTWISE_CONFIG` names.
    pub(crate) fn new(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut source = Self::default();
        for (name, value) in environment {
            let Some(name) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else {
                continue;
            };
            let name = name.to_ascii_lowercase();
            match value.into_string() {
                Ok(value) if value.is_empty() => {}
                Ok(value) => drop(source.environment.insert(name, value)),
                Err(_) => drop(source.garbled.insert(name)),
            }
        }
        if let Some(path) = source.find(FILE) {
            source.read_file(&PathBuf::from(path));
        }
        source
    }

    fn read_file(&mut self, path: &Path) {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                return self.fault("config", format!("{} cannot be read: {error}", path.display()));
            }
        };
        // The parser's own message quotes the line, which may hold a secret; its position is enough.
        let Ok(table) = text.parse::<toml::Table>() else {
            return self.fault("config", format!("{} is not valid TOML", path.display()));
        };
        for (name, value) in table {
            match value {
                toml::Value::String(text) => drop(self.file.insert(name, text)),
                toml::Value::Integer(_) | toml::Value::Boolean(_) => {
                    drop(self.file.insert(name, value.to_string()));
                }
                _ => self.fault(
                    "config",
                    format!("`{name}` must be a string, a whole number or a boolean"),
                ),
            }
        }
    }

    /// The setting as text, if somebody gave it.
    pub(crate) fn find(&mut self, name: &'static str) -> Option<String> {
        debug_assert!(name == FILE || setting::is_known(name), "`{name}` is not in the table");
        if self.asked.insert(name.to_owned()) {
            if self.garbled.contains(name) {
                self.fault(name, "is not UTF-8");
            }
            if let Some(named) = setting::own_file(name) {
                self.find_own_file(name, &named);
            }
        }
        self.given(name).or_else(|| self.secrets.get(name)).cloned()
    }

    /// What a variable or the file says.
    fn given(&self, name: &str) -> Option<&String> {
        self.environment.get(name).or_else(|| self.file.get(name))
    }

    /// Reads the secret `name` from the file that the setting `named` names, if somebody gave one.
    fn find_own_file(&mut self, name: &'static str, named: &str) {
        self.asked.insert(named.to_owned());
        if self.garbled.contains(named) {
            return self.fault(named, "is not UTF-8");
        }
        let Some(path) = self.given(named).cloned() else { return };
        if self.given(name).is_some() || self.garbled.contains(name) {
            let other = name.to_ascii_uppercase();
            return self.fault(named, format!("and {PREFIX}{other} exclude each other: set one"));
        }
        match file::read(Path::new(&path)) {
            Ok(found) => {
                if found.is_open {
                    let named = named.to_ascii_uppercase();
                    self.warnings.push(format!("{PREFIX}{named} names {path}, which everybody on this machine can read; give it mode 0600, or 0440 with the group of the service"));
                }
                self.secrets.insert(name, found.text);
            }
            Err(what) => self.fault(named, what),
        }
    }

    /// What is not as it should be and does not stop the start.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    /// The setting as text; a fault that says what it is for when nobody gave it.
    pub(crate) fn require(&mut self, name: &'static str, purpose: &str) -> String {
        self.find(name).unwrap_or_else(|| {
            // What was given and could not be read is a fault already.
            let own_file = setting::own_file(name).and_then(|named| self.given(&named));
            if !self.garbled.contains(name) && own_file.is_none() {
                self.fault(name, format!("is missing: {purpose}"));
            }
            String::new()
        })
    }

    /// The setting as `T`, or `default`. `shape` says what a good value looks like.
    pub(crate) fn parse<T: FromStr>(&mut self, name: &'static str, default: T, shape: &str) -> T {
        self.find_parsed(name, shape).unwrap_or(default)
    }

    /// The setting as `T`, if somebody gave it. The bad value itself is not repeated: it may be a secret in the wrong place.
    pub(crate) fn find_parsed<T: FromStr>(&mut self, name: &'static str, shape: &str) -> Option<T> {
        let text = self.find(name)?;
        let value = text.parse().ok();
        if value.is_none() {
            self.fault(name, format!("must be {shape}"));
        }
        value
    }

    /// Notes a fault of the setting `name` (lower case, without prefix), or of the file that it was read from.
    pub(crate) fn fault(&mut self, name: &str, what: impl Into<String>) {
        let of_file = if self.secrets.contains_key(name) { "_FILE" } else { "" };
        self.faults.push(Fault {
            name: format!("{PREFIX}{}{of_file}", name.to_ascii_uppercase()),
            what: what.into(),
        });
    }

    /// The variables that no setting answers to: probably misspelt.
    pub(crate) fn unknown(&self) -> Vec<String> {
        let is_unknown = |name: &&String| !self.asked.contains(name.as_str());
        self.environment
            .keys()
            .chain(&self.garbled)
            .filter(is_unknown)
            .map(|name| format!("{PREFIX}{}", name.to_ascii_uppercase()))
            .collect()
    }

    /// Ends the reading of one setting of many; names that it did not ask for are no fault.
    pub(crate) fn finish_one(self) -> Result<(), Faults> {
        if self.faults.is_empty() { Ok(()) } else { Err(Faults(self.faults)) }
    }

    /// Ends the reading: the faults, if there are any. A name in the file that no setting answers to is one.
    pub(crate) fn finish(mut self) -> Result<(), Faults> {
        let strange: Vec<_> =
            self.file.keys().filter(|name| !self.asked.contains(name.as_str())).cloned().collect();
        for name in strange {
            self.fault("config", format!("`{name}` in the file is no setting of this program"));
        }
        self.finish_one()
    }
}
