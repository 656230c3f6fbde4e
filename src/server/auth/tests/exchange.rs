//! The way from a code to a person, against an issuer that answers what the test says.

use poem::endpoint::make;
use poem::http::StatusCode;
use poem::listener::TcpAcceptor;
use poem::{IntoResponse as _, Request, Route, Server, get, post};

use super::*;
use crate::auth::oidc::Client;
use crate::auth::{Grant, Granted};

/// What it answers, and what its token endpoint was sent last.
#[derive(Clone)]
struct Answers {
    token: (u16, Value),
    user_info: (u16, Value),
    methods: Value,
    seen: Arc<std::sync::Mutex<(Option<String>, String)>>,
}

async fn serving(answers: impl FnOnce(&str) -> Answers) -> (String, Answers) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answers = answers(&address);
    let discovery = json!({
        "issuer": address,
        "jwks_uri": format!("{address}/jwks"),
        "token_endpoint": format!("{address}/token"),
        "userinfo_endpoint": format!("{address}/me"),
        "token_endpoint_auth_methods_supported": answers.methods,
    });
    let fixed = |(status, body): (u16, Value)| {
        make(move |_: Request| {
            let answer = (StatusCode::from_u16(status).unwrap(), body.to_string());
            async move { Ok::<_, poem::Error>(answer.into_response()) }
        })
    };
    let (seen, token) = (Arc::clone(&answers.seen), answers.token.clone());
    let token = make(move |mut request: Request| {
        let (seen, (status, body)) = (Arc::clone(&seen), token.clone());
        async move {
            let header = request.header("authorization").map(str::to_owned);
            let form = request.take_body().into_string().await?;
            *seen.lock().unwrap() = (header, form);
            let status = StatusCode::from_u16(status).unwrap();
            Ok::<_, poem::Error>((status, body.to_string()).into_response())
        }
    });
    let app = Route::new()
        .at("/.well-known/openid-configuration", get(fixed((200, discovery))))
        .at("/jwks", get(fixed((200, json!({"keys": [key(1).jwk()]})))))
        .at("/token", post(token))
        .at("/me", get(fixed(answers.user_info.clone())));
    tokio::spawn(Server::new_with_acceptor(TcpAcceptor::from_tokio(listener).unwrap()).run(app));
    (address, answers)
}

fn id_token(address: &str) -> String {
    let claims = json!({
        "iss": address, "aud": "packs", "sub": "alice", "nonce": "n", "exp": now().timestamp() + 600,
    });
    mint(&key(1), &claims).unwrap()
}

fn answers(token: (u16, Value), user_info: (u16, Value)) -> Answers {
    Answers { token, user_info, methods: Value::Null, seen: Arc::default() }
}

fn tokens(address: &str) -> (u16, Value) {
    (200, json!({"id_token": id_token(address), "access_token": "secret-access-token"}))
}

async fn redeem(address: &str, secret: Option<&str>) -> crate::errors::Result<Granted> {
    let client = Client {
        id: "packs".to_owned(),
        secret: secret.map(str::to_owned),
        scopes: Client::SCOPES.to_owned(),
    };
    let grant = Grant {
        client: &client,
        redirect_uri: "https://packs.example/login/callback",
        code: "c&d",
        verifier: "v",
        nonce: "n",
    };
    verifier(address).redeem(&grant, now()).await
}

#[tokio::test]
async fn what_the_id_token_lacks_comes_from_user_info_about_the_same_person() {
    let told = |sub| {
        let email = "alice@example.com";
        json!({"sub": sub, "email": email, "email_verified": true, "name": "Alice"})
    };
    for (user_info, email) in [
        ((200, told("alice")), Some("alice@example.com")),
        ((200, told("mallory")), None),
        ((200, json!({"email": "alice@example.com", "email_verified": true})), None),
        ((200, json!("a signed answer")), None),
        ((403, told("alice")), None),
    ] {
        let (address, _) = serving(|address| answers(tokens(address), user_info.clone())).await;
        let granted = redeem(&address, None).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(granted.identity.sub, "alice");
        assert_eq!(granted.identity.email.as_deref(), email, "{user_info:?}");
    }
}

#[tokio::test]
async fn an_issuer_that_refuses_is_told_from_one_that_is_away() {
    for (token, status) in [
        ((400, json!({"error": "invalid_grant"})), 401),
        ((401, json!("nonsense")), 401),
        ((200, json!({"access_token": "x"})), 401),
        ((200, json!({"id_token": "nonsense"})), 401),
        ((200, json!([1])), 503),
        ((302, json!({})), 503),
        ((500, json!({})), 503),
    ] {
        let (address, _) = serving(|_| answers(token.clone(), (200, json!({})))).await;
        let Err(refused) = redeem(&address, None).await else { panic!("{token:?}") };
        assert_eq!(refused.as_response().status().as_u16(), status, "{token:?}");
    }
    let (address, _) = serving(|address| answers(tokens(address), (500, json!({})))).await;
    let Err(refused) = redeem(&address, None).await else { panic!("without its user info") };
    assert_eq!(refused.as_response().status().as_u16(), 503);
}

#[tokio::test]
async fn the_clients_secret_goes_where_the_issuer_wants_it() {
    let post_only = json!(["client_secret_post"]);
    let both = json!(["client_secret_post", "client_secret_basic"]);
    let secret = "a: b+%";
    for (methods, in_form) in [(Value::Null, false), (both, false), (post_only, true)] {
        let (address, answers) =
            serving(|address| Answers { methods, ..answers(tokens(address), (200, json!({}))) })
                .await;
        assert!(redeem(&address, Some(secret)).await.is_ok());
        let (header, form) = answers.seen.lock().unwrap().clone();
        assert!(form.contains("code=c%26d&") && form.contains("code_verifier=v"), "{form}");
        assert_eq!(form.contains("client_secret=a%3A+b%2B%25"), in_form, "{form}");
        let basic = base64::engine::general_purpose::STANDARD.encode("packs:a%3A+b%2B%25");
        assert_eq!(header, (!in_form).then(|| format!("Basic {basic}")));
    }
}
