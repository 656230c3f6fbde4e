//! Members: who may change whom, and when it holds.

use evidence::org::{Plan, Role, Scope};
use poem::http::Method;
use serde_json::json;
use sqlx::PgPool;

use super::harness::{Server, send};

const OWNERS_ONLY: (u16, &str) = (403, "role_required");

#[sqlx::test(migrations = false)]
async fn only_owners_make_and_remove_owners(pool: PgPool) {
    let server = Server::start(pool, Plan::Team).await;
    let (owner, owner_token) = server.person("olivia", Role::Owner).await;
    let (_, admin) = server.person("adam", Role::Admin).await;
    let (member, _) = server.person("mia", Role::Member).await;
    let patch = async |user: &evidence::ids::UserId, token: &str, role: &str| {
        let path = format!("members/{user}");
        server.call(Method::PATCH, &path, token, &json!({ "role": role })).await
    };
    for refused in [
        patch(&member, &admin, "owner").await,
        patch(&owner, &admin, "viewer").await,
        server.delete(&format!("members/{owner}"), &admin).await,
    ] {
        assert_eq!(refused.refusal(), (OWNERS_ONLY.0, OWNERS_ONLY.1.to_owned()));
        assert_eq!(refused.json()["required"], json!(["owner"]));
    }
    let changed = patch(&member, &admin, "admin").await;
    assert_eq!((changed.status, &changed.json()["role"]), (200, &json!("admin")));
    assert_eq!(patch(&member, &admin, "admin").await.status, 200, "the same again");
    assert_eq!(patch(&member, &owner_token, "owner").await.status, 200);
    assert_eq!(server.delete(&format!("members/{member}"), &owner_token).await.status, 204);
    let nobody = server.delete(&format!("members/{member}"), &owner_token).await;
    assert_eq!(nobody.refusal(), (404, "not_found".to_owned()));
    let actions = server.actions().await;
    assert_eq!(
        actions[actions.len() - 3..],
        ["member.role_changed", "member.role_changed", "member.removed"]
    );
    let list = server.get("members?limit=1&offset=1", &admin).await.json();
    assert_eq!((&list["total"], &list["members"][0]["role"]), (&json!(2), &json!("admin")));
}

#[sqlx::test(migrations = false)]
async fn the_last_owner_can_neither_be_removed_nor_lowered(pool: PgPool) {
    let server = Server::start(pool, Plan::Team).await;
    let (owner, token) = server.person("olivia", Role::Owner).await;
    server.person("adam", Role::Admin).await;
    let path = format!("members/{owner}");
    for refused in [
        server.delete(&path, &token).await,
        server.call(Method::PATCH, &path, &token, &json!({"role": "admin"})).await,
    ] {
        assert_eq!(refused.refusal(), (409, "last_owner".to_owned()));
    }
    assert_eq!(server.get(&path, &token).await.json()["role"], "owner");
}

#[sqlx::test(migrations = false)]
async fn of_owners_who_remove_or_lower_each_other_at_once_one_is_left(pool: PgPool) {
    let server = Server::start(pool, Plan::Team).await;
    let (_, viewer) = server.person("vera", Role::Viewer).await;
    for round in 0..4 {
        let mut owners = Vec::new();
        for n in 0..4 {
            owners.push(server.person(&format!("owner-{round}-{n}"), Role::Owner).await);
        }
        // Each removes the next one, and the ones before lower the ones after; all at once.
        let calls = (0..4).flat_map(|n| {
            let (token, next, last) = (&owners[n].1, owners[(n + 1) % 4].0, owners[(n + 3) % 4].0);
            let lowered = json!({"role": "viewer"});
            let lower = server.of_org(Method::PATCH, &format!("members/{last}"), token);
            [
                send(server.of_org(Method::DELETE, &format!("members/{next}"), token)),
                send(lower.json(&lowered)),
            ]
        });
        let answers = futures_util::future::join_all(calls.collect::<Vec<_>>()).await;
        for answer in &answers {
            assert!(matches!(answer.status, 200 | 204 | 403 | 404 | 409), "{answer:?}");
        }
        let left = server.get("members", &viewer).await.json()["members"].clone();
        let left = left.as_array().unwrap().iter().filter(|one| one["role"] == "owner").count();
        assert!(left >= 1, "round {round}: no owner is left of {answers:?}");
    }
}

#[sqlx::test(migrations = false)]
async fn a_lowered_role_and_a_removal_hold_from_the_next_request_on(pool: PgPool) {
    let server = Server::start(pool, Plan::Team).await;
    let (_, owner) = server.person("olivia", Role::Owner).await;
    let (admin_id, admin) = server.person("adam", Role::Admin).await;
    let path = format!("members/{admin_id}");
    assert_eq!(server.get("audit-log", &admin).await.status, 200);
    server.call(Method::PATCH, &path, &owner, &json!({"role": "member"})).await;
    assert_eq!(server.get("audit-log", &admin).await.refusal(), (403, "role_required".to_owned()));
    assert_eq!(server.get("scans", &admin).await.status, 200);
    assert_eq!(server.delete(&path, &owner).await.status, 204);
    assert_eq!(server.get("scans", &admin).await.refusal(), (404, "org_not_found".to_owned()));
}

#[sqlx::test(migrations = false)]
async fn members_and_keys_are_for_people_to_see(pool: PgPool) {
    let server = Server::start(pool, Plan::Team).await;
    server.person("olivia", Role::Owner).await;
    let (_, viewer) = server.person("vera", Role::Viewer).await;
    let key = server.api_key(&[Scope::Read, Scope::Write]).await;
    for path in ["members", "invitations", "api-keys", "state-sources", "custom-rules"] {
        assert_eq!(server.get(path, &viewer).await.status, 200, "{path}");
        let refused = server.get(path, &key).await;
        assert_eq!(refused.refusal(), (403, "oidc_required".to_owned()), "{path}");
        let strange = server.get(&format!("{path}/nonsense"), &viewer).await;
        assert_eq!(strange.refusal(), (404, "not_found".to_owned()), "{path}");
    }
}
