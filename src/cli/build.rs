//! Tells the program which commit it was built from: `DRIFTPACK_BUILD`, such as `3f2a1b0c9d8e` or `3f2a1b0c9d8e-dirty`;
//! `unversioned` where there is no git or the sources are not a checkout.

use std::path::Path;
use std::process::Command;

/// What the program is made of, seen from here.
const SOURCES: [&str; 5] =
    ["..", "../../workflows", "../../migrations", "../../Cargo.toml", "../../Cargo.lock"];

fn main() {
    println!("cargo:rustc-env=DRIFTPACK_BUILD={}", build().as_deref().unwrap_or("unversioned"));
    // A commit or a checkout writes these; a path that is not there would make cargo ask every time.
    let written =
        ["HEAD", "logs/HEAD", "packed-refs"].map(|name| git(&["rev-parse", "--git-path", name]));
    for path in written.iter().flatten().map(String::as_str).chain(SOURCES) {
        if Path::new(path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
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
    let answer = Command::new("git").arg("--no-optional-locks").args(arguments).output().ok()?;
    let said = answer.status.success().then_some(answer.stdout)?;
    Some(String::from_utf8(said).ok()?.trim().to_owned())
}
