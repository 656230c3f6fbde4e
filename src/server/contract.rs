//! The contract: `openapi/driftpack.yaml`, written first, is what is served.
//!
//! Invariants, each held by a test
//! - What the code does (poem-openapi's own document) and what the file says are equal, but for what
//!   poem-openapi cannot express: see [`tests`].
//! - Every operation of the file has a summary, a description, an operation id, its error answers
//!   and an example.
//! - Every operation names its right, and `crate::auth` enforces what the file says of that right.

mod permissions;

mod address;
mod shape;

use std::sync::LazyLock;

use serde_json::Value;

pub(crate) use address::methods;
pub(crate) use shape::fault;

use crate::api;

pub use permissions::permissions;

const YAML: &str = include_str!("../../openapi/driftpack.yaml");

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_yaml::from_str(YAML).expect("a test reads the same text"));

static PAGE: LazyLock<String> = LazyLock::new(|| {
    // Swagger UI with everything it needs inside, around poem-openapi's document; ours has examples.
    let service = api::service();
    // `</script>` inside a string of the document would end the script.
    let document = DOCUMENT.to_string().replace("</", "<\\/");
    let page = service.swagger_ui_html().replace(&service.spec(), &document);
    page.replacen("<title>Swagger UI</title>", "<title>driftpack API</title>", 1)
});

/// The document as it is served.
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// A page that browses the document.
pub(crate) fn page() -> &'static str {
    &PAGE
}

/// The document as the code makes it, without examples: what the file is compared with.
pub fn from_code() -> Value {
    serde_json::from_str(&api::service().spec()).expect("poem-openapi writes JSON")
}

#[cfg(test)]
mod tests;
