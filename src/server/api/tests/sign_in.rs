//! Signing in with a browser: what it leaves, and what does not get in.

use evidence::org::{Plan, Role};
use serde_json::json;
use sqlx::PgPool;
use url::Url;

use super::harness::{Answer, Server};
use super::visitor::Visitor;

const SESSION: &str = "driftpack_session";

/// The begun sign-in of a browser: where the issuer would have it come back to, with its code.
async fn callback(server: &Server, visitor: &mut Visitor, email: &str) -> Url {
    let begun = visitor.open(&format!("{}/login", server.address())).await;
    visitor.choose(begun.header("location"), email).await.parse().unwrap()
}

fn changed(url: &Url, name: &str, value: &str) -> String {
    let mut changed = url.clone();
    let others: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(known, _)| known != name)
        .map(|(k, v)| (k.into(), v.into()))
        .collect();
    changed.query_pairs_mut().clear().extend_pairs(others).append_pair(name, value);
    changed.into()
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

#[sqlx::test(migrations = false)]
async fn a_person_signs_in_and_comes_back_to_where_they_were(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let mut visitor = Visitor::new();
    let to = format!("{}/login?return_to=/api/v2/me%3Fx=1", server.address());
    let begun = visitor.open(&to).await;
    let asked = Url::parse(begun.header("location")).unwrap();
    let asked: std::collections::BTreeMap<_, _> = asked.query_pairs().into_owned().collect();
    assert_eq!(asked["response_type"], "code");
    assert_eq!(asked["code_challenge_method"], "S256");
    assert_eq!(asked["redirect_uri"], format!("{}/login/callback", server.address()));
    let callback = visitor.choose(begun.header("location"), "Jo@acme.example").await;
    let done = visitor.open(&callback).await;
    assert_eq!(done.header("location"), "/api/v2/me?x=1");
    let cookies: Vec<_> =
        done.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    let session = cookies.iter().find(|line| line.starts_with(SESSION)).unwrap();
    assert!(session.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{session}");

    let me = visitor.open(&format!("{}/api/v2/me", server.address())).await;
    assert_eq!(me.status, 200, "{me:?}");
    assert_eq!(me.json()["user"]["email"], "Jo@acme.example");
    assert_eq!(me.json()["orgs"], json!([]));
}

#[sqlx::test(migrations = false)]
async fn the_database_holds_nothing_that_signs_anybody_in(pool: PgPool) {
    let server = Server::start(pool.clone(), Plan::Enterprise).await;
    let mut visitor = Visitor::new();
    visitor.sign_in(server.address(), "jo@acme.example").await;
    let rows: Vec<String> =
        sqlx::query_scalar("select sessions::text from sessions").fetch_all(&pool).await.unwrap();
    assert_eq!(rows.len(), 1);
    let secret = visitor.cookie(server.address(), SESSION).unwrap();
    let bytes = crate::auth::SessionId::parse(secret).unwrap();
    assert!(rows[0].contains(&hex::encode(bytes.hash())), "{rows:?}");
    assert!(!rows[0].contains(secret), "{rows:?}");
}

#[sqlx::test(migrations = false)]
async fn each_sign_in_gives_a_fresh_session_and_ends_the_one_before(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let me = format!("{}/api/v2/me", server.address());
    let mut visitor = Visitor::new();
    let planted = crate::auth::SessionId::new([9; 32]).reveal();
    visitor.set_cookie(server.address(), SESSION, &planted);
    visitor.sign_in(server.address(), "jo@acme.example").await;
    let first = visitor.cookie(server.address(), SESSION).unwrap().to_owned();
    assert_ne!(first, planted, "nobody can choose somebody's session");
    visitor.sign_in(server.address(), "jo@acme.example").await;
    assert_ne!(visitor.cookie(server.address(), SESSION).unwrap(), first);
    assert_eq!(visitor.open(&me).await.status, 200);
    for old in [first, planted] {
        let mut thief = Visitor::new();
        thief.set_cookie(server.address(), SESSION, &old);
        assert_eq!(thief.open(&me).await.refusal(), (401, "unauthorized".to_owned()));
    }
}

#[sqlx::test(migrations = false)]
async fn one_process_begins_another_finishes_and_a_third_knows_the_session(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let (second, _stop) = server.second().await;
    let mut visitor = Visitor::new();
    let begun = visitor.open(&format!("{}/login", server.address())).await;
    let cookie = visitor.cookie(server.address(), "driftpack_sign_in").unwrap().to_owned();
    let callback = visitor.choose(begun.header("location"), "jo@acme.example").await;
    visitor.set_cookie(&second, "driftpack_sign_in", &cookie);
    let done = visitor.open(&callback.replace(server.address(), &second)).await;
    assert_eq!(done.status, 303, "{done:?}");
    let session = visitor.cookie(&second, SESSION).unwrap().to_owned();
    visitor.set_cookie(server.address(), SESSION, &session);
    assert_eq!(visitor.open(&format!("{}/api/v2/me", server.address())).await.status, 200);
}

#[sqlx::test(migrations = false)]
async fn two_tabs_sign_in_at_once(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let mut visitor = Visitor::new();
    let first = callback(&server, &mut visitor, "jo@acme.example").await;
    let second = callback(&server, &mut visitor, "jo@acme.example").await;
    assert_eq!(visitor.open(first.as_str()).await.status, 303);
    assert_eq!(visitor.open(second.as_str()).await.status, 303);
}

#[sqlx::test(migrations = false)]
async fn a_callback_that_this_browser_did_not_begin_signs_nobody_in(pool: PgPool) {
    let server = Server::start(pool.clone(), Plan::Enterprise).await;
    let (mut visitor, mut thief) = (Visitor::new(), Visitor::new());
    let mine = callback(&server, &mut visitor, "jo@acme.example").await;
    let theirs = callback(&server, &mut thief, "thief@acme.example").await;
    let value = |url: &Url, name: &str| {
        url.query_pairs().find(|(known, _)| known == name).unwrap().1.into_owned()
    };
    let base = format!("{}/login/callback", server.address());
    let cases = [
        ("another browser's", theirs.to_string()),
        ("another browser's code", changed(&mine, "code", &value(&theirs, "code"))),
        ("another browser's state", changed(&mine, "state", &value(&theirs, "state"))),
        ("no state", changed(&mine, "state", "")),
        ("an invented code", changed(&mine, "code", "invented")),
        ("no code", changed(&mine, "code", "")),
        ("another issuer", changed(&mine, "iss", "https://evil.example")),
        ("a refusal", changed(&mine, "error", "access_denied")),
        ("two codes", format!("{mine}&code=x")),
        ("nothing", base),
    ];
    for (what, address) in cases {
        let answer = visitor.open(&address).await;
        assert_eq!(answer.status, 401, "{what}: {}", text(&answer));
        assert!(answer.header("content-type").starts_with("text/html"), "{what}");
        assert!(text(&answer).contains("Begin again at /login"), "{what}: {}", text(&answer));
        assert!(visitor.cookie(server.address(), SESSION).is_none(), "{what}");
    }
    let mut cookieless = Visitor::new();
    assert_eq!(cookieless.open(mine.as_str()).await.status, 401, "the cookie is missing");
    let count = sqlx::query_scalar::<_, i64>("select count(*) from sessions");
    assert_eq!(count.fetch_one(&pool).await.unwrap(), 0);
    // None of it has used up what the browser itself began.
    assert_eq!(visitor.open(mine.as_str()).await.status, 303);
    assert_eq!(visitor.open(mine.as_str()).await.status, 401, "a code is good once");
}

#[sqlx::test(migrations = false)]
async fn what_the_issuer_says_is_not_repeated_on_the_page(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let mut visitor = Visitor::new();
    let mine = callback(&server, &mut visitor, "jo@acme.example").await;
    let answer = visitor.open(&changed(&mine, "error", "<script>alert(1)</script>")).await;
    assert_eq!(answer.status, 401);
    assert!(!text(&answer).contains("script"), "{}", text(&answer));
}

#[sqlx::test(migrations = false)]
async fn a_sign_in_leads_to_no_other_host(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    for wanted in
        ["https://evil.example", "//evil.example", "/%5Cevil.example", "/%09/evil.example"]
    {
        let mut visitor = Visitor::new();
        let begun = visitor.open(&format!("{}/login?return_to={wanted}", server.address())).await;
        let callback = visitor.choose(begun.header("location"), "jo@acme.example").await;
        let done = visitor.open(&callback).await;
        assert_eq!(done.header("location"), "/", "{wanted}");
    }
}

#[sqlx::test(migrations = false)]
async fn signing_out_ends_the_session_here_and_asks_the_issuer_to_end_its_own(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    let base = server.address().to_owned();
    let mut visitor = Visitor::new();
    visitor.sign_in(&base, "jo@acme.example").await;
    let session = visitor.cookie(&base, SESSION).unwrap().to_owned();
    let id_token = visitor.cookie(&base, "driftpack_id_token").unwrap().to_owned();
    let token = visitor.csrf_token(&base).await;
    let out = visitor.post(&format!("{base}/logout"), &[("csrf_token", &token)]).await;
    assert_eq!(out.status, 303, "{out:?}");
    let to = Url::parse(out.header("location")).unwrap();
    assert!(to.as_str().starts_with(&format!("{}/end?", server.issuer())), "{to}");
    assert!(to.query_pairs().any(|(name, value)| name == "id_token_hint" && value == id_token));
    let back = visitor.open(to.as_str()).await;
    assert_eq!(back.header("location"), format!("{base}/logout"));
    assert!(text(&visitor.open(&format!("{base}/logout")).await).contains("Not signed in"));
    assert_eq!(visitor.cookie(&base, SESSION), None);
    visitor.set_cookie(&base, SESSION, &session);
    assert_eq!(visitor.open(&format!("{base}/api/v2/me")).await.status, 401);
}

#[sqlx::test(migrations = false)]
async fn a_page_greets_whoever_is_signed_in_and_escapes_what_they_are_called(pool: PgPool) {
    let server = Server::start(pool, Plan::Enterprise).await;
    server.member(Role::Owner).await;
    let mut visitor = Visitor::new();
    visitor.sign_in(server.address(), "<b>jo</b>@acme.example").await;
    let page = visitor.open(&format!("{}/logout", server.address())).await;
    assert!(text(&page).contains("&lt;b&gt;jo"), "{}", text(&page));
    assert_eq!(page.header("referrer-policy"), "same-origin");
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
}
