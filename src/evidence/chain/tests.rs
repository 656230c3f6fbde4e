//! The published vectors, and what the verifier finds when anything is changed.

mod known;
mod plain;

use std::process::Command;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::time::Time;

const VECTORS: &str = include_str!("../testdata/chain_v1_vectors.json");

fn chain() -> ChainId {
    ChainId::Org(OrgId(Uuid::from_u128(0xaa)))
}

fn at(micros: i64) -> Time {
    Time::from_timestamp_micros(1_767_225_600_000_000 + micros).unwrap()
}

fn draft(action: Action, detail: Value) -> Draft {
    let Value::Object(detail) = detail else { panic!("a detail is an object") };
    Draft {
        id: Uuid::from_u128(7),
        actor: Actor::system("test"),
        action,
        detail,
        origin: "req-1".to_owned(),
        outcome: Outcome::Success,
    }
}

/// A chain whose n-th entry carries the n-th detail.
fn sealed(details: &[Map<String, Value>]) -> Vec<Sealed> {
    let mut entries: Vec<Sealed> = Vec::new();
    for (n, detail) in (1_i64..).zip(details) {
        let action = if n == 1 { Action::OrgCreated } else { Action::ScanIngested };
        let mut draft = draft(action, Value::Object(detail.clone()));
        draft.id = Uuid::from_u128(u128::try_from(n).unwrap());
        let previous = entries.last().map(|entry| entry.hash);
        entries.push(seal(draft, chain(), n, at(n), previous).unwrap());
    }
    entries
}

fn row(entry: &Sealed) -> Row<'_> {
    Row {
        canonical: &entry.canonical,
        hash: &entry.hash,
        prev_hash: entry.prev_hash.as_ref().map(|hash| &hash[..]),
        chain: entry.chain.as_uuid(),
        seq: entry.seq,
        id: entry.id,
        action: entry.action.as_str(),
        actor_type: entry.actor.kind.as_str(),
        actor_id: &entry.actor.id,
        created_at: entry.created_at,
        detail: &entry.detail,
        origin: &entry.origin,
        outcome: entry.outcome.as_str(),
    }
}

fn verify<'a>(rows: impl IntoIterator<Item = Row<'a>>, head: Option<(i64, Hash)>) -> Verdict {
    let mut verifier = Verifier::new(chain(), Start::Genesis);
    rows.into_iter().for_each(|row| verifier.feed(row));
    verifier.finish(head, None)
}

fn head(entries: &[Sealed]) -> Option<(i64, Hash)> {
    entries.last().map(|entry| (entry.seq, entry.hash))
}

fn few(count: usize) -> Vec<Sealed> {
    sealed(&vec![Map::from_iter([("n".to_owned(), json!(1))]); count])
}

fn bad(verdict: &Verdict) -> (Status, Option<(i64, BadKind)>) {
    (verdict.status, verdict.first_bad.map(|bad| (bad.seq, bad.kind)))
}

fn broken(seq: i64, kind: BadKind) -> (Status, Option<(i64, BadKind)>) {
    (Status::Broken, Some((seq, kind)))
}

#[test]
fn the_published_vectors_come_out() {
    let document: Value = serde_json::from_str(VECTORS).unwrap();
    let vectors = document["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 5);
    let mut previous = None;
    for vector in vectors {
        let entry = &vector["entry"];
        let text = |key: &str| entry[key].as_str().unwrap();
        let draft = Draft {
            id: text("id").parse().unwrap(),
            actor: Actor {
                kind: entry["actor"]["type"].as_str().unwrap().parse().unwrap(),
                id: entry["actor"]["id"].as_str().unwrap().to_owned(),
            },
            action: text("action").parse().unwrap(),
            detail: entry["detail"].as_object().unwrap().clone(),
            origin: text("origin").to_owned(),
            outcome: text("outcome").parse().unwrap(),
        };
        let chain = text("chain").parse().unwrap();
        let seq = entry["seq"].as_i64().unwrap();
        let sealed =
            seal(draft, chain, seq, text("created_at").parse().unwrap(), previous).unwrap();
        assert_eq!(sealed.canonical, vector["canonical"].as_str().unwrap());
        assert_eq!(hex::encode(sealed.hash), vector["hash"].as_str().unwrap());
        assert_eq!(Text::parse(&sealed.canonical).unwrap().prev_hash, previous);
        previous = Some(sealed.hash);
    }
}

#[test]
fn python_s_standard_library_agrees_with_the_vectors() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata");
    let output = Command::new("python3")
        .args(["chain_v1_check.py", "chain_v1_vectors.json"])
        .current_dir(folder)
        .output()
        .expect("python3 is required by this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, b"5 vectors agree\n");
}

#[test]
fn an_untouched_chain_is_ok_and_every_position_can_be_asked_for() {
    let entries = few(5);
    let mut verifier = Verifier::new(chain(), Start::Genesis).watch(3).watch(9);
    for entry in &entries {
        verifier.feed(row(entry));
    }
    let verdict = verifier.finish(head(&entries), Some(5));
    assert_eq!(verdict.status, Status::Ok, "{}", verdict.message);
    assert_eq!(
        (verdict.checked, verdict.verified_from_seq, verdict.head_seq),
        (5, Some(1), Some(5))
    );
    assert_eq!(verdict.at(3), Some(entries[2].hash));
    assert_eq!(verdict.at(9), None);
}

#[test]
fn no_rows_are_empty_and_never_ok() {
    assert_eq!(verify([], None).status, Status::Empty);
    assert_eq!(verify([], Some((0, [0; 32]))).status, Status::Empty);
    assert_eq!(verify([], Some((3, [1; 32]))).status, Status::Truncated);
    let expected = Verifier::new(chain(), Start::Genesis).finish(None, Some(1));
    assert_eq!(expected.status, Status::Truncated);
}

#[test]
fn a_lost_end_is_truncated() {
    let entries = few(5);
    let verdict = verify(entries[..3].iter().map(row), head(&entries));
    assert_eq!(bad(&verdict), (Status::Truncated, Some((4, BadKind::Head))));

    let mut verifier = Verifier::new(chain(), Start::Genesis);
    entries[..3].iter().for_each(|entry| verifier.feed(row(entry)));
    let verdict = verifier.finish(head(&entries[..3]), Some(4));
    assert_eq!(bad(&verdict), (Status::Truncated, None));
}

#[test]
fn a_head_row_that_disagrees_is_broken() {
    let entries = few(3);
    let rows = || entries.iter().map(row);
    assert_eq!(bad(&verify(rows(), Some((3, [9; 32])))), broken(3, BadKind::Head));
    assert_eq!(bad(&verify(rows(), Some((2, entries[1].hash)))), broken(3, BadKind::Head));
    assert_eq!(bad(&verify(rows(), Some((0, [0; 32])))), broken(3, BadKind::Head));
}

#[test]
fn verification_can_start_after_a_known_entry() {
    let entries = few(6);
    let run = |hash| {
        let mut verifier = Verifier::new(chain(), Start::From { seq: 3, hash });
        entries[3..].iter().for_each(|entry| verifier.feed(row(entry)));
        verifier.finish(head(&entries), None)
    };
    let verdict = run(entries[2].hash);
    assert_eq!((verdict.status, verdict.verified_from_seq), (Status::Ok, Some(4)));
    assert_eq!(bad(&run([0; 32])), broken(4, BadKind::Link));
}

#[test]
fn an_excerpt_is_checked_by_its_texts_alone() {
    let entries = few(6);
    let run = |texts: &[&str]| {
        let mut verifier = Verifier::new(chain(), Start::Excerpt { seq: 3 });
        for text in texts {
            verifier.feed_text(text);
        }
        verifier.finish(None, None)
    };
    let texts: Vec<&str> = entries[2..].iter().map(|entry| entry.canonical.as_str()).collect();
    assert_eq!(run(&texts).status, Status::Ok);
    assert_eq!(bad(&run(&[texts[0], texts[2]])), broken(4, BadKind::Gap));
    let edited = texts[1].replace("req-1", "req-2");
    assert_eq!(bad(&run(&[texts[0], &edited, texts[2]])), broken(5, BadKind::Link));
    let spaced = texts[0].replace(':', ": ");
    assert_eq!(bad(&run(&[&spaced])), broken(3, BadKind::Content));
}

#[test]
fn a_rewritten_entry_is_found_at_the_next_link() {
    let (mut entries, honest) = (few(4), few(4));
    let previous = entries[0].hash;
    entries[1] =
        seal(draft(Action::ScanIngested, json!({"n": 2})), chain(), 2, at(2), Some(previous))
            .unwrap();
    let verdict = verify(entries.iter().map(row), head(&honest));
    assert_eq!(bad(&verdict), broken(3, BadKind::Link));
}

#[test]
fn time_never_goes_backwards_and_a_chain_is_created_once() {
    let first = seal(draft(Action::OrgCreated, json!({})), chain(), 1, at(9), None).unwrap();
    let older =
        seal(draft(Action::ScanIngested, json!({})), chain(), 2, at(8), Some(first.hash)).unwrap();
    let verdict = verify([&first, &older].map(row), None);
    assert_eq!(bad(&verdict), broken(2, BadKind::Content));

    let again = seal(draft(Action::OrgCreated, json!({})), chain(), 2, at(9), Some(first.hash));
    assert!(matches!(again, Err(Error::Genesis { .. })));
    let platform = seal(draft(Action::OrgCreated, json!({})), ChainId::Platform, 1, at(1), None);
    assert!(matches!(platform, Err(Error::Genesis { .. })));
}

#[test]
fn an_entry_of_another_chain_does_not_pass() {
    let other = ChainId::Org(OrgId(Uuid::from_u128(0xbb)));
    let entry = seal(draft(Action::OrgCreated, json!({})), other, 1, at(1), None).unwrap();
    assert_eq!(bad(&verify([row(&entry)], None)), broken(1, BadKind::Content));
}

#[test]
fn details_that_other_readers_would_read_differently_are_refused() {
    let refused = |detail| seal(draft(Action::OrgCreated, detail), chain(), 1, at(1), None);
    for number in [json!(1.5), json!(9_007_199_254_740_993_i64), json!(u64::MAX), json!(-1e300)] {
        let path = "detail.a[0]".to_owned();
        assert_eq!(refused(json!({"a": [number]})), Err(Error::Number { path }));
    }
    assert!(matches!(refused(json!({"a": "\0"})), Err(Error::Nul { .. })));
    assert!(matches!(refused(json!({"\0": 1})), Err(Error::Nul { .. })));
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    assert!(matches!(refused(json!({"a": deep})), Err(Error::TooDeep { .. })));
    assert!(matches!(refused(json!({"a": "x".repeat(70_000)})), Err(Error::TooLarge { .. })));
}

#[test]
fn a_value_that_looks_like_the_place_of_an_entry_is_a_value() {
    let looks = r#"x","created_at":"","prev_hash":null,"seq":0}"#;
    let mut draft = draft(
        Action::ScanIngested,
        json!({ "a": looks, ",\"created_at\":\"": {"created_at": ""} }),
    );
    draft.actor.id = looks.to_owned();
    draft.origin = looks.to_owned();
    let frame = Frame::of(&draft, chain()).unwrap();
    let sealed = seal(draft.clone(), chain(), 7, at(3), Some([9; 32])).unwrap();
    let time = crate::time::stamp(at(3));
    let expected = format!(
        r#"{}{time}{}"{}","seq":7}}"#,
        frame.before_time,
        frame.before_link,
        "09".repeat(32)
    );
    assert_eq!(sealed.canonical, expected);
    let text = Text::parse(&sealed.canonical).unwrap();
    assert_eq!((&*text.actor_id, &*text.origin, text.members()), (looks, looks, draft.detail));
    assert_eq!((text.seq, text.created_at, text.prev_hash), (7, at(3), Some([9; 32])));
}

#[test]
fn texts_that_say_something_twice_are_not_canonical() {
    let text = &few(1)[0].canonical;
    assert!(Text::parse(text).is_some());
    for (from, to) in [
        (r#""detail":{"n":1}"#, r#""detail":{"n":1,"n":1}"#),
        (r#""seq":1"#, r#""seq":1,"seq":1"#),
        (r#""seq":1"#, r#""seq":1,"extra":1"#),
        (r#""prev_hash":null,"#, ""),
        (r#""n":1"#, r#""n":1.0"#),
        (".000001Z", ".000001+00:00"),
    ] {
        let forged = text.replace(from, to);
        assert_ne!(&forged, text);
        assert_eq!(Text::parse(&forged), None, "{forged}");
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-(1_i64 << 53)..=1 << 53).prop_map(Value::from),
        "[^\0]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[^\0]{0,6}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn detail() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map("[^\0]{0,6}", value(), 0..4)
        .prop_map(|members| members.into_iter().collect())
}

/// One thing done to stored rows.
#[derive(Debug, Clone)]
enum Tamper {
    FlipText(prop::sample::Index),
    FlipHash(usize),
    Remove,
    Duplicate,
    SwapWithNext,
    Column(usize),
}

fn tamper() -> impl Strategy<Value = Tamper> {
    prop_oneof![
        any::<prop::sample::Index>().prop_map(Tamper::FlipText),
        (0..32_usize).prop_map(Tamper::FlipHash),
        Just(Tamper::Remove),
        Just(Tamper::Duplicate),
        Just(Tamper::SwapWithNext),
        (0..9_usize).prop_map(Tamper::Column),
    ]
}

/// What the verifier must say after `what` was done to entry `n` of `count` (both from 1).
fn expected(what: &Tamper, n: i64, count: i64) -> (Status, Option<(i64, BadKind)>) {
    match what {
        Tamper::FlipText(_) | Tamper::FlipHash(_) => broken(n, BadKind::Content),
        Tamper::Remove if n == count => (Status::Truncated, Some((n, BadKind::Head))),
        Tamper::Remove | Tamper::Duplicate | Tamper::SwapWithNext => broken(n, BadKind::Gap),
        Tamper::Column(_) => broken(n, BadKind::Columns),
    }
}

fn edit_column(row: &mut Row<'_>, column: usize) {
    const OTHER: &[u8] = &[1; 32];
    match column {
        0 => row.id = Uuid::from_u128(99),
        1 => row.action = "scan.deleted",
        2 => row.actor_type = "user",
        3 => row.actor_id = "mallory",
        4 => row.created_at += chrono::Duration::microseconds(1),
        5 => row.detail = r#"{"forged":true}"#,
        6 => row.origin = "elsewhere",
        7 => row.outcome = "failure",
        _ if row.prev_hash.is_none() => row.prev_hash = Some(OTHER),
        _ => row.prev_hash = None,
    }
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, cases: 256, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_single_change_is_found_with_the_right_kind(
        details in prop::collection::vec(detail(), 2..8),
        at in any::<prop::sample::Index>(),
        what in tamper(),
    ) {
        let entries = sealed(&details);
        let untouched = verify(entries.iter().map(row), head(&entries));
        prop_assert_eq!(untouched.status, Status::Ok);

        let n = at.index(entries.len() - usize::from(matches!(what, Tamper::SwapWithNext)));
        let mut flipped = entries[n].clone();
        let mut rows: Vec<Row<'_>> = entries.iter().map(row).collect();
        match &what {
            Tamper::FlipText(place) => {
                // A whole character, so that the text stays text.
                let place = place.index(flipped.canonical.chars().count());
                flipped.canonical = flipped.canonical.chars().enumerate()
                    .map(|(i, c)| match (i == place, c) { (true, '~') => '!', (true, _) => '~', _ => c })
                    .collect();
                rows[n] = row(&flipped);
            }
            Tamper::FlipHash(byte) => {
                flipped.hash[*byte] ^= 1;
                rows[n] = row(&flipped);
            }
            Tamper::Remove => { rows.remove(n); }
            Tamper::Duplicate => rows.insert(n, rows[n]),
            Tamper::SwapWithNext => rows.swap(n, n + 1),
            Tamper::Column(column) => edit_column(&mut rows[n], *column),
        }
        let (seq, count) = (i64::try_from(n).unwrap() + 1, i64::try_from(entries.len()).unwrap());
        let verdict = verify(rows, head(&entries));
        prop_assert_eq!(bad(&verdict), expected(&what, seq, count), "{:?}: {}", what, verdict.message);
    }

    #[test]
    fn different_entries_have_different_texts_and_come_back_whole(a in detail(), b in detail()) {
        let texts = [&a, &b].map(|detail| sealed(std::slice::from_ref(detail)).remove(0).canonical);
        prop_assert_eq!(a == b, texts[0] == texts[1]);
        prop_assert_eq!(Text::parse(&texts[0]).map(|text| text.members()), Some(a));
    }

    #[test]
    fn parsing_never_panics(text in "\\PC{0,200}") {
        let _ = Text::parse(&text);
    }
}
