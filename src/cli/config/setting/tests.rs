//! The table beside the program, the example file and the README.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;

use super::super::{Config, Source};
use super::*;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn load(settings: impl IntoIterator<Item = (&'static str, &'static str)>) -> String {
    let variable = |(name, value): (&str, &str)| -> (OsString, OsString) {
        (format!("DRIFTWISE_{}", name.to_uppercase()).into(), value.into())
    };
    let config = Config::load(Source::new(settings.into_iter().map(variable)));
    format!("{:#?}", config.expect("it is good"))
}

/// What is needed, and a pepper that is long enough.
fn needed() -> Vec<(&'static str, &'static str)> {
    let needed = all().filter_map(|setting| match setting.value {
        Needed(value) => Some((setting.name, value)),
        _ => None,
    });
    needed.chain([("api_key_pepper", "0123456789abcdef0123456789abcdef")]).collect()
}

#[test]
fn every_default_that_is_written_down_is_the_one_in_force() {
    let defaults = all().filter_map(|setting| match setting.value {
        Default(value) => Some((setting.name, value)),
        _ => None,
    });
    let said: Vec<_> = needed().into_iter().chain(defaults).collect();
    assert!(said.len() > 20, "{said:?}");
    assert_eq!(load(said), load(needed()));
}

#[test]
fn every_setting_of_the_table_is_one_that_the_program_asks_for() {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    for setting in all() {
        let (Default(value) | Needed(value) | Free { example: value, .. }) = setting.value;
        writeln!(file, "{} = {}", setting.name, toml(value)).expect("it can be written");
    }
    let path = file.path().as_os_str().to_owned();
    let faults = Config::load(Source::new([("DRIFTWISE_CONFIG".into(), path)]))
        .expect_err("settings exclude each other")
        .to_string();
    assert!(!faults.contains("is no setting of this program"), "{faults}");
    assert!(!faults.contains("DRIFTWISE_CONFIG:"), "{faults}");
}

#[test]
fn the_example_in_the_tree_is_what_the_program_prints() {
    let path = Path::new(ROOT).join("deploy/driftpack.example.toml");
    if std::env::vars_os().any(|(name, _)| name == "RENEW_EXAMPLE") {
        std::fs::write(&path, example()).expect("the tree is writable");
    }
    let file = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(file, example(), "RENEW_EXAMPLE=1 with this test writes {}", path.display());
}

#[test]
fn the_example_is_refused_for_its_pepper_and_for_nothing_else() {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(example().as_bytes()).expect("it can be written");
    let path = file.path().as_os_str().to_owned();
    let faults = Config::load(Source::new([("DRIFTWISE_CONFIG".into(), path)]))
        .expect_err("nobody may run with the secrets of an example");
    let names: Vec<_> = faults.0.iter().map(|fault| fault.name.as_str()).collect();
    assert_eq!(names, ["DRIFTWISE_API_KEY_PEPPER"], "{faults}");
}

#[test]
fn the_readme_names_the_same_settings() {
    let (_, table) = include_str!("../../README.md").split_once("## Settings").expect("a section");
    let (table, _) = table.split_once("\n## ").expect("another one follows");
    let first_cells = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('|').next());
    let named: BTreeSet<String> = first_cells
        .flat_map(|cell| cell.split(','))
        .map(|name| name.trim_matches([' ', '`']).to_lowercase())
        .collect();
    let known: BTreeSet<String> = all().map(|setting| setting.name.to_owned()).collect();
    assert_eq!(named, known);
}

#[test]
fn what_would_do_as_a_secret_is_in_no_example() {
    for setting in all().filter(|setting| setting.is_secret) {
        let (Default(value) | Needed(value) | Free { example: value, .. }) = setting.value;
        assert!(value.contains("CHANGE-ME"), "{}", setting.name);
    }
}
