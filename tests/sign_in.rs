//! Signing in through a certified provider: by HTTP, and with a real browser.

use reqwest::Method;
use serde_json::{Value, json};
use tests::app::App;
use tests::http::send;
use tests::provider::{OTHER_CLIENT, Provider};
use tests::visitor::{Place, Visitor};
use tests::{setting, sql};

#[tokio::test]
async fn a_person_signs_in_through_a_certified_provider_acts_and_signs_out() {
    let (provider, app) = Provider::with_app().await;
    let mut visitor = Visitor::new();
    let me = format!("{}/api/v2/me", app.base);
    let page = visitor.open(&format!("{}/login?return_to=/api/v2/me", app.base), None).await;
    assert!(page.address.as_str().starts_with(&provider.issuer), "{page:?}");
    let home = visitor.sign_in_as("owner@acme.example", &page, None).await;
    assert_eq!(home.address.as_str(), me);
    let who = home.answer.expect(200);
    assert_eq!(who["user"]["email"], "owner@acme.example", "from the user info");
    assert_eq!(
        (&who["orgs"][0]["slug"], &who["orgs"][0]["role"]),
        (&json!("acme"), &json!("owner"))
    );

    let leave = visitor.open(&format!("{}/logout", app.base), None).await;
    assert!(leave.text().contains("&lt;i&gt;owner@acme.example"), "{}", leave.text());
    let token = leave.between("name=\"csrf_token\" value=\"", "\"");
    request_pack(&app, &visitor, &token).await;

    let asked =
        visitor.submit(&format!("{}/logout", app.base), &[("csrf_token", &token)], None).await;
    assert!(asked.address.as_str().starts_with(&provider.issuer), "{asked:?}");
    let xsrf = asked.between("name=\"xsrf\" value=\"", "\"");
    let action = asked.between("action=\"", "\"");
    let out = visitor.submit(&action, &[("xsrf", &xsrf), ("logout", "yes")], None).await;
    assert_eq!(out.address.as_str(), format!("{}/logout", app.base));
    assert!(out.text().contains("Not signed in"), "{}", out.text());
    visitor.open(&me, None).await.answer.expect(401);
    assert_eq!(sql::number(&app.database, "select count(*) from sessions"), 0);
}

/// A change needs the session's token; with it, an owner requests a pack.
async fn request_pack(app: &App, visitor: &Visitor, token: &str) {
    let path = format!("{}/api/v2/orgs/{}/audit-exports", app.base, app.org).parse().unwrap();
    let period =
        json!({"period_start": "2026-01-01T00:00:00Z", "period_end": "2026-02-01T00:00:00Z"});
    let post = || visitor.request(Method::POST, &path).header("origin", &app.base).json(&period);
    let refused = send(post()).await;
    assert_eq!((refused.status, refused.error().as_str()), (403, "csrf_refused"));
    send(post().header("x-csrf-token", token)).await.expect(202);
}

#[tokio::test]
async fn a_real_browser_signs_in_withstands_another_site_and_signs_out() {
    let (_provider, app) = Provider::with_app().await;
    let out = tokio::process::Command::new("node")
        .args(["browser.mjs", &app.base, "viewer@acme.example", &setting::chromium()])
        .current_dir(setting::oidc_provider())
        .output()
        .await
        .expect("node is installed by the project's set-up");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{said}");
    let seen: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(seen["me"]["user"]["email"], "viewer@acme.example");
    assert_eq!(seen["me"]["orgs"][0]["role"], "viewer");
    assert_eq!(
        seen["cookie"],
        json!({"name": "driftpack_session", "path": "/", "httpOnly": true, "sameSite": "Lax"})
    );
    assert_eq!(seen["script_sees"], "", "no script sees a cookie");
    assert_eq!(seen["after_attack"], 200, "another site's form has signed nobody out");
    assert_eq!(seen["end"]["address"], format!("{}/logout", app.base));
    assert_eq!(seen["end"]["status"], 401);
}

/// What another client of the same provider gets for the person: its ID token.
async fn id_token_of_another_client(provider: &Provider, app: &App) -> String {
    // RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let callback = format!("{}/login/callback", app.base);
    let mut visitor = Visitor::new();
    let ask = format!(
        "{}/auth?client_id={}&redirect_uri={callback}&response_type=code&scope=openid&code_challenge={CHALLENGE}\
         &code_challenge_method=S256&nonce=n",
        provider.issuer, OTHER_CLIENT.0
    );
    let page = visitor.open(&ask, None).await;
    let Place { address, .. } =
        visitor.sign_in_as("owner@acme.example", &page, Some(&callback)).await;
    let code = address.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let form = format!(
        "grant_type=authorization_code&code={code}&redirect_uri={callback}&code_verifier={VERIFIER}"
    );
    let tokens = provider.ask_token(OTHER_CLIENT, &form).await;
    tokens["id_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn tokens_of_a_certified_provider_count_whatever_signs_them_and_others_do_not() {
    let (provider, app) = Provider::with_app().await;
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let token = provider.token(algorithm).await;
        let me = app.http.get("/me", &token).await.expect(200);
        assert_eq!(me["orgs"][0]["role"], "member", "{algorithm}");
        let broken = format!("{}AAAA", &token[..token.len() - 4]);
        app.http.get("/me", &broken).await.expect(401);
    }
    let foreign = id_token_of_another_client(&provider, &app).await;
    let refused = app.http.get("/me", &foreign).await;
    assert_eq!((refused.status, refused.error().as_str()), (401, "unauthorized"));
    assert!(
        refused.json()["message"].as_str().unwrap().contains("another audience"),
        "{refused:?}"
    );
}
