//! Times and names as they come in and go out.

use chrono::DateTime;
use evidence::org::{Plan, Role};
use evidence::time::stamp;
use poem::http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::download::{finish, requested};
use super::harness::{Server, send};
use crate::errors::{Error, Input};

/// A plan of Terraform that shows one drift.
fn plan() -> Value {
    json!({
        "format_version": "1.2",
        "terraform_version": "1.9.8",
        "planned_values": {"root_module": {}},
        "resource_drift": [{
            "address": "aws_instance.web", "mode": "managed", "type": "aws_instance", "name": "web",
            "provider_name": "registry.terraform.io/hashicorp/aws",
            "change": {"actions": ["update"], "before": {"ami": "a"}, "after": {"ami": "b"}},
        }],
        "timestamp": "2026-01-11T10:00:00+02:00",
        "applyable": true, "complete": true, "errored": false,
    })
}

/// Every text in `value` that is a time.
fn times(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if DateTime::parse_from_rfc3339(text).is_ok() => {
            found.push(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| times(item, found)),
        Value::Object(members) => members.values().for_each(|member| times(member, found)),
        _ => {}
    }
}

#[sqlx::test(migrations = false)]
async fn every_time_in_every_answer_is_utc_and_ends_with_z(pool: PgPool) {
    let server = Server::start(pool.clone(), Plan::Enterprise).await;
    let owner = server.member(Role::Owner).await;
    let upload = server.of_org(Method::POST, "scans?state_source=prod", &owner).json(&plan());
    let receipt = send(upload).await;
    assert_eq!(receipt.status, 201, "{receipt:?}");
    let export = requested(&server, &owner).await;
    let mut answers =
        vec![receipt.json(), server.get(&format!("audit-exports/{export}"), &owner).await.json()];
    finish(&server, export).await;
    let scan = receipt.json()["id"].as_str().unwrap().to_owned();
    let findings = server.get("findings", &owner).await.json();
    let finding = findings["findings"][0]["id"].as_str().unwrap().to_owned();
    let decision = json!({"resolution": "accepted_risk", "reason": "known"});
    let decide = server.of_org(Method::PATCH, &format!("findings/{finding}"), &owner);
    answers.extend([findings, send(decide.json(&decision)).await.json()]);
    for path in [
        "audit-exports",
        &format!("audit-exports/{export}"),
        "scans",
        &format!("scans/{scan}"),
        &format!("findings/{finding}"),
        "audit-log",
        "audit-log/verify",
    ] {
        let answer = server.get(path, &owner).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answers.push(answer.json());
    }
    sqlx::query("update users set is_platform_admin = true").execute(&pool).await.unwrap();
    let platform = server.request(Method::GET, "/api/v2/admin/audit-log").bearer_auth(&owner);
    answers.push(send(platform).await.json());

    let mut found = Vec::new();
    for answer in &answers {
        times(answer, &mut found);
    }
    for text in &found {
        let at = DateTime::parse_from_rfc3339(text).unwrap().to_utc();
        assert_eq!(*text, stamp(at));
    }
    assert!(found.len() >= 40, "only {} times were found: {answers:?}", found.len());
}

#[sqlx::test(migrations = false)]
async fn what_the_database_cannot_hold_is_refused_by_name(pool: PgPool) {
    let server = Server::start(pool.clone(), Plan::Enterprise).await;
    let owner = server.member(Role::Owner).await;
    let far = "-5000-01-01T00:00:00Z";
    let cursor = {
        use base64::Engine as _;
        let text = format!("{far} 0198c2f0-5c1a-7c3e-9a55-0d4f3a1b2c3d");
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
    };
    for path in [
        format!("scans?from={far}"),
        "scans?to=0000-01-01T00:00:00Z".to_owned(),
        "scans?from=2026-01-01".to_owned(),
        format!("scans?cursor={cursor}"),
        format!("audit-log?from={far}"),
        "audit-log?to=%2B290000-01-01T00:00:00Z".to_owned(),
    ] {
        let refusal = server.get(&path, &owner).await.refusal();
        assert_eq!(refusal, (400, "invalid_parameter".to_owned()), "{path}");
    }
    for name in ["%00", "", "a%0Ab", &"a".repeat(201)] {
        let path = format!("scans?state_source={name}");
        let refused = send(server.of_org(Method::POST, &path, &owner).json(&plan())).await;
        assert_eq!(refused.refusal(), (400, "invalid_parameter".to_owned()), "{name}");
    }
    let path = format!("scans?state_source=prod&observed_at={far}");
    let refused = send(server.of_org(Method::POST, &path, &owner).json(&plan())).await;
    assert_eq!(refused.refusal(), (400, "invalid_parameter".to_owned()));

    let overlooked = sqlx::query("select 2147483647 + 1").execute(&pool).await.unwrap_err();
    assert!(matches!(Error::from(overlooked), Error::Input(Input::InvalidParameter(_))));
}
