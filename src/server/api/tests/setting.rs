//! State sources, custom rules and API keys.

use evidence::org::{Plan, Role};
use poem::http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::harness::{Answer, Server};

async fn make(server: &Server, path: &str, token: &str, body: &Value) -> Value {
    let made = server.call(Method::POST, path, token, body).await;
    assert_eq!(made.status, 201, "{body}: {made:?}");
    made.json()
}

#[sqlx::test(migrations = false)]
async fn a_state_source_is_made_changed_and_deleted_on_record(pool: PgPool) {
    let server = Server::start(pool.clone(), Plan::Team).await;
    let admin = server.member(Role::Admin).await;
    let body = json!({"name": "prod", "kind": "s3", "expected_scan_interval_hours": 24});
    let made = make(&server, "state-sources", &admin, &body).await;
    assert_eq!(
        (&made["location"], &made["active"], &made["version"]),
        (&json!(""), &json!(true), &json!(1))
    );
    let taken = server.call(Method::POST, "state-sources", &admin, &body).await;
    assert_eq!(taken.refusal(), (409, "taken".to_owned()));
    let path = format!("state-sources/{}", made["id"].as_str().unwrap());
    let patch = async |body: Value| server.call(Method::PATCH, &path, &admin, &body).await;
    let changed = patch(json!({"location": "s3://b/k", "active": false})).await.json();
    assert_eq!(
        (&changed["version"], &changed["expected_scan_interval_hours"]),
        (&json!(2), &json!(24))
    );
    assert_eq!(patch(json!({})).await.json(), changed, "what changes nothing makes no version");
    let cleared = patch(json!({"expected_scan_interval_hours": null})).await.json();
    assert_eq!(
        (&cleared["version"], &cleared["expected_scan_interval_hours"]),
        (&json!(3), &Value::Null)
    );
    for (body, code) in [
        (json!({"name": null}), "invalid_body"),
        (json!({"version": 7}), "invalid_body"),
        (json!({"kind": "ftp"}), "invalid_body"),
        (json!({"name": ""}), "invalid_value"),
        (json!({"expected_scan_interval_hours": 0}), "invalid_value"),
        (json!({"location": "a\u{0}b"}), "invalid_value"),
    ] {
        assert_eq!(patch(body.clone()).await.refusal(), (422, code.to_owned()), "{body}");
    }
    assert_eq!(server.get(&path, &admin).await.json(), cleared);
    assert_eq!(server.delete(&path, &admin).await.status, 204);
    for gone in [
        server.delete(&path, &admin).await,
        server.get(&path, &admin).await,
        patch(json!({})).await,
    ] {
        assert_eq!(gone.refusal(), (404, "not_found".to_owned()));
    }
    let actions = server.actions().await;
    let told = [
        "state_source.created",
        "state_source.updated",
        "state_source.updated",
        "state_source.deleted",
    ];
    assert_eq!(actions[actions.len() - 4..], told);
    let versions: i64 = sqlx::query_scalar("select count(*) from state_source_versions")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(versions, 4);
    make(&server, "state-sources", &admin, &body).await;
    let list = server.get("state-sources", &admin).await.json();
    assert_eq!((&list["total"], &list["state_sources"][0]["version"]), (&json!(1), &json!(1)));
}

#[sqlx::test(migrations = false)]
async fn changes_of_one_source_at_once_are_all_kept(pool: PgPool) {
    let server = Server::start(pool, Plan::Team).await;
    let admin = server.member(Role::Admin).await;
    let made = make(&server, "state-sources", &admin, &json!({"name": "p", "kind": "tfc"})).await;
    let path = format!("state-sources/{}", made["id"].as_str().unwrap());
    let (name, location, hours, active) = (
        json!({"name": "q"}),
        json!({"location": "here"}),
        json!({"expected_scan_interval_hours": 7}),
        json!({"active": false}),
    );
    let patch = async |body: &Value| server.call(Method::PATCH, &path, &admin, body).await.status;
    let all = tokio::join!(patch(&name), patch(&location), patch(&hours), patch(&active));
    assert_eq!(all, (200, 200, 200, 200));
    let now = server.get(&path, &admin).await.json();
    assert_eq!(now["version"], 5);
    for (field, value) in
        [("name", json!("q")), ("location", json!("here")), ("active", json!(false))]
    {
        assert_eq!(now[field], value, "{now}");
    }
}

#[sqlx::test(migrations = false)]
async fn a_custom_rule_is_made_changed_and_deleted_on_record(pool: PgPool) {
    let server = Server::start(pool, Plan::Team).await;
    let admin = server.member(Role::Admin).await;
    let body = json!({
        "name": "scaling", "resource_pattern": "aws_autoscaling_group",
        "attribute_pattern": "desired_capacity", "drift_type": "changed",
        "risk_level": "ignore", "reason": "the autoscaler owns it",
    });
    let made = make(&server, "custom-rules", &admin, &body).await;
    assert_eq!((&made["position"], &made["enabled"]), (&json!(100), &json!(true)));
    let path = format!("custom-rules/{}", made["id"].as_str().unwrap());
    let patch = async |body: Value| server.call(Method::PATCH, &path, &admin, &body).await;
    let changed = patch(json!({"drift_type": null, "risk_level": "low"})).await.json();
    assert_eq!((&changed["drift_type"], &changed["risk_level"]), (&Value::Null, &json!("low")));
    assert_eq!(changed["attribute_pattern"], "desired_capacity");
    for (body, field) in [
        (json!({"resource_pattern": " "}), "resource_pattern"),
        (json!({"attribute_pattern": "a".repeat(513)}), "attribute_pattern"),
        (json!({"reason": ""}), "reason"),
    ] {
        let refused: Answer = patch(body.clone()).await;
        assert_eq!(refused.refusal(), (422, "invalid_value".to_owned()), "{body}");
        assert_eq!(refused.json()["field"], field);
    }
    let first = json!({
        "name": "first", "position": -1, "resource_pattern": "*", "risk_level": "critical", "reason": "r"
    });
    make(&server, "custom-rules", &admin, &first).await;
    let list = server.get("custom-rules?limit=1", &admin).await.json();
    assert_eq!((&list["total"], &list["custom_rules"][0]["name"]), (&json!(2), &json!("first")));
    assert_eq!(server.delete(&path, &admin).await.status, 204);
    assert_eq!(server.get(&path, &admin).await.status, 404);
    let actions = server.actions().await;
    let told = [
        "custom_rule.created",
        "custom_rule.updated",
        "custom_rule.created",
        "custom_rule.deleted",
    ];
    assert_eq!(actions[actions.len() - 4..], told);
}

#[sqlx::test(migrations = false)]
async fn an_api_key_is_shown_once_works_and_is_refused_once_revoked(pool: PgPool) {
    let server = Server::start(pool.clone(), Plan::Team).await;
    let admin = server.member(Role::Admin).await;
    let body = json!({"name": "ci", "scopes": ["read"], "expires_at": "2999-01-01T00:00:00Z"});
    let made = make(&server, "api-keys", &admin, &body).await;
    let (key, id) = (made["key"].as_str().unwrap(), made["api_key"]["id"].as_str().unwrap());
    let path = format!("api-keys/{id}");
    assert_eq!(server.get(&path, &admin).await.json(), made["api_key"]);
    assert_eq!(made["api_key"]["last_used_at"], Value::Null);
    assert_eq!(server.get("scans", key).await.status, 200);
    assert!(server.get(&path, &admin).await.json()["last_used_at"].is_string());
    for answer in [server.get(&path, &admin).await, server.get("api-keys", &admin).await] {
        assert!(!String::from_utf8_lossy(&answer.body).contains("dw2_"), "{answer:?}");
    }
    let stored: Vec<String> =
        sqlx::query_scalar("select api_keys::text from api_keys").fetch_all(&pool).await.unwrap();
    assert!(stored.iter().all(|row| !row.contains(key)));
    let logged = server.entries().await;
    assert!(logged.iter().all(|entry| !entry.canonical.contains(key)));
    for _ in 0..2 {
        assert_eq!(server.delete(&path, &admin).await.status, 204);
    }
    assert_eq!(server.get("scans", key).await.refusal(), (401, "unauthorized".to_owned()));
    let revoked = server.actions().await.iter().filter(|one| *one == "api_key.revoked").count();
    assert_eq!(revoked, 1);
    let unknown = server.delete(&format!("api-keys/{}", uuid::Uuid::max()), &admin).await;
    assert_eq!(unknown.refusal(), (404, "not_found".to_owned()));
}

#[sqlx::test(migrations = false)]
async fn an_api_key_that_has_expired_or_says_nothing_is_refused(pool: PgPool) {
    let server = Server::start(pool.clone(), Plan::Team).await;
    let admin = server.member(Role::Admin).await;
    for (body, code) in [
        (json!({"name": "", "scopes": ["read"]}), "invalid_value"),
        (json!({"name": "a\nb", "scopes": ["read"]}), "invalid_value"),
        (json!({"name": "k", "scopes": []}), "invalid_value"),
        (json!({"name": "k", "scopes": ["read", "read"]}), "invalid_value"),
        (json!({"name": "k", "scopes": ["admin"]}), "invalid_body"),
        (
            json!({"name": "k", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}),
            "invalid_value",
        ),
        (json!({"name": "k", "scopes": ["read"], "expires_at": "soon"}), "invalid_body"),
    ] {
        let refused = server.call(Method::POST, "api-keys", &admin, &body).await;
        assert_eq!(refused.refusal(), (422, code.to_owned()), "{body}");
    }
    let body = json!({"name": "k", "scopes": ["read"], "expires_at": "2999-01-01T00:00:00Z"});
    let made = make(&server, "api-keys", &admin, &body).await;
    let key = made["key"].as_str().unwrap();
    assert_eq!(server.get("scans", key).await.status, 200);
    sqlx::query("update api_keys set created_at = now() - interval '2 days', expires_at = now()")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(server.get("scans", key).await.refusal(), (401, "unauthorized".to_owned()));
}
