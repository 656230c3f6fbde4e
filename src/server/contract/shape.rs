//! Whether a body has the types that the contract gives it.
//!
//! poem-openapi reads a number or a boolean where text is asked for, and `null` as a member that was left
//! out. The contract promises neither, and who validates by it refuses what we would have taken.
//! Not here: what the values must be beyond their type, which is checked where they are used.

use serde_json::Value;

use super::document;

/// What is wrong with a body by the schema of this name, in words for its sender.
pub(crate) fn fault(schema: &str, body: &Value) -> Option<String> {
    fault_at("", &document()["components"]["schemas"][schema], body)
}

fn fault_at(at: &str, schema: &Value, value: &Value) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str().and_then(|pointer| pointer.rsplit('/').next()) {
        return fault_at(at, &document()["components"]["schemas"][name], value);
    }
    if value.is_null() && schema["nullable"] == true {
        return None;
    }
    if let Some(first) = schema["allOf"].get(0) {
        return fault_at(at, first, value);
    }
    // Without a type, anything goes.
    let expected = schema["type"].as_str()?;
    if kind(value) != expected && !(expected == "number" && value.is_number()) {
        let name = if at.is_empty() { "The body".to_owned() } else { format!("`{at}`") };
        let hint = if value.is_null() { "; leave it out instead" } else { "" };
        return Some(format!("{name} must be of the type {expected}, not {}{hint}.", kind(value)));
    }
    match value {
        Value::Object(members) => members.iter().find_map(|(name, member)| {
            let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
            fault_at(&at, &schema["properties"][name], member)
        }),
        Value::Array(items) => {
            items.iter().find_map(|item| fault_at(&format!("{at}[]"), &schema["items"], item))
        }
        _ => None,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_of_the_types_of_the_contract_has_no_fault() {
        let org = json!({"slug": "acme", "name": "Acme", "plan": "team"});
        assert_eq!(fault("OrgRequest", &org), None);
        let redrive = json!({"dry_run": true, "limit": 7, "created_from": "2026-01-01T00:00:00Z"});
        assert_eq!(fault("WorkflowRedrive", &redrive), None);
        for payload in [json!(null), json!(1.5), json!([{}])] {
            let signal = json!({"name": "go", "payload": payload});
            assert_eq!(fault("WorkflowSignalRequest", &signal), None, "any payload will do");
        }
    }

    #[test]
    fn another_type_is_named_with_its_place() {
        let said = |schema, body| fault(schema, &body).unwrap();
        assert_eq!(
            said("OrgRequest", json!({"slug": false})),
            "`slug` must be of the type string, not boolean."
        );
        assert_eq!(
            said("OrgRequest", json!({"plan": 1})),
            "`plan` must be of the type string, not integer."
        );
        assert_eq!(
            said("WorkflowRedrive", json!({"workflow": null})),
            "`workflow` must be of the type string, not null; leave it out instead."
        );
        assert_eq!(
            said("WorkflowRedrive", json!({"limit": 1.0})),
            "`limit` must be of the type integer, not number."
        );
        assert_eq!(
            said("OrgRequest", json!([])),
            "The body must be of the type object, not array."
        );
    }

    /// Any JSON, not too large.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(|number| json!(number)),
            "\\PC{0,10}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("slug|name|plan|limit|error|\\PC{1,4}", inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_body_is_judged_and_no_text_is_taken_from_what_is_none(body in any_json()) {
            for schema in ["OrgRequest", "WorkflowRedrive", "WorkflowSignalRequest", "FindingDecision"] {
                if fault(schema, &body).is_none() {
                    let is_text = |name: &str| body.get(name).is_none_or(Value::is_string);
                    prop_assert!(body.is_object());
                    prop_assert!(schema != "OrgRequest" || (is_text("slug") && is_text("plan")));
                }
            }
        }
    }
}
