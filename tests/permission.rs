//! Every operation of the contract, called as everybody, against `openapi/PERMISSIONS.md`.
//!
//! Invariant: whoever is let in asks for something that is not there or sends nothing, so that the walk changes nothing.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::Value;
use tests::app::{App, Person};
use tests::http::{Answer, Client, send};
use tests::sql;

/// The table of the document: of each operation what each caller gets to see.
#[derive(Debug, PartialEq, Eq)]
struct Table {
    callers: Vec<String>,
    /// By operation id: `METHOD /path`, and the cells.
    rows: BTreeMap<String, (String, Vec<String>)>,
}

/// Operation, call and right come first.
const CALLERS_FROM: usize = 3;

impl Table {
    fn read(text: &str) -> Self {
        let mut lines = text.lines().filter(|line| line.starts_with("| "));
        let callers = cells(lines.next().expect("the table has a header"));
        let mut rows = BTreeMap::new();
        for line in text.lines().skip_while(|line| !line.starts_with("|---|")).skip(1) {
            if line.is_empty() {
                break;
            }
            let cells = cells(line);
            assert_eq!(cells.len(), callers.len(), "{line}");
            let call = cells[1].trim_matches('`').to_owned();
            let row = (call, cells[CALLERS_FROM..].to_vec());
            assert!(rows.insert(cells[0].clone(), row).is_none(), "two rows: {line}");
        }
        Self { callers: callers[CALLERS_FROM..].to_vec(), rows }
    }
}

fn cells(line: &str) -> Vec<String> {
    line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

fn document() -> Table {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi/PERMISSIONS.md");
    Table::read(&std::fs::read_to_string(path).unwrap())
}

/// Operation id, method and path of everything that the running system says it has.
async fn operations(app: &App) -> Vec<(String, String, String)> {
    let contract = app.http.root(&app.base, "/openapi.json").await.expect(200);
    let mut found = Vec::new();
    for (path, methods) in contract["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            found.push((id, method.to_uppercase(), path.clone()));
        }
    }
    found
}

/// The credentials of each column.
fn credentials(app: &App) -> BTreeMap<&'static str, String> {
    let expired = app.run(&["dev", "token", "--email", "owner@acme.example", "--hours", "-2"]);
    let (revoked_id, revoked) = app.api_key_of("acme", "read,write");
    app.run(&["admin", "api-key", "revoke", "--org", "acme", "--id", &revoked_id]);
    let (old_id, old) = app.api_key_of("acme", "read,write");
    let past = "created_at = now() - interval '2 days', expires_at = now() - interval '1 second'";
    sql::query(&app.database, &format!("update api_keys set {past} where id = '{old_id}'"));
    app.create_org("rival", "enterprise");
    [
        ("no credentials", String::new()),
        ("expired token", expired.trim().to_owned()),
        ("revoked key", revoked),
        ("expired key", old),
        ("another org's owner", app.token_of("rival", Person::Owner)),
        ("another org's key", app.api_key_of("rival", "read,write").1),
        ("viewer", app.token(Person::Viewer)),
        ("member", app.token(Person::Member)),
        ("admin", app.token(Person::Admin)),
        ("owner", app.token(Person::Owner)),
        ("read key", app.api_key("read")),
        ("write key", app.api_key("write")),
        ("platform admin", app.platform_admin()),
    ]
    .into()
}

/// The path with what it asks for filled in: the organisation `acme`, and otherwise what is not there.
fn filled(app: &App, path: &str) -> String {
    let part = |part: &str| match part {
        "{org_id}" => app.org.clone(),
        "{name}" => "no-such-schedule".to_owned(),
        part if part.starts_with('{') => "0198c2f0-0000-7000-8000-000000000000".to_owned(),
        part => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// An answer in the words of the document.
fn outcome(answer: &Answer) -> String {
    match answer.status {
        401 => "401".to_owned(),
        403 => "403".to_owned(),
        404 if answer.error() == "org_not_found" => "404".to_owned(),
        // 402 would say that the organisation of this test lacks a plan; then a role might never have been looked at.
        402 | 405 | 429 | 500.. => format!("{} {}", answer.status, answer.error()),
        404 if answer.error() == "route_not_found" => "no such route".to_owned(),
        _ => "yes".to_owned(),
    }
}

#[tokio::test]
async fn everybody_may_call_what_the_document_of_permissions_says_and_nothing_else() {
    let app = App::start().await;
    let (table, credentials) = (document(), credentials(&app));
    assert_eq!(
        table.callers.iter().map(String::as_str).collect::<std::collections::BTreeSet<_>>(),
        credentials.keys().copied().collect(),
        "a column without credentials, or the other way round"
    );
    let client = Client::new(&app.base);
    let operations = operations(&app).await;
    let (mut asked, mut wrong) = (0, Vec::new());
    for (id, method, path) in &operations {
        let (call, cells) = table
            .rows
            .get(id)
            .unwrap_or_else(|| panic!("{id} ({method} {path}) is not in openapi/PERMISSIONS.md"));
        assert_eq!(call, &format!("{method} {path}"), "{id}");
        for (caller, expected) in table.callers.iter().zip(cells) {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let token = &credentials[caller.as_str()];
            let answer = send(client.request(method, &filled(&app, path), token)).await;
            asked += 1;
            let found = outcome(&answer);
            if found != *expected {
                wrong.push(format!("{call} as {caller}: {expected} is documented, {found} came"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {asked} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(table.rows.len(), operations.len(), "the document has rows of nothing");
    assert_eq!(asked, operations.len() * credentials.len());
}

#[tokio::test]
async fn an_api_key_says_the_same_in_its_own_header_as_in_a_bearer_token() {
    let app = App::start().await;
    let client = Client::new(&app.base);
    for (scopes, path, status) in [("read", "findings", 200), ("write", "findings", 403)] {
        let key = app.api_key(scopes);
        let path = format!("/api/v2{}", app.path(path));
        let request = client.request(Method::GET, &path, "").header("x-api-key", &key);
        assert_eq!(send(request).await.status, status, "{scopes}");
        assert_eq!(client.get(&path, &key).await.status, status, "{scopes}");
    }
}

#[tokio::test]
async fn what_is_taken_away_is_gone_with_the_next_request() {
    let app = App::start().await;
    let (owner, admin) = (app.token(Person::Owner), app.token(Person::Admin));
    let body = serde_json::json!({"name": "ci", "scopes": ["read"]});
    let made = app.http.post(&app.path("api-keys"), &admin, &body).await.expect(201);
    let key = made["key"].as_str().unwrap();
    app.http.get(&app.path("scans"), key).await.expect(200);
    let id = made["api_key"]["id"].as_str().unwrap();
    app.http.delete(&app.path(&format!("api-keys/{id}")), &admin).await.expect(204);
    assert_eq!(app.http.get(&app.path("scans"), key).await.status, 401);

    let me = app.http.get("/me", &admin).await.expect(200)["user"]["id"].clone();
    let member = app.path(&format!("members/{}", me.as_str().unwrap()));
    let lowered = serde_json::json!({"role": "viewer"});
    app.http.patch(&member, &owner, &lowered).await.expect(200);
    let refused = app.http.post(&app.path("api-keys"), &admin, &body).await;
    assert_eq!((refused.status, refused.error().as_str()), (403, "role_required"));
    app.http.get(&app.path("scans"), &admin).await.expect(200);
    app.http.delete(&member, &owner).await.expect(204);
    let refused = app.http.get(&app.path("scans"), &admin).await;
    assert_eq!((refused.status, refused.error().as_str()), (404, "org_not_found"));
    let orgs = app.http.get("/me", &admin).await.expect(200)["orgs"].clone();
    assert_eq!(orgs, Value::Array(vec![]));
}

#[tokio::test]
async fn an_invited_person_is_a_member_from_their_first_request_on() {
    let app = App::start().await;
    let owner = app.token(Person::Owner);
    let body = serde_json::json!({"email": "New@Acme.example", "role": "member"});
    let made = app.http.post(&app.path("invitations"), &owner, &body).await.expect(201);
    assert_eq!(made["status"], "pending");
    let token = app.run(&["dev", "token", "--email", "new@acme.example"]).trim().to_owned();
    let me = app.http.get("/me", &token).await.expect(200);
    assert_eq!(
        (&me["orgs"][0]["slug"], &me["orgs"][0]["role"]),
        (&"acme".into(), &"member".into())
    );
    app.http.get(&app.path("findings"), &token).await.expect(200);
    let path = app.path(&format!("invitations/{}", made["id"].as_str().unwrap()));
    let ended = app.http.get(&path, &owner).await.expect(200);
    assert_eq!((&ended["status"], &ended["accepted_by"]), (&"accepted".into(), &me["user"]["id"]));
    let verified = app.http.get(&app.path("audit-log/verify"), &owner).await.expect(200);
    assert_eq!(verified["status"], "ok");
}
