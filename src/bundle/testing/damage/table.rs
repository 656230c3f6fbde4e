//! The corpus as the document `DAMAGE.md`.

use std::fmt::Write as _;

use super::{Case, corpus};

/// The document.
pub fn markdown() -> String {
    let cases = corpus();
    let mut text = HEAD.replace("{count}", &cases.len().to_string());
    let mut group = "";
    for case in &cases {
        if case.group != group {
            group = case.group;
            let _ = write!(text, "\n## {group}\n\n{COLUMNS}");
        }
        row(&mut text, case);
    }
    text
}

fn row(text: &mut String, case: &Case) {
    let Case { id, what, by, result, note, keys, against, .. } = case;
    let number = id.split('-').next().unwrap_or_default();
    let mut given = Vec::new();
    given.extend(keys.is_empty().then_some("no key"));
    let is_over = keys.iter().any(|key| key.not_after.is_some());
    given.extend(is_over.then_some("a list of keys"));
    given.extend((!against.is_empty()).then_some("an earlier pack"));
    let by: Vec<_> = by.iter().map(|check| format!("`{check}`")).collect();
    let _ = writeln!(
        text,
        "| {number} | {what} | {} | `{}` | {} | {} | {note} |",
        given.join(", "),
        result.as_str(),
        result.exit_code(),
        by.join(", "),
    );
}

const COLUMNS: &str = "| | what was done to a good pack | given | result | exit | who objects | |\n|---|---|---|---|---|---|---|\n";

const HEAD: &str = "\
# What is found when a pack is damaged

{count} packs, each changed in one way, and the answer that they must get. Written from the corpus in `testing/damage` by
`RENEW_DAMAGE=1 cargo nextest run --workspace -E 'test(damage_table)'`, never by hand. Three verifiers that share no code are held to it:
`driftpack verify`, `verify_pack.py` (Python, standard library only) and the page `/verify` of the web UI.

`+ key`: whoever changed it holds the signing key, too, and has written `provenance.json`, the signature and `MANIFEST.txt` anew, as the
audited company could where it runs the product itself. \u{201c}Given\u{201d}: the verifier has the organisation's public key from elsewhere, unless
it says `no key`; `a list of keys` says, too, until when the key was valid; `an earlier pack` was given with `--against`. Where the result is `ok` although something was changed, nothing in a single pack
can show it, and the last column says what would.

Every byte of a pack counts: names, order, sizes, times and permissions in the ZIP have one form, and so have the manifest, the CSV files and the attestation.
The one exception are the up to seven bits that fill the last byte of packed data: they are no part of any file.
";
