//! The contract as a document: its examples, and what the program serves of it.

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tests::app::App;
use tests::browser;
use tests::contract::{document, faults, mismatches};
use tests::http::Answer;

/// The examples of a body.
fn examples(body: &Value) -> Vec<&Value> {
    let named = body["examples"].as_object().into_iter().flatten().map(|(_, example)| {
        let target = example["$ref"].as_str().and_then(|pointer| document().pointer(&pointer[1..]));
        &target.unwrap_or(example)["value"]
    });
    body.get("example").into_iter().chain(named).collect()
}

#[test]
fn every_example_fits_its_schema() {
    let mut found = Vec::new();
    let mut looked_at = 0;
    let paths = document()["paths"].as_object().unwrap();
    for operation in paths.values().flat_map(|all| all.as_object().unwrap().values()) {
        let responses = operation["responses"].as_object().unwrap();
        let mut contents = vec![("request", &operation["requestBody"]["content"])];
        contents
            .extend(responses.iter().map(|(status, answer)| (status.as_str(), &answer["content"])));
        for (of, content) in contents {
            for (media, body) in content.as_object().into_iter().flatten() {
                let place = format!("example of {} {of} {media}", operation["operationId"]);
                for example in examples(body) {
                    looked_at += 1;
                    let wrong = mismatches(&place, &body["schema"], example);
                    found.extend(wrong.into_iter().map(|fault| format!("{place}: {fault}")));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(looked_at > 100, "only {looked_at} examples were looked at");
}

fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &Value) -> Answer {
    let pairs = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    Answer { status, headers: pairs.collect::<HeaderMap>(), body }
}

#[test]
fn an_answer_outside_of_the_contract_is_found() {
    const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");
    let (ok, error) = (json!({"status": "ok"}), json!({"error": "x", "message": "y", "more": 1}));
    let get = |path, answer| faults(&Method::GET, path, &answer).len();
    assert_eq!(get("/healthz", answer(200, &[JSON], &ok)), 0);
    assert_eq!(get("/healthz", answer(200, &[], &ok)), 1, "no content type");
    assert_eq!(get("/healthz", answer(201, &[JSON], &ok)), 1, "another status");
    assert_eq!(
        get("/healthz", answer(200, &[JSON], &json!({"status": "well"}))),
        1,
        "another word"
    );
    assert_eq!(get("/healthz", answer(200, &[JSON], &json!({"status": null}))), 2, "null");
    assert_eq!(get("/healthz", answer(200, &[JSON], &json!({}))), 1, "a member is missing");
    assert_eq!(
        get("/healthz", answer(200, &[JSON], &json!({"status": "ok", "x": 1}))),
        1,
        "one too many"
    );
    assert_eq!(get("/api/v2/me", answer(401, &[JSON], &error)), 0);
    assert_eq!(get("/api/v2/me", answer(401, &[JSON], &ok)), 2, "no error");
    assert_eq!(get("/api/v2/me", answer(503, &[JSON], &error)), 1, "no Retry-After");
    assert_eq!(get("/api/v2/me", answer(503, &[JSON, ("retry-after", "5")], &error)), 0);
    assert_eq!(get("/api/v2/nothing", answer(200, &[JSON], &ok)), 1, "no operation");
    assert_eq!(get("/api/v2/nothing", answer(404, &[JSON], &error)), 0);
    let put = |answer| faults(&Method::PUT, "/healthz", &answer).len();
    assert_eq!(put(answer(405, &[JSON], &error)), 1, "no Allow");
    assert_eq!(put(answer(405, &[JSON, ("allow", "GET, HEAD")], &error)), 0);
    let path = "/api/v2/orgs/0198c2f0-5c1a-7c3e-9a55-0d4f3a1b2c3d/audit-exports/0198c2f0-5c1a-7c3e-9a55-0d4f3a1b2c3d";
    let gone = |body| faults(&Method::DELETE, path, &answer(204, &[], &body)).len();
    assert_eq!((gone(Value::Null), gone(ok.clone())), (0, 1), "a body that is not documented");
}

#[tokio::test]
async fn the_contract_is_served_and_can_be_browsed_without_anything_from_elsewhere() {
    let app = App::start().await;
    let served = app.http.root(&app.base, "/openapi.json").await.expect(200);
    assert_eq!(&served, document());
    let page = browser::visit(&format!("{}/docs", app.base), app.dir.path());
    let operations = document()["paths"].as_object().unwrap().values();
    let count: usize = operations.map(|all| all.as_object().unwrap().len()).sum();
    assert_eq!(page.dom.matches("class=\"opblock-summary-description\"").count(), count);
    assert!(page.dom.contains("<title>driftpack API</title>"));
    assert!(!page.console.contains("Content Security Policy"), "{}", page.console);
}
