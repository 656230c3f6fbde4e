//! The short ways say yes only where the long way does, and the same.

use super::super::entry::Text;
use super::super::verify::columns_agree;
use super::super::{alike, plain};
use super::*;

#[test]
fn ordinary_entries_are_plain() {
    let details = json!({
        "created": true, "drifted": 12, "none": null, "scan_id": "0190", "späte": "ö",
        "z": [1, -2, {"a": [], "b": {}}],
    });
    let Value::Object(mut details) = details else { unreachable!() };
    details.remove("späte");
    for entry in sealed(&[details.clone(), details]) {
        assert_eq!(plain::read(&entry.canonical), Text::parse_any(&entry.canonical));
        assert!(plain::read(&entry.canonical).is_some());
        assert_eq!(alike::text(&row(&entry)), plain::read(&entry.canonical));
    }
}

#[test]
fn what_takes_the_long_way_is_found_right_there() {
    for detail in [json!({"ö": 1}), json!({"a": "\"\n"}), json!({"a": 9_007_199_254_740_992_i64})]
    {
        let Value::Object(detail) = detail else { unreachable!() };
        let entries = sealed(&[detail]);
        assert!(plain::read(&entries[0].canonical).is_none());
        assert_eq!(verify(entries.iter().map(row), head(&entries)).status, Status::Ok);
    }
}

#[test]
fn other_spellings_of_ids_times_hashes_and_numbers_are_not_plain() {
    let text = &few(2)[1].canonical;
    let id = chain().to_string();
    let (upper, simple) = (id.to_uppercase(), id.replace('-', ""));
    let nil = Uuid::nil().to_string();
    assert!(plain::read(text).is_some());
    for (from, to) in [
        (&*id, &*upper),
        (&id, &simple),
        (&id, &nil),
        (".000002Z", ".000002z"),
        (".000002Z", ".00000:Z"),
        (".000002Z", ".000002+00:00"),
        ("T00:", "T24:"),
        ("-01-0", "-02-3"),
        (r#""seq":2"#, r#""seq":02"#),
        (r#""seq":2"#, r#""seq":0"#),
        (r#""seq":2"#, r#""seq":-2"#),
        (r#""seq":2}"#, r#""seq":2} "#),
        (r#""prev_hash":""#, r#""prev_hash":"0"#),
    ] {
        let other = text.replacen(from, to, 1);
        assert_ne!(&other, text, "{from}");
        assert_eq!(plain::read(&other), None, "{other}");
    }
    let hash = text.split("\"prev_hash\":\"").nth(1).unwrap().get(..64).unwrap();
    assert_eq!(plain::read(&text.replace(hash, &hash.to_uppercase())), None);
}

#[test]
fn members_that_mean_something_to_the_reader_of_json_are_neither_read_nor_written() {
    let name = "$serde_json::private::RawValue";
    for hidden in ["\"x\"", "\"1\"", "\"null\"", "1"] {
        let detail = format!("{{\"a\":{{\"{name}\":{hidden}}}}}");
        let text = few(2)[1].canonical.replace("{\"n\":1}", &detail);
        assert_eq!(Text::parse(&text), None, "{text}");
    }
    let detail = json!({"a": [{name: "1"}]});
    let refused = seal(draft(Action::ScanIngested, detail), chain(), 2, at(2), Some([1; 32]));
    assert!(matches!(refused, Err(Error::Reserved { .. })), "{refused:?}");
}

/// JSON that is nearly, or quite, canonical.
fn nearly() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "-?[0-9]{1,17}",
        "\"[a-z\\\\\"é\t]{0,3}\"",
        Just("true".to_owned()),
        Just("null".to_owned()),
        Just("1.0".to_owned()),
        Just("-0".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let member = (r"[a-cé]{0,2}|\$serde_json::private::RawValue", inner.clone())
            .prop_map(|(k, v)| format!("\"{k}\":{v}"));
        let space = prop_oneof![9 => Just(","), 1 => Just(", "), 1 => Just(",,")];
        let all = prop_oneof![
            proptest::collection::vec(member, 0..4).prop_map(|all| ('{', all, '}')),
            proptest::collection::vec(inner, 0..4).prop_map(|all| ('[', all, ']')),
        ];
        (all, space)
            .prop_map(|((open, all, close), space)| format!("{open}{}{close}", all.join(space)))
    })
}

proptest! {
    #[test]
    fn what_is_plain_says_the_same_by_the_long_way(
        detail in nearly(), origin in "[a-z]{0,3}|[\"\\\\é\n]", at_byte in any::<prop::sample::Index>(), byte in prop::option::of("[ -~]"),
    ) {
        let entries = few(2);
        let mut canonical = entries[1].canonical
            .replace("{\"n\":1}", &detail)
            .replace("\"origin\":\"req-1\"", &format!("\"origin\":\"{origin}\""));
        if let Some(byte) = byte {
            let at = at_byte.index(canonical.len());
            if canonical.is_char_boundary(at) && canonical.is_char_boundary(at + 1) {
                canonical.replace_range(at..=at, &byte);
            }
        }
        let mut changed = row(&entries[1]);
        (changed.canonical, changed.detail, changed.origin) = (&canonical, &detail, &origin);
        if let Some(text) = alike::text(&changed) {
            prop_assert!(columns_agree(&changed, &text));
            prop_assert_eq!(Text::parse_any(&canonical), Some(text), "{}", canonical);
        }
        if let Some(text) = plain::read(&canonical) {
            prop_assert_eq!(Text::parse_any(&canonical), Some(text), "{}", canonical);
        }
    }
}
