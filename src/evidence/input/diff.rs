//! Which attributes of a resource differ, and which differences mean nothing.
//!
//! Providers write "not set" as null, "", false, [] or {} as it suits them, also deep inside a
//! block; a difference between two of these is noise. Everything else is real. Paths are object
//! keys joined by dots, `[]` for "some element"; what lies inside a sensitive value is not named.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{ATTRIBUTES_MAX, textual};

/// The noise rule of this module.
pub(super) const NULL_EMPTY_EQUIVALENCE: &str = "null_empty_equivalence";

/// Long enough for the deepest block of a real provider.
const PATH_CHARS_MAX: usize = 256;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) changed: Vec<String>,
    pub(super) noise: Vec<String>,
}

#[derive(Default)]
struct Paths {
    changed: BTreeSet<String>,
    noise: BTreeSet<String>,
}

/// Compares two states of one resource; no names unless both are objects. The shapes say which
/// values are sensitive.
pub(super) fn compare(before: &Value, after: &Value, sensitive: [&Value; 2]) -> Difference {
    let mut paths = Paths::default();
    // The resource itself is never "not set", even when all its attributes are.
    if let (Value::Object(before), Value::Object(after)) = (before, after) {
        walk_object("", before, after, sensitive, &mut paths);
    }
    // A list can hold noise in one element and a change in another at the same path.
    let Paths { changed, mut noise } = paths;
    noise.retain(|path| !changed.contains(path));
    Difference { changed: bounded(changed), noise: bounded(noise) }
}

/// At most [`ATTRIBUTES_MAX`] names, then how many more.
pub(super) fn bounded(names: BTreeSet<String>) -> Vec<String> {
    let more = names.len().saturating_sub(ATTRIBUTES_MAX);
    let mut kept: Vec<String> = names.into_iter().take(ATTRIBUTES_MAX).collect();
    if more > 0 {
        kept.push(format!("…and {more} more"));
    }
    kept
}

fn walk(path: &str, before: &Value, after: &Value, sensitive: [&Value; 2], paths: &mut Paths) {
    if before == after {
        return;
    }
    match (is_unset(before), is_unset(after)) {
        (true, true) => return record(path, before, after, sensitive, &mut paths.noise),
        (false, false) if !sensitive.contains(&&Value::Bool(true)) => match (before, after) {
            (Value::Object(before), Value::Object(after)) => {
                return walk_object(path, before, after, sensitive, paths);
            }
            (Value::Array(before), Value::Array(after)) => {
                return walk_array(path, before, after, sensitive, paths);
            }
            _ => {}
        },
        _ => {}
    }
    insert(path, &mut paths.changed);
}

/// Noise is named by the attribute that differs, which may lie inside two unset blocks.
fn record(
    path: &str,
    before: &Value,
    after: &Value,
    sensitive: [&Value; 2],
    noise: &mut BTreeSet<String>,
) {
    let mut inner = Paths::default();
    match (before, after) {
        (Value::Object(before), Value::Object(after))
            if !sensitive.contains(&&Value::Bool(true)) =>
        {
            walk_object(path, before, after, sensitive, &mut inner);
        }
        _ => insert(path, &mut inner.noise),
    }
    noise.append(&mut inner.noise);
}

fn walk_object(
    path: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    sensitive: [&Value; 2],
    paths: &mut Paths,
) {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let [before, after] = [before, after].map(|side| side.get(key).unwrap_or(&Value::Null));
        if before == after {
            continue;
        }
        let inner = sensitive.map(|shape| match shape {
            Value::Bool(true) => shape,
            _ => shape.get(key).unwrap_or(&Value::Null),
        });
        // Bounded at every level, or hostile keys would be copied once per level.
        let key = textual::bounded(key, PATH_CHARS_MAX);
        let dot = if path.is_empty() { "" } else { "." };
        let path = textual::bounded(&format!("{path}{dot}{key}"), PATH_CHARS_MAX);
        walk(&path, before, after, inner, paths);
    }
}

/// Elements are compared by position; one that is missing counts as null.
fn walk_array(
    path: &str,
    before: &[Value],
    after: &[Value],
    sensitive: [&Value; 2],
    paths: &mut Paths,
) {
    for n in 0..before.len().max(after.len()) {
        let [before, after] = [before, after].map(|side| side.get(n).unwrap_or(&Value::Null));
        let inner = sensitive.map(|shape| shape.get(n).unwrap_or(&Value::Null));
        walk(&textual::bounded(&format!("{path}[]"), PATH_CHARS_MAX), before, after, inner, paths);
    }
}

fn insert(path: &str, paths: &mut BTreeSet<String>) {
    let path = path.strip_suffix("[]").unwrap_or(path);
    paths.insert(textual::bounded(path, PATH_CHARS_MAX));
}

/// null, "", false, and lists and objects of nothing else.
fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.iter().all(is_unset),
        Value::Object(members) => members.values().all(is_unset),
    }
}
