//! Every command of this program that a document names is one: its subcommands and its options exist.
//!
//! Links, paths and the commands of `./dev` and `just` are followed by `doc/check.py`.

use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory as _};

use crate::Arguments;

/// Folders that hold other people's documents, or what was built.
const ELSEWHERE: [&str; 4] = ["target", ".dev", "node_modules", ".git"];

fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_symlink() || ELSEWHERE.contains(&name) {
            continue;
        }
        if path.is_dir() {
            documents(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
}

/// What is set as code: the lines of blocks, and spans; spans may go over the end of a line.
fn code(text: &str) -> Vec<String> {
    let (mut found, mut prose, mut is_block) = (Vec::new(), String::new(), false);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_block = !is_block;
        } else if is_block || line.starts_with("    ") {
            found.push(line.to_owned());
        } else {
            prose += line;
            prose.push(if line.is_empty() { '\n' } else { ' ' });
        }
    }
    for paragraph in prose.lines() {
        found.extend(paragraph.split('`').skip(1).step_by(2).map(str::to_owned));
    }
    found
}

/// The words after each call of the program in a line: after its name, or after what `./dev` hands to it.
fn calls(line: &str) -> Vec<Vec<&str>> {
    let line = line.split(" #").next().unwrap_or_default();
    let mut calls = Vec::new();
    for part in line.split(['|', ';', '&', '(', ')']) {
        let words: Vec<_> = part.split_whitespace().collect();
        for (at, word) in words.iter().enumerate() {
            let before = at.checked_sub(1).map_or("", |before| words[before]);
            let is_dev = before == "./dev";
            // A name that an option of another program is given: a user, a namespace.
            if before.starts_with("--") {
                continue;
            }
            if *word == "driftpack" || word.ends_with("/driftpack") || (is_dev && *word == "run") {
                calls.push(words[at + 1..].to_vec());
            } else if is_dev && matches!(*word, "ingest" | "export") {
                calls.push(words[at..].to_vec());
            }
        }
    }
    calls
}

/// What is wrong with the words of a call.
fn fault(program: &Command, words: &[&str]) -> Option<String> {
    let (mut command, mut path) = (program, vec!["driftpack"]);
    let mut may_be_subcommand = true;
    for word in words {
        let word = word.trim_matches([',', '.', ':', '"', '\'', '…', '[', ']']);
        if let Some(option) = word.strip_prefix("--").filter(|option| !option.is_empty()) {
            let name = option.split('=').next().unwrap_or_default();
            let mut options = command.get_arguments().filter_map(clap::Arg::get_long);
            if !matches!(name, "help" | "version") && !options.any(|known| known == name) {
                return Some(format!("`{}` has no --{name}", path.join(" ")));
            }
            may_be_subcommand = false;
        } else if may_be_subcommand && command.has_subcommands() {
            match command.find_subcommand(word) {
                Some(found) => (command, may_be_subcommand) = (found, true),
                None if is_name(word) => {
                    return Some(format!("`{}` has no {word}", path.join(" ")));
                }
                None => return None,
            }
            path.push(word);
        } else {
            may_be_subcommand = false;
        }
    }
    None
}

/// Whether it could be a subcommand, and is no placeholder.
fn is_name(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

#[test]
fn every_command_that_a_document_names_is_one_of_the_program() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).canonicalize().unwrap();
    let mut paths = Vec::new();
    documents(&root, &mut paths);
    let mut program = Arguments::command();
    program.build();
    let (mut faults, mut followed) = (Vec::new(), 0);
    for path in &paths {
        let text = std::fs::read_to_string(path).unwrap();
        for line in code(&text) {
            for words in calls(&line) {
                followed += usize::from(!words.is_empty());
                let fault = fault(&program, &words);
                faults.extend(fault.map(|what| format!("{}: {what}: {line}", path.display())));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(followed > 60, "only {followed} commands were found in {} documents", paths.len());
}

#[test]
fn a_command_that_is_none_is_found() {
    let mut program = Arguments::command();
    program.build();
    let found = |line: &str| -> Vec<_> {
        calls(line).iter().filter_map(|words| fault(&program, words)).collect()
    };
    for right in [
        "driftpack verify pack.zip --key acme.pub | tee report",
        "driftpack runs retry RUN --from collect",
        "./dev run admin org create --slug acme --help",
        "./dev ingest --dry-run FILE…",
        "driftpack admin …",
        "driftpack # driftpack nothing",
        "install --group driftpack --mode 0750 folder",
    ] {
        assert_eq!(found(right), [""; 0], "{right}");
    }
    for wrong in [
        "driftpack nothing",
        "driftpack admin org nothing",
        "driftpack verify pack.zip --nothing",
        "true && ./dev run nothing",
        "./dev export --nothing",
    ] {
        assert_eq!(found(wrong).len(), 1, "{wrong}");
    }
}
