//! The contract as those read it who have nothing but the file: every answer that a test sees must be in it.
//!
//! Schemas are read strictly: a member of an answer that the contract does not name is a fault, except in errors,
//! which may carry context. The validator is not the program's own.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::http::Answer;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    serde_yaml::from_str(include_str!("../openapi/driftpack.yaml")).expect("the contract is YAML")
});

/// The schemas of the contract as JSON Schema.
static SCHEMAS: LazyLock<Value> =
    LazyLock::new(|| as_json_schema(&DOCUMENT["components"]["schemas"]));

static VALIDATORS: LazyLock<Mutex<HashMap<String, &'static Validator>>> =
    LazyLock::new(Mutex::default);

/// The contract.
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// Asserts that the contract has this answer to this request.
///
/// # Panics
/// With everything that is not as the contract says.
pub fn assert_documented(method: &Method, path: &str, answer: &Answer) {
    let faults = faults(method, path, answer);
    let body = String::from_utf8_lossy(&answer.body);
    assert!(
        faults.is_empty(),
        "{method} {path} answered {}, outside of the contract:\n  {}\n{}",
        answer.status,
        faults.join("\n  "),
        body.chars().take(2000).collect::<String>()
    );
}

/// What about an answer is not as the contract says.
pub fn faults(method: &Method, path: &str, answer: &Answer) -> Vec<String> {
    let Some(operations) = operations(path) else {
        // Pages for browsers are not in the contract; what is below /api is, and nothing else is there.
        return match answer.status {
            404 | 405 | 431 => problem(answer),
            status if path.starts_with("/api/") => vec![format!("{status} of no operation")],
            _ => Vec::new(),
        };
    };
    let name =
        if method == Method::HEAD { "get".to_owned() } else { method.as_str().to_lowercase() };
    let Some(operation) = operations.get(&name) else {
        let mut found = problem(answer);
        if answer.status != 405 || answer.header("allow").is_empty() {
            found.push(
                "405 with `Allow` is the answer to a method that the contract lacks".to_owned(),
            );
        }
        return found;
    };
    // The head is refused before there is an operation.
    if answer.status == 431 {
        return problem(answer);
    }
    match operation["responses"].get(answer.status.to_string()) {
        None => vec![format!("the status is not in {}", operation["operationId"])],
        Some(_) if method == Method::HEAD => Vec::new(),
        Some(documented) => {
            let place = format!("{} {}", operation["operationId"], answer.status);
            [headers(documented, answer), body(&place, documented, answer)].concat()
        }
    }
}

/// The operations at a path, by lower-case method.
fn operations(path: &str) -> Option<&'static Map<String, Value>> {
    let path = path.split('?').next().unwrap_or_default();
    let given: Vec<&str> = path.split('/').collect();
    let fits = |known: &str| {
        let known: Vec<&str> = known.split('/').collect();
        let is_same = |(known, given): (&&str, &&str)| {
            known == given || (known.starts_with('{') && !given.is_empty())
        };
        known.len() == given.len() && known.iter().zip(&given).all(is_same)
    };
    let paths = DOCUMENT["paths"].as_object().expect("the contract has paths");
    let exact = paths.get(path);
    exact.or_else(|| paths.iter().find(|(known, _)| fits(known)).map(|(_, all)| all))?.as_object()
}

fn headers(documented: &Value, answer: &Answer) -> Vec<String> {
    let mut found = Vec::new();
    for (name, header) in documented["headers"].as_object().into_iter().flatten() {
        let value = answer.header(name);
        if value.is_empty() && header["required"] == true {
            found.push(format!("the header {name} is missing"));
        } else if !value.is_empty()
            && header["schema"]["type"] == "integer"
            && value.parse::<u64>().is_err()
        {
            found.push(format!("the header {name} is no number: {value}"));
        }
    }
    found
}

fn body(place: &str, documented: &Value, answer: &Answer) -> Vec<String> {
    let Some(content) = documented["content"].as_object() else {
        return if answer.body.is_empty() {
            vec![]
        } else {
            vec!["a body where none is documented".to_owned()]
        };
    };
    let media = answer.header("content-type").split(';').next().unwrap_or_default().trim();
    let Some(documented) = content.get(media).or_else(|| {
        content
            .iter()
            .find(|(known, _)| known.split(';').next() == Some(media))
            .map(|(_, body)| body)
    }) else {
        return vec![format!("the content type {media:?} is not documented")];
    };
    if media == "application/json" {
        fits(place, &documented["schema"], &answer.body)
    } else {
        Vec::new()
    }
}

fn problem(answer: &Answer) -> Vec<String> {
    fits("an error", &json!({"$ref": "#/components/schemas/Problem"}), &answer.body)
}

fn fits(place: &str, schema: &Value, body: &[u8]) -> Vec<String> {
    match serde_json::from_slice(body) {
        Ok(value) => mismatches(place, schema, &value),
        Err(fault) => vec![format!("the body is no JSON: {fault}")],
    }
}

/// What is wrong with a value by a schema of the contract; `place` names the schema for ever.
pub fn mismatches(place: &str, schema: &Value, value: &Value) -> Vec<String> {
    let mut known = VALIDATORS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let validator =
        *known.entry(place.to_owned()).or_insert_with(|| Box::leak(Box::new(validator(schema))));
    validator
        .iter_errors(value)
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect()
}

fn validator(schema: &Value) -> Validator {
    let mut whole = as_json_schema(schema);
    whole["components"] = json!({"schemas": *SCHEMAS});
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .build(&whole)
        .expect("the contract's schemas are schemas")
}

/// OpenAPI 3.0 writes `nullable` where JSON Schema has a type; and an object has the members that are named.
fn as_json_schema(schema: &Value) -> Value {
    let members = match schema {
        Value::Array(items) => return items.iter().map(as_json_schema).collect(),
        Value::Object(members) => members,
        other => return other.clone(),
    };
    let mut read: Map<String, Value> =
        members.iter().map(|(name, member)| (name.clone(), as_json_schema(member))).collect();
    let is_object = members.get("type").is_some_and(|kind| kind == "object");
    let is_open = members.get("title").is_some_and(|title| title == "Problem");
    if is_object && members.contains_key("properties") && !is_open {
        read.entry("additionalProperties").or_insert(json!(false));
    }
    if read.remove("nullable") != Some(json!(true)) {
        return Value::Object(read);
    }
    json!({"anyOf": [read, {"type": "null"}]})
}
