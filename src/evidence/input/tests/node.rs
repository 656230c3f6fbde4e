//! Files that are well-formed JSON and hold something unexpected in one place: what editing bytes seldom makes.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{Reading, read};
use super::{ScanStatus, config, own_files};

/// What a field may turn out to hold instead.
fn surprise() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!([])),
        Just(json!({})),
        Just(json!("")),
        Just(json!([null, [[]], {"change": null}])),
        Just(json!({"actions": ["update"], "before": [], "after": "x"})),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "\\PC{0,12}".prop_map(Value::from),
        Just(json!("a\u{0}b\u{202e}\u{feff}")),
        Just(json!("9999-99-99T99:99:99Z")),
        Just(Value::from("[".repeat(3000))),
    ]
}

/// Puts `other` in the place of the `n`th value of a document, counted in the order of the text.
fn replace(value: &mut Value, n: &mut usize, other: &Value) -> bool {
    if *n == 0 {
        value.clone_from(other);
        return true;
    }
    *n -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| replace(item, n, other)),
        Value::Object(members) => members.values_mut().any(|member| replace(member, n, other)),
        _ => false,
    }
}

fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(members) => members.values().map(size).sum(),
        _ => 0,
    }
}

/// The documents of a file: one, or one a line.
fn documents(bytes: &[u8]) -> Vec<Value> {
    serde_json::Deserializer::from_slice(bytes).into_iter().filter_map(Result::ok).collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_value_in_the_place_of_another_is_read_or_refused(
        bytes in own_files(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), surprise()), 1..4),
    ) {
        let mut all = documents(&bytes);
        for (place, other) in &changes {
            let total = all.iter().map(size).sum::<usize>();
            if total == 0 {
                break;
            }
            let mut n = place.index(total);
            let _ = all.iter_mut().any(|document| replace(document, &mut n, other));
        }
        let lines: Vec<String> = all.iter().map(Value::to_string).collect();
        if let Ok(Reading::Scan(seen)) = read(lines.join("\n").as_bytes()) {
            prop_assert!(seen.drift_reported || seen.status != ScanStatus::Done);
            prop_assert_eq!(seen.error.is_none(), seen.status == ScanStatus::Done);
            let text = format!("{seen:?}");
            prop_assert!(!text.contains('\0'), "Postgres holds no NUL");
        }
    }

    #[test]
    fn lines_in_any_order_twice_or_missing_are_read_or_refused(
        bytes in own_files(),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        let mixed: Vec<u8> =
            order.iter().flat_map(|place| lines[place.index(lines.len())]).copied().collect();
        let _ = read(&mixed);
    }
}
