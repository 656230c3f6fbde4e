//! Tells the program how it was built. `DRIFTPACK_BUILD` is the commit, such as `3f2a1b0c9d8e` or `3f2a1b0c9d8e-dirty`; `unversioned`
//! where there is no git or the sources are not a checkout, unless the variable says it: an image is built without the history.
//! `DRIFTPACK_TARGET`, `DRIFTPACK_PROFILE` and `DRIFTPACK_RUSTC` are the rest of it.

use std::path::Path;
use std::process::Command;

/// What the program is made of, seen from here.
const SOURCES: [&str; 5] =
    ["..", "../../workflows", "../../migrations", "../../Cargo.toml", "../../Cargo.lock"];

/// Who builds without a checkout names the commit here.
const GIVEN: &str = "DRIFTPACK_BUILD";

fn main() {
    let build = given().or_else(build);
    println!("cargo:rustc-env=DRIFTPACK_BUILD={}", build.as_deref().unwrap_or("unversioned"));
    println!("cargo:rerun-if-env-changed={GIVEN}");
    for (name, value) in [
        ("TARGET", cargo("TARGET")),
        ("PROFILE", cargo("PROFILE")),
        ("RUSTC", said(&cargo("RUSTC"), &["--version"]).unwrap_or_default()),
    ] {
        println!("cargo:rustc-env=DRIFTPACK_{name}={value}");
    }
    // A commit or a checkout writes these; a path that is not there would make cargo ask every time.
    let written =
        ["HEAD", "logs/HEAD", "packed-refs"].map(|name| git(&["rev-parse", "--git-path", name]));
    for path in written.iter().flatten().map(String::as_str).chain(SOURCES) {
        if Path::new(path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
}

/// The commit that the environment names; what could not be one is refused, because it stands in every pack.
fn given() -> Option<String> {
    let text = variable(GIVEN).filter(|text| !text.is_empty())?;
    let is_plain =
        text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    assert!(
        is_plain,
        "{GIVEN} must be a commit: letters, digits, hyphen, dot and underscore, 64 at most"
    );
    Some(text)
}

/// What cargo tells every build script.
fn cargo(name: &str) -> String {
    variable(name).unwrap_or_default()
}

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name)?.into_string().ok()
}

fn build() -> Option<String> {
    // Unpacked inside somebody else's checkout, the commit there says nothing about us.
    if git(&["rev-parse", "--show-prefix"])? != "src/cli/" {
        return None;
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&[&["status", "--porcelain", "--"], &SOURCES[..]].concat())?;
    Some(if changed.is_empty() { commit } else { commit + "-dirty" })
}

/// What git answers, or nothing when it cannot. It must not write: an editor may be using the index.
fn git(arguments: &[&str]) -> Option<String> {
    said("git", &[&["--no-optional-locks"], arguments].concat())
}

/// What a program prints, if it succeeds.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let answer = Command::new(program).args(arguments).output().ok()?;
    let said = answer.status.success().then_some(answer.stdout)?;
    Some(String::from_utf8(said).ok()?.trim().to_owned())
}
