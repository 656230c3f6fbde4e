//! The rights of the file against those of the code, and against the document for people.

use std::collections::BTreeSet;

use evidence::org::{Role, Scope};
use serde_json::{Value, json};

use super::super::permissions::{operations, outcome_of};
use super::super::{document, permissions};
use crate::auth::TABLE;

/// A right of the code, in the words of the file.
fn in_words(rule: &crate::auth::Rule) -> Value {
    let mut words = json!({
        "who": "org",
        "roles": rule.people.iter().copied().map(Role::as_str).collect::<Vec<_>>(),
    });
    if let Some(scope) = rule.keys {
        words["key"] = Scope::as_str(scope).into();
    }
    if rule.needs_packs {
        words["plan"] = "audit_compliance".into();
    }
    words
}

#[test]
fn the_rights_of_the_file_are_those_that_the_code_enforces() {
    let rights = document()["x-rights"].as_object().unwrap();
    let of_orgs: BTreeSet<_> = rights
        .iter()
        .filter(|(_, right)| right["who"] == "org")
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(of_orgs, TABLE.iter().map(|(name, _)| *name).collect());
    for (name, rule) in TABLE {
        let mut right = rights[*name].clone();
        assert!(right.as_object_mut().unwrap().remove("why").is_some(), "{name}");
        assert_eq!(right, in_words(rule), "{name}");
    }
    for (name, right) in rights.iter().filter(|(_, right)| right["who"] != "org") {
        let who = right["who"].as_str().unwrap();
        assert!(["anybody", "caller", "platform_admin"].contains(&who), "{name}: {who}");
    }
}

#[test]
fn every_operation_names_a_right_that_is_there_and_asks_for_the_credentials_that_it_needs() {
    let mut used = BTreeSet::new();
    for (path, method, operation) in operations(document()) {
        let at = format!("{method} {path}");
        let name = operation["x-right"].as_str().unwrap_or_else(|| panic!("{at} has no x-right"));
        let right = &document()["x-rights"][name];
        used.insert(name);
        let expected = match right["who"].as_str() {
            Some("anybody") => Value::Null,
            Some("caller") => json!([{"oidc": []}, {"api_key": []}]),
            Some("org") if right.get("key").is_some() => json!([{"oidc": []}, {"api_key": []}]),
            Some("org" | "platform_admin") => json!([{"oidc": []}]),
            other => panic!("{at}: {name} is no right of the file ({other:?})"),
        };
        assert_eq!(operation.get("security").unwrap_or(&Value::Null), &expected, "{at}");
        assert_eq!(path.starts_with("/api/v2/orgs/{org_id}"), right["who"] == "org", "{at}");
    }
    let known: BTreeSet<_> =
        document()["x-rights"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(used, known, "a right that nothing asks for");
}

#[test]
fn a_right_lets_in_whom_it_names_and_nobody_else() {
    let right = json!({"who": "org", "roles": ["owner", "admin"], "key": "read"});
    for (title, outcome) in [
        ("no credentials", "401"),
        ("another org's owner", "404"),
        ("another org's key", "404"),
        ("platform admin", "404"),
        ("member", "403"),
        ("admin", "yes"),
        ("read key", "yes"),
        ("write key", "403"),
    ] {
        assert_eq!(outcome_of(&right, title), outcome, "{title}");
    }
    let platform = json!({"who": "platform_admin"});
    assert_eq!(outcome_of(&platform, "owner"), "403");
    assert_eq!(outcome_of(&platform, "platform admin"), "yes");
    assert_eq!(outcome_of(&json!({"who": "anybody"}), "expired token"), "yes");
}

/// Renewed by this test itself, with `RENEW_PERMISSIONS=1` in the environment.
#[test]
fn the_document_of_permissions_is_what_the_contract_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi/PERMISSIONS.md");
    let text = permissions();
    if std::env::var_os("RENEW_PERMISSIONS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == text, "openapi/PERMISSIONS.md is out of date: RENEW_PERMISSIONS=1 renews it");
}
