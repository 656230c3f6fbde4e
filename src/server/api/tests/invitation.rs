//! Invitations: who becomes a member by one, and who does not.

use evidence::org::{Plan, Role};
use poem::http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::harness::{Answer, Server, send};

async fn invite(server: &Server, token: &str, sub: &str, role: &str) -> Answer {
    let body = json!({"email": format!("{sub}@example.com"), "role": role});
    server.call(Method::POST, "invitations", token, &body).await
}

/// What the person is in `acme`, by what they are told themselves.
async fn role(server: &Server, token: &str) -> Value {
    let me = send(server.request(Method::GET, "/api/v2/me").bearer_auth(token)).await;
    assert_eq!(me.status, 200, "{me:?}");
    me.json()["orgs"][0]["role"].clone()
}

async fn status(server: &Server, token: &str, id: &Value) -> Value {
    let path = format!("invitations/{}", id.as_str().unwrap());
    server.get(&path, token).await.json()["status"].clone()
}

#[sqlx::test(migrations = false)]
async fn a_verified_address_makes_its_owner_a_member_with_the_next_request(pool: PgPool) {
    let server = Server::start(pool, Plan::Team).await;
    let (_, admin) = server.person("adam", Role::Admin).await;
    let known = server.token("known");
    assert_eq!(role(&server, &known).await, Value::Null, "signed in before, and no member");
    for (sub, token) in [("NEW", server.token("new")), ("known", known)] {
        let made = invite(&server, &admin, sub, "member").await;
        assert_eq!(made.status, 201, "{made:?}");
        let id = made.json()["id"].clone();
        let stranger = server.token(&format!("x{sub}"));
        assert_eq!(role(&server, &stranger).await, Value::Null);
        let unverified = server.unverified_token(&sub.to_lowercase());
        assert_eq!(role(&server, &unverified).await, Value::Null, "anybody could say so");
        assert_eq!(status(&server, &admin, &id).await, "pending");
        assert_eq!(role(&server, &token).await, "member");
        assert_eq!(status(&server, &admin, &id).await, "accepted");
    }
    let actions = server.actions().await;
    assert_eq!(
        actions[actions.len() - 3..],
        ["member.invited", "member.invitation_accepted", "member.added"]
    );
    let entries = server.entries().await;
    assert!(!entries.iter().any(|entry| entry.canonical.contains("example.com")));
}

#[sqlx::test(migrations = false)]
async fn two_first_requests_at_once_accept_an_invitation_once(pool: PgPool) {
    let server = Server::start(pool, Plan::Team).await;
    let (_, admin) = server.person("adam", Role::Admin).await;
    invite(&server, &admin, "new", "viewer").await;
    let token = server.token("new");
    let asked = (0..8).map(|_| role(&server, &token));
    let roles = futures_util::future::join_all(asked).await;
    assert_eq!(roles, vec![json!("viewer"); 8]);
    let accepted = |action: &&String| *action == "member.invitation_accepted";
    assert_eq!(server.actions().await.iter().filter(accepted).count(), 1);
}

#[sqlx::test(migrations = false)]
async fn one_who_is_a_member_already_stays_what_they_are(pool: PgPool) {
    let server = Server::start(pool, Plan::Team).await;
    let (_, owner) = server.person("olivia", Role::Owner).await;
    // Known without an address so far, so that nobody can see that they are a member.
    let (_, admin) = server.person("adam", Role::Admin).await;
    let made = invite(&server, &owner, "adam", "viewer").await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(role(&server, &admin).await, "admin");
    assert_eq!(status(&server, &owner, &made.json()["id"]).await, "accepted");
    let again = invite(&server, &owner, "adam", "viewer").await;
    assert_eq!(again.refusal(), (409, "taken".to_owned()));
}

#[sqlx::test(migrations = false)]
async fn an_invitation_ends_by_being_revoked_by_its_time_and_with_the_rights_of_its_giver(
    pool: PgPool,
) {
    let server = Server::start(pool, Plan::Team).await;
    let (_, owner) = server.person("olivia", Role::Owner).await;
    let (second, second_token) = server.person("otto", Role::Owner).await;
    let id = async |token: &str, sub: &str, role: &str| {
        invite(&server, token, sub, role).await.json()["id"].clone()
    };
    let revoked = id(&owner, "a", "viewer").await;
    for _ in 0..2 {
        let path = format!("invitations/{}", revoked.as_str().unwrap());
        assert_eq!(server.delete(&path, &owner).await.status, 204);
    }
    let by_owner = id(&second_token, "b", "owner").await;
    let by_admin = id(&second_token, "c", "admin").await;
    let path = format!("members/{second}");
    server.call(Method::PATCH, &path, &owner, &json!({"role": "admin"})).await;
    assert_eq!(status(&server, &owner, &by_owner).await, "revoked");
    assert_eq!(status(&server, &owner, &by_admin).await, "pending");
    server.delete(&path, &owner).await;
    assert_eq!(status(&server, &owner, &by_admin).await, "revoked");
    for (sub, invitation) in [("a", &revoked), ("b", &by_owner), ("c", &by_admin)] {
        assert_eq!(role(&server, &server.token(sub)).await, Value::Null, "{sub}");
        assert_eq!(status(&server, &owner, invitation).await, "revoked");
    }
}

#[sqlx::test(migrations = false)]
async fn an_invitation_that_has_expired_opens_nothing_and_can_be_given_again(pool: PgPool) {
    let server = Server::start(pool.clone(), Plan::Team).await;
    let (_, owner) = server.person("olivia", Role::Owner).await;
    let made = invite(&server, &owner, "late", "member").await.json();
    let again = invite(&server, &owner, "late", "member").await;
    assert_eq!(again.refusal(), (409, "taken".to_owned()));
    // Past the trigger that keeps invitations as they were.
    for sql in [
        "alter table invitations disable trigger user",
        "update invitations set created_at = now() - interval '20 days', expires_at = now() - interval '6 days'",
        "alter table invitations enable trigger user",
    ] {
        sqlx::query(sql).execute(&pool).await.unwrap();
    }
    assert_eq!(status(&server, &owner, &made["id"]).await, "expired");
    let token = server.token("late");
    assert_eq!(role(&server, &token).await, Value::Null);
    assert_eq!(invite(&server, &owner, "late", "viewer").await.status, 201);
    assert_eq!(role(&server, &token).await, "viewer");
    assert_eq!(status(&server, &owner, &made["id"]).await, "expired");
    let list = server.get("invitations", &owner).await.json();
    assert_eq!(
        (&list["total"], &list["invitations"][0]["status"]),
        (&json!(2), &json!("accepted"))
    );
}

#[sqlx::test(migrations = false)]
async fn what_is_no_invitation_is_refused_by_name(pool: PgPool) {
    let server = Server::start(pool, Plan::Team).await;
    let (_, owner) = server.person("olivia", Role::Owner).await;
    let (_, admin) = server.person("adam", Role::Admin).await;
    let long = format!("{}@example.com", "a".repeat(250));
    for (token, body, status, code) in [
        (&admin, json!({"email": "a@b.c", "role": "owner"}), 403, "role_required"),
        (&owner, json!({"email": "nobody", "role": "viewer"}), 422, "invalid_value"),
        (&owner, json!({"email": "a@", "role": "viewer"}), 422, "invalid_value"),
        (&owner, json!({"email": "a@b@c", "role": "viewer"}), 422, "invalid_value"),
        (&owner, json!({"email": "a b@c.d", "role": "viewer"}), 422, "invalid_value"),
        (&owner, json!({"email": "a\u{0}@c.d", "role": "viewer"}), 422, "invalid_value"),
        (&owner, json!({"email": long, "role": "viewer"}), 422, "invalid_value"),
        (&owner, json!({"email": "a@b.c", "role": "boss"}), 422, "invalid_body"),
        (
            &owner,
            json!({"email": "a@b.c", "role": "viewer", "expires_in_days": 0}),
            422,
            "invalid_value",
        ),
        (
            &owner,
            json!({"email": "a@b.c", "role": "viewer", "expires_in_days": 91}),
            422,
            "invalid_value",
        ),
        (
            &owner,
            json!({"email": "a@b.c", "role": "viewer", "expires_in_days": null}),
            422,
            "invalid_body",
        ),
        (&owner, json!({"email": "a@b.c", "role": "viewer", "x": 1}), 422, "invalid_body"),
    ] {
        let refused = server.call(Method::POST, "invitations", token, &body).await;
        assert_eq!(refused.refusal(), (status, code.to_owned()), "{body}");
    }
}

#[sqlx::test(migrations = false)]
async fn an_organisation_whose_log_is_damaged_keeps_nobody_out_of_the_others(pool: PgPool) {
    let server = Server::start(pool.clone(), Plan::Team).await;
    let (_, owner) = server.person("olivia", Role::Owner).await;
    invite(&server, &owner, "new", "member").await;
    let mut tx = server.pool.begin().await.unwrap();
    let cause = super::harness::cause();
    let other = db::orgs::create(&mut tx, "other", "Other", Plan::Team, &cause).await.unwrap().id;
    tx.commit().await.unwrap();
    sqlx::query(
        "insert into memberships (org_id, user_id, role, created_at, updated_at)
         select $1, user_id, role, created_at, updated_at from memberships",
    )
    .bind(other.0)
    .execute(&pool)
    .await
    .unwrap();
    let path = format!("/api/v2/orgs/{other}/invitations");
    let body = json!({"email": "new@example.com", "role": "viewer"});
    let made = send(server.request(Method::POST, &path).bearer_auth(&owner).json(&body)).await;
    assert_eq!(made.status, 201, "{made:?}");
    for sql in [
        "alter table audit_chain_heads disable trigger user",
        "update audit_chain_heads set seq = 1, hash = sha256('x') where chain = $1",
    ] {
        let query = sqlx::query(sql);
        let query = if sql.contains("$1") { query.bind(server.org.0) } else { query };
        query.execute(&pool).await.unwrap();
    }
    let me = send(server.request(Method::GET, "/api/v2/me").bearer_auth(server.token("new"))).await;
    assert_eq!(me.status, 200, "{me:?}");
    assert_eq!(me.json()["orgs"].as_array().unwrap().len(), 1);
    assert_eq!(me.json()["orgs"][0]["slug"], "other");
}
