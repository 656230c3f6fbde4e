//! Organisations in the hands of platform administrators.

use evidence::org::{Plan, Role};
use poem::http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::harness::{Answer, Server, send};

async fn post(server: &Server, token: &str, body: &Value) -> Answer {
    send(server.request(Method::POST, "/api/v2/admin/orgs").bearer_auth(token).json(body)).await
}

async fn patch(server: &Server, token: &str, org: &str, body: &Value) -> Answer {
    let path = format!("/api/v2/admin/orgs/{org}");
    send(server.request(Method::PATCH, &path).bearer_auth(token).json(body)).await
}

/// Actions of the platform's audit log.
async fn platform_actions(server: &Server, token: &str) -> Vec<String> {
    let log = server.request(Method::GET, "/api/v2/admin/audit-log").bearer_auth(token);
    let entries = send(log).await.json()["entries"].as_array().unwrap().clone();
    entries.iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
}

#[sqlx::test(migrations = false)]
async fn platform_admins_make_organisations_and_change_their_plans_on_record(pool: PgPool) {
    let server = Server::start(pool.clone(), Plan::Team).await;
    let owner = server.member(Role::Owner).await;
    let draft = json!({"slug": "rival", "name": "Rival", "plan": "free"});
    let org = server.org.to_string();
    for refused in [
        post(&server, &owner, &draft).await,
        patch(&server, &owner, &org, &json!({"plan": "enterprise"})).await,
    ] {
        assert_eq!(refused.refusal(), (403, "platform_admin_required".to_owned()));
    }
    sqlx::query("update users set is_platform_admin = true").execute(&pool).await.unwrap();

    let made = post(&server, &owner, &draft).await;
    assert_eq!((made.status, &made.json()["plan"]), (201, &json!("free")), "{made:?}");
    for plan in ["enterprise", "enterprise"] {
        let changed = patch(&server, &owner, &org, &json!({ "plan": plan })).await;
        assert_eq!((changed.status, &changed.json()["plan"]), (200, &json!(plan)));
    }
    let changes = |actions: Vec<String>| {
        actions.into_iter().filter(|action| action.starts_with("org.")).collect::<Vec<_>>()
    };
    assert_eq!(changes(server.actions().await), ["org.created", "org.plan_changed"]);
    assert_eq!(
        changes(platform_actions(&server, &owner).await),
        ["org.created", "org.created", "org.plan_changed"]
    );
}

#[sqlx::test(migrations = false)]
async fn what_is_no_organisation_is_refused_by_name(pool: PgPool) {
    let server = Server::start(pool.clone(), Plan::Team).await;
    let admin = server.member(Role::Owner).await;
    sqlx::query("update users set is_platform_admin = true").execute(&pool).await.unwrap();
    for (body, status, code) in [
        (json!({"slug": "acme", "name": "Acme", "plan": "free"}), 409, "taken"),
        (json!({"slug": "A b", "name": "Acme", "plan": "free"}), 422, "invalid_value"),
        (json!({"slug": "a", "name": "a\0b", "plan": "free"}), 422, "invalid_value"),
        (json!({"slug": "a", "name": "A", "plan": "gold"}), 422, "invalid_body"),
        (json!({"slug": "a", "name": "A", "plan": "free", "x": 1}), 422, "invalid_body"),
        (json!({"slug": 7, "name": "A", "plan": "free"}), 422, "invalid_body"),
    ] {
        let refused = post(&server, &admin, &body).await;
        assert_eq!(refused.refusal(), (status, code.to_owned()), "{body}");
    }
    for org in ["nonsense", "00000000-0000-0000-0000-000000000000", &uuid::Uuid::max().to_string()]
    {
        let refused = patch(&server, &admin, org, &json!({"plan": "free"})).await;
        assert_eq!(refused.refusal(), (404, "not_found".to_owned()), "{org}");
    }
}
