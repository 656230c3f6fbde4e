//! The development issuer over HTTP: what its page and its token endpoint refuse.

use poem::http::Method;
use reqwest::Response;
use reqwest::redirect::Policy;
use tokio_util::sync::DropGuard;
use url::Url;

use super::*;

const BASE: &str = "http://127.0.0.1:8420";
const CALLBACK: &str = "http://127.0.0.1:8420/login/callback";
// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

struct Running {
    address: String,
    http: reqwest::Client,
    _stop: DropGuard,
}

impl Running {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let issuer = Issuer::new(&address, &[Key::generate([1; 32]).unwrap()], false).unwrap();
        tokio::spawn(issuer.with_client(Client::of(BASE)).serve(listener, stop.clone()));
        let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { address, http, _stop: stop.drop_guard() }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        form: &[(&str, &str)],
        host: Option<&str>,
    ) -> Response {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let address = format!("{}{path}", self.address);
        let mut request = if method == Method::GET {
            self.http.get(format!("{address}?{form}"))
        } else {
            self.http.post(address).body(form)
        };
        if let Some(host) = host {
            request = request.header("host", host);
        }
        request.send().await.unwrap()
    }

    /// A code for somebody.
    async fn code(&self) -> String {
        let answer = self
            .send(Method::POST, "/authorize", &ask(&[("email", "Jo@acme.example")]), None)
            .await;
        let to: Url = answer.headers()["location"].to_str().unwrap().parse().unwrap();
        to.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned()
    }

    async fn redeem(&self, changes: &[(&'static str, &'static str)], code: &str) -> (u16, Value) {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("client_id", Client::ID),
            ("code_verifier", VERIFIER),
        ];
        replace(&mut form, changes);
        let answer = self.send(Method::POST, "/token", &form, None).await;
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

fn ask<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut form = vec![
        ("client_id", Client::ID),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid email"),
        ("state", "\"><script>"),
        ("nonce", "n"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    replace(&mut form, changes);
    form
}

fn replace<'a>(form: &mut Vec<(&'a str, &'a str)>, changes: &[(&'a str, &'a str)]) {
    form.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    form.extend(changes);
}

#[tokio::test]
async fn a_code_goes_to_the_client_alone_and_only_with_pkce() {
    let running = Running::start().await;
    for (what, changes) in [
        ("another client", ("client_id", "other")),
        ("another address", ("redirect_uri", "https://evil.example/")),
        (
            "an address that begins alike",
            ("redirect_uri", "http://127.0.0.1:8420/login/callback/x"),
        ),
        ("no e-mail address", ("email", "jo")),
        ("two lines", ("email", "jo@acme.example\nx")),
    ] {
        let form = ask(&[("email", "jo@acme.example"), changes]);
        let mut form = form;
        replace(&mut form, &[changes]);
        let answer = running.send(Method::POST, "/authorize", &form, None).await;
        assert_eq!(answer.status(), 400, "{what}");
        assert!(!answer.headers().contains_key("location"), "{what}");
    }
    for (changes, error) in [
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("response_type", "token"), "unsupported_response_type"),
        (("scope", "email"), "invalid_scope"),
    ] {
        let answer = running.send(Method::GET, "/authorize", &ask(&[changes]), None).await;
        let to = answer.headers()["location"].to_str().unwrap();
        assert!(to.starts_with(&format!("{CALLBACK}?error={error}&")), "{to}");
    }
}

#[tokio::test]
async fn the_page_escapes_and_is_nobody_elses() {
    let running = Running::start().await;
    let page = running.send(Method::GET, "/authorize", &ask(&[]), None).await;
    assert_eq!(page.status(), 200);
    let text = page.text().await.unwrap();
    assert!(text.contains("&gt;&lt;script&gt;") && !text.contains("<script>"), "{text}");
    for path in ["/authorize", "/end"] {
        let answer = running.send(Method::GET, path, &ask(&[]), Some("rebound.example")).await;
        assert_eq!(answer.status(), 400, "{path}");
    }
}

#[tokio::test]
async fn a_code_is_good_once_and_with_its_secret() {
    let running = Running::start().await;
    let code = running.code().await;
    let (status, tokens) = running.redeem(&[], &code).await;
    assert_eq!((status, tokens["token_type"].as_str()), (200, Some("Bearer")));
    assert_eq!(running.redeem(&[], &code).await.1["error"], "invalid_grant");

    let code = running.code().await;
    let wrong = running.redeem(&[("code_verifier", "wrong")], &code).await;
    assert_eq!((wrong.0, &wrong.1["error"]), (400, &json!("invalid_grant")));
    assert_eq!(running.redeem(&[], &code).await.1["error"], "invalid_grant", "it is gone");

    for (change, error) in [
        (("client_id", "other"), "invalid_client"),
        (("grant_type", "password"), "unsupported_grant_type"),
        (("redirect_uri", "https://evil.example/"), "invalid_grant"),
    ] {
        let code = running.code().await;
        assert_eq!(running.redeem(&[change], &code).await.1["error"], error);
    }
}

#[tokio::test]
async fn a_sign_out_leads_to_the_client_alone() {
    let running = Running::start().await;
    let to = [("post_logout_redirect_uri", "http://127.0.0.1:8420/logout"), ("state", "s")];
    let answer = running.send(Method::GET, "/end", &to, None).await;
    assert_eq!(answer.headers()["location"], "http://127.0.0.1:8420/logout?state=s");
    let to = [("post_logout_redirect_uri", "https://evil.example/")];
    assert_eq!(running.send(Method::GET, "/end", &to, None).await.status(), 400);
}
