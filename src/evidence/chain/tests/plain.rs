//! The short way says yes only where the long way does.

use super::super::entry::Text;
use super::super::plain;
use super::super::verify::columns_agree;
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
        assert_eq!(plain::place(&row(&entry)).unwrap().previous, entry.prev_hash);
    }
}

#[test]
fn what_takes_the_long_way_is_found_right_there() {
    for detail in [json!({"ö": 1}), json!({"a": "\"\n"}), json!({"a": 9_007_199_254_740_992_i64})]
    {
        let Value::Object(detail) = detail else { unreachable!() };
        let entries = sealed(&[detail]);
        assert!(plain::place(&row(&entries[0])).is_none());
        assert_eq!(verify(entries.iter().map(row), head(&entries)).status, Status::Ok);
    }
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
        let member = ("[a-cé]{0,2}", inner.clone()).prop_map(|(k, v)| format!("\"{k}\":{v}"));
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
    fn what_is_plain_is_canonical_and_agrees_with_its_columns(
        detail in nearly(), origin in "[a-z]{0,3}|[\"\\\\é\n]", at_byte in any::<prop::sample::Index>(), byte in prop::option::of("[ -~]"),
    ) {
        let entries = few(2);
        let canonical = entries[1].canonical
            .replace("{\"n\":1}", &detail)
            .replace("\"origin\":\"req-1\"", &format!("\"origin\":\"{origin}\""));
        let mut changed = row(&entries[1]);
        (changed.canonical, changed.detail, changed.origin) = (&canonical, &detail, &origin);
        let mut spoilt = canonical.clone();
        if let Some(byte) = byte {
            let at = at_byte.index(spoilt.len());
            if spoilt.is_char_boundary(at) && spoilt.is_char_boundary(at + 1) {
                spoilt.replace_range(at..=at, &byte);
                changed.canonical = &spoilt;
            }
        }
        if let Some(place) = plain::place(&changed) {
            let text = Text::parse(changed.canonical);
            prop_assert!(text.is_some(), "{}", changed.canonical);
            let text = text.unwrap();
            prop_assert!(columns_agree(&changed, &text));
            prop_assert_eq!((text.chain, text.seq), (place.chain, place.seq));
            prop_assert_eq!((text.prev_hash, text.created_at), (place.previous, place.created_at));
            prop_assert_eq!(text.action == text.chain.genesis().as_str(), place.is_genesis);
        }
    }
}
