//! The file against the code, and the file against what a reader may expect of it.
//!
//! What poem-openapi cannot express is taken off both sides by [`normal`], and nothing else:
//! - examples, which stand in the file only (tests compare each with its schema, and those of errors with the table);
//! - `charset=utf-8` in media types, which is sent but says nothing in a document;
//! - header names, which it writes in capitals; names of headers have no case;
//! - `deprecated: false` and `explode: true`, which it writes everywhere and which say nothing about
//!   parameters of one value;
//! - `x-right` and `x-rights`, which are compared with the table of rights ([`rights`]);
//! - bounds and patterns of values and `additionalProperties: false`, which the code checks in its own words.
//!   That it does so, and no more strictly, is what schemathesis finds out (`tests/schemathesis.rs`);
//! - what an answer of an unnamed type is about: it writes an empty text, the file must have one.

mod rights;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::*;

const BOUNDS: [&str; 5] = ["minimum", "maximum", "minLength", "maxLength", "pattern"];

/// The document without what poem-openapi cannot express.
fn normal(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(normal).collect()),
        Value::Object(members) => {
            let mut normalised = Map::new();
            for (name, member) in members {
                // A property may have this name too: only media types have a schema beside it, and only
                // `components` has schemas.
                let beside = ["schema", "schemas"].iter().any(|name| members.contains_key(*name));
                if matches!(name.as_str(), "example" | "examples") && beside {
                    continue;
                }
                let is_right = matches!(name.as_str(), "x-right" | "x-rights");
                let is_bound = BOUNDS.contains(&name.as_str()) && !member.is_object();
                if is_right || is_bound || (name == "additionalProperties" && member == false) {
                    continue;
                }
                let is_default = (name == "deprecated" && member == false)
                    || (name == "explode" && member == true);
                if is_default {
                    continue;
                }
                let name = name.strip_suffix("; charset=utf-8").unwrap_or(name);
                let member = if name == "headers" { lower_keys(member) } else { normal(member) };
                normalised.insert(name.to_owned(), member);
            }
            if normalised.get("in") == Some(&json!("header"))
                && let Some(Value::String(name)) = normalised.get_mut("name")
            {
                name.make_ascii_lowercase();
            }
            Value::Object(normalised)
        }
        other => other.clone(),
    }
}

fn lower_keys(headers: &Value) -> Value {
    let Value::Object(headers) = headers else { return normal(headers) };
    headers.iter().map(|(name, header)| (name.to_ascii_lowercase(), normal(header))).collect()
}

/// JSON pointers of everything that differs.
fn differences(at: &str, code: &Value, file: &Value, found: &mut Vec<String>) {
    match (code, file) {
        (Value::Object(code), Value::Object(file)) => {
            let names: BTreeSet<&String> = code.keys().chain(file.keys()).collect();
            for name in names {
                let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                match (code.get(name), file.get(name)) {
                    (Some(code), Some(file)) => differences(&at, code, file, found),
                    (Some(code), None) => found.push(format!("{at}: only in the code: {code}")),
                    (None, file) => found.push(format!("{at}: only in the file: {}", json!(file))),
                }
            }
        }
        (Value::Array(code), Value::Array(file)) if code.len() == file.len() => {
            for (n, (code, file)) in code.iter().zip(file).enumerate() {
                differences(&format!("{at}/{n}"), code, file, found);
            }
        }
        (Value::String(code), Value::String(file))
            if code.is_empty() && at.ends_with("/description") && !file.is_empty() => {}
        (Value::String(code), Value::String(_)) if code.is_empty() => {
            found.push(format!("{at}: the file says nothing"));
        }
        (code, file) if code != file => found.push(format!("{at}: code {code}, file {file}")),
        _ => {}
    }
}

#[test]
fn the_code_does_what_the_file_says() {
    let mut found = Vec::new();
    differences("", &normal(&from_code()), &normal(document()), &mut found);
    assert!(
        found.is_empty(),
        "openapi/driftpack.yaml and the code differ; edit the document first, then the code:\n{}",
        found.join("\n")
    );
}

#[test]
fn every_kind_of_difference_is_found() {
    let of = |code, file| {
        let mut found = Vec::new();
        differences("", &normal(&code), &normal(&file), &mut found);
        found
    };
    let base = json!({"paths": {"/a": {"get": {"summary": "s", "tags": ["x"]}}}});
    assert!(of(base.clone(), base.clone()).is_empty());
    for other in [
        json!({"paths": {"/a": {"get": {"summary": "t", "tags": ["x"]}}}}),
        json!({"paths": {"/a": {"get": {"summary": "s", "tags": ["x", "y"]}}}}),
        json!({"paths": {"/a": {"get": {"tags": ["x"]}}}}),
        json!({"paths": {"/a": {"get": {"summary": "s", "tags": ["x"]}}, "/b": {}}}),
    ] {
        assert_eq!(of(base.clone(), other.clone()).len(), 1, "{other}");
    }
    assert_eq!(
        of(json!({"paths": {"/a/b": 1}}), json!({"paths": {"/a/b": 2}})),
        ["/paths/~1a~1b: code 1, file 2"]
    );
}

/// Every operation, with its name.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let named = |path: &String, method: &String| format!("{} {path}", method.to_uppercase());
    paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().iter().map(move |(method, op)| (named(path, method), op))
        })
        .collect()
}

/// What an operation lacks.
fn faults(operation: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for field in ["summary", "description", "operationId"] {
        if operation[field].as_str().is_none_or(str::is_empty) {
            faults.push(format!("no {field}"));
        }
    }
    let none = Map::new();
    let responses = operation["responses"].as_object().unwrap_or(&none);
    for class in ["5", "2"] {
        if !responses.keys().any(|status| status.starts_with(class)) {
            faults.push(format!("no {class}xx answer"));
        }
    }
    if operation.get("security").is_some() && !responses.contains_key("401") {
        faults.push("credentials are asked for, and 401 is not documented".to_owned());
    }
    let mut contents = vec![("request", &operation["requestBody"]["content"])];
    contents.extend(responses.iter().map(|(status, answer)| (status.as_str(), &answer["content"])));
    for (of, content) in contents {
        for (media, body) in content.as_object().unwrap_or(&none) {
            let is_binary = body["schema"]["format"] == "binary" || media.starts_with("text/html");
            if !is_binary && body.get("example").is_none() && body.get("examples").is_none() {
                faults.push(format!("no example of {of} {media}"));
            }
        }
    }
    faults
}

#[test]
fn every_operation_says_what_it_is_what_it_refuses_and_shows_an_example() {
    let found: Vec<String> = operations(document())
        .into_iter()
        .flat_map(|(name, operation)| {
            faults(operation).into_iter().map(move |fault| format!("{name}: {fault}"))
        })
        .collect();
    assert!(found.is_empty(), "openapi/driftpack.yaml is incomplete:\n{}", found.join("\n"));
}

#[test]
fn every_write_can_be_refused_for_its_number_and_every_post_can_be_repeated() {
    for (name, operation) in operations(document()) {
        if name.starts_with("GET ") {
            continue;
        }
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let takes_key = parameters.into_iter().any(|known| known["name"] == "Idempotency-Key");
        assert!(takes_key || !name.starts_with("POST "), "{name} takes no Idempotency-Key");
        assert!(operation["responses"].get("429").is_some(), "{name} does not document 429");
    }
}

#[test]
fn an_operation_that_lacks_something_is_found() {
    let (name, whole) = operations(document())
        .into_iter()
        .find(|(name, _)| name.starts_with("POST") && name.ends_with("/audit-exports"))
        .unwrap();
    assert!(faults(whole).is_empty(), "{name}");
    let without = |path: &[&str]| {
        let mut operation = whole.clone();
        let (last, parents) = path.split_last().unwrap();
        let parent = parents.iter().fold(&mut operation, |value, name| &mut value[*name]);
        assert!(parent.as_object_mut().unwrap().remove(*last).is_some(), "{path:?}");
        faults(&operation)
    };
    let media = "application/json";
    for path in [
        &["summary"][..],
        &["description"],
        &["operationId"],
        &["responses", "500"],
        &["responses", "401"],
        &["requestBody", "content", media, "example"],
        &["responses", "202", "content", media, "example"],
        &["responses", "429", "content", media, "examples"],
    ] {
        // 503 is of the class of 500.
        let lacks_nothing = path == ["responses", "500"];
        assert_eq!(without(path).is_empty(), lacks_nothing, "{path:?}");
    }
}

#[test]
fn a_request_body_says_that_unknown_fields_are_refused() {
    for (name, operation) in operations(document()) {
        let body = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
        if let Some(pointer) = body.as_str() {
            let schema = document().pointer(&pointer[1..]).unwrap();
            let says = &schema["additionalProperties"];
            assert_eq!(says, false, "{name}: {pointer} lacks additionalProperties: false");
        }
    }
}

/// The examples of a body, with their names.
fn examples(body: &Value) -> Vec<(&str, &Value)> {
    let named = body["examples"].as_object().into_iter().flatten().map(|(name, example)| {
        let target = example["$ref"].as_str().and_then(|pointer| document().pointer(&pointer[1..]));
        (name.as_str(), &target.unwrap_or(example)["value"])
    });
    body.get("example").map(|example| ("", example)).into_iter().chain(named).collect()
}

#[test]
fn operation_ids_are_unique_and_errors_have_one_shape() {
    let mut ids = BTreeSet::new();
    for (name, operation) in operations(document()) {
        assert!(
            ids.insert(operation["operationId"].as_str().unwrap()),
            "{name}: its operationId is taken"
        );
        for (status, answer) in operation["responses"].as_object().unwrap() {
            let is_readiness = name == "GET /readyz" && status == "503";
            if !status.starts_with(['4', '5']) || is_readiness {
                continue;
            }
            let body = &answer["content"]["application/json"];
            assert_eq!(body["schema"]["$ref"], "#/components/schemas/Problem", "{name} {status}");
            for (code, example) in examples(body) {
                assert_eq!(example["error"], code, "{name} {status}");
            }
        }
    }
    assert_eq!(ids.len(), 64);
}

#[tokio::test]
async fn the_examples_of_errors_are_what_the_table_answers() {
    let mut real = std::collections::BTreeMap::new();
    for error in crate::errors::tests::every_kind() {
        let (status, _, body) = crate::errors::tests::answer(error).await;
        real.insert(body["error"].as_str().unwrap().to_owned(), (status.to_string(), body));
    }
    for (name, operation) in operations(document()) {
        for (status, answer) in operation["responses"].as_object().unwrap() {
            for (code, example) in examples(&answer["content"]["application/json"]) {
                if code.is_empty() {
                    continue;
                }
                let (real_status, body) =
                    real.get(code).unwrap_or_else(|| panic!("{name}: no error is called {code}"));
                assert_eq!(status, real_status, "{name}: {code}");
                let members = |value: &Value| {
                    value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>()
                };
                assert_eq!(members(example), members(body), "{code}");
            }
        }
    }
}

#[test]
fn the_page_brings_everything_along_and_shows_the_file() {
    let page = page();
    assert!(page.contains("\"operationId\":\"requestAuditExport\""));
    for outside in ["src=\"http", "href=\"http", "//cdn", "@import"] {
        assert!(!page.contains(outside), "the page names {outside}");
    }
}
