//! The index of a pack: what it lists, that it loads nothing, and that hostile names stay text.

use evidence::pack::{CHAIN_ATTESTATION, ENTRIES, INDEX_HTML, MANIFEST};

use super::{Dictionary, Excluded, File, Index, Question, Word, index};
use crate::tests::{report, words};

/// The index of a pack of `findings` findings, with `name` wherever a name can stand.
fn sample(findings: u64, name: &str) -> Index {
    let report = report(findings, name);
    let file = |entry: &&'static str| {
        let is_later = [INDEX_HTML, CHAIN_ATTESTATION, MANIFEST].contains(entry);
        File {
            name: entry,
            rows: entry.contains(".csv").then_some(findings),
            bytes: (!is_later).then_some(12_345),
            sha256: (!is_later).then(|| "ab".repeat(32)),
        }
    };
    Index {
        export: report.export,
        file_name: report.file_name,
        product: report.product,
        summary: report.summary,
        chain: report.chain,
        keys_url: "https://drift.acme.example/.well-known/driftpack-keys.json".into(),
        files: ENTRIES.iter().map(file).collect(),
        dictionaries: vec![Dictionary {
            entry: "findings.csv",
            words: vec![Word { column: "number", meaning: "Running number" }],
        }],
        questions: vec![Question { question: "Whose data?", members: vec!["/org"] }],
        excluded: vec![Excluded {
            what: name.into(),
            why: "why".into(),
            count: Some(3),
            listed_in: Some("exceptions.csv".into()),
        }],
        controls: evidence::control::all(),
    }
}

/// The values of an attribute.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let start = format!("{attribute}=\"");
    let parts = page.split(start.as_str()).skip(1);
    parts.map(|part| part.split('"').next().unwrap()).collect()
}

#[test]
fn it_lists_every_file_and_links_to_nothing_else() {
    let page = index(&sample(10, "prod")).unwrap();
    let links = values(&page, "href");
    for name in ENTRIES {
        assert!(links.contains(name), "{name}");
    }
    let is_here = |link: &&str| link.starts_with('#') || ENTRIES.contains(link);
    assert!(links.iter().all(is_here), "{links:?}");
    for target in links.iter().filter_map(|link| link.strip_prefix('#')) {
        assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
    }
    assert_eq!(
        page.matches(&"ab".repeat(32)).count(),
        ENTRIES.len() - 3 + 1,
        "and the chain's head"
    );
}

#[test]
fn it_runs_and_loads_nothing() {
    let page = index(&sample(10, "<script>alert(1)</script><img src=x onerror=alert(1)>")).unwrap();
    for tag in
        ["<script", "<img", "<link", "<iframe", "<object", "<form", "<base", "@import", "url("]
    {
        assert!(!page.contains(tag), "{tag}");
    }
    assert!(values(&page, "src").is_empty() && !page.contains("style=\""));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    let policy = values(&page, "content")[0];
    assert!(policy.starts_with("default-src &#39;none&#39;; style-src &#39;sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
}

/// The hash in the policy is that of the bytes between the tags, or a browser would show the page bare.
#[test]
fn its_policy_allows_the_style_that_it_has() {
    use base64::Engine as _;
    use sha2::Digest as _;
    let page = index(&sample(0, "prod")).unwrap();
    let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(style));
    let policy = values(&page, "content")[0].replace("&#39;", "'");
    assert!(policy.contains(&format!("'sha256-{hash}'")), "{policy}");
}

#[test]
fn figures_stand_beside_their_definitions() {
    let page = words(&index(&sample(10, "prod")).unwrap());
    assert!(
        page.contains("Scope coverage 88.9 % 8 of 9 States with at least one complete scan"),
        "{page}"
    );
    assert!(page.contains("Targets: critical 24 h, high 72 h, medium 168 h, low 720 h."), "{page}");
    let empty = words(&index(&sample(0, "prod")).unwrap());
    assert!(empty.contains("No complete scan in this period."), "{empty}");
    assert!(empty.contains("Scope coverage – 0 of 0"), "{empty}");
    assert!(!empty.contains("100.0 %"), "{empty}");
}

#[test]
fn the_same_pack_has_the_same_index() {
    assert_eq!(index(&sample(7, "a")).unwrap(), index(&sample(7, "a")).unwrap());
}
