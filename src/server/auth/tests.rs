//! Tokens that must not be believed, against the development issuer over real HTTP.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use evidence::time::Time;
use futures_util::future::join_all;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use poem::error::ResponseError as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::jwks::Pace;
use super::oidc::{Options, Verifier};
use crate::errors::{Denied, Error, Part};
use crate::issuer::{Claims, Issuer, Key, mint};

const AUDIENCE: &str = "driftpack";

fn now() -> Time {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn key(n: u8) -> Key {
    Key::generate([n; 32]).unwrap()
}

/// A development issuer on a port of its own; stops when dropped.
struct Running {
    address: String,
    _stop: DropGuard,
}

async fn issuer(keys: &[Key]) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    tokio::spawn(Issuer::new(&address, keys, false).unwrap().serve(listener, stop.clone()));
    Running { address, _stop: stop.drop_guard() }
}

fn verifier(address: &str) -> Verifier {
    at_pace(address, Pace::default())
}

fn claims(address: &str) -> Value {
    json!({
        "iss": address,
        "aud": AUDIENCE,
        "sub": "alice",
        "email": "alice@example.com",
        "exp": now().timestamp() + 600,
    })
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().remove(name).unwrap();
    claims
}

fn raw(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let part = |value: &Value| BASE64.encode(value.to_string());
    format!("{}.{}.{}", part(header), part(claims), BASE64.encode(signature))
}

/// HS256 under the bytes of a public key: works where the algorithm is taken from the token.
fn hs256(secret: &[u8], kid: &str, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(kid.to_owned());
    encode(&header, claims, &EncodingKey::from_secret(secret)).unwrap()
}

fn signed_as(kid: Option<&str>, key: &Key, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::ES256);
    header.kid = kid.map(str::to_owned);
    let pem = key.to_pem();
    encode(&header, claims, &EncodingKey::from_ec_pem(pem.as_ref().as_bytes()).unwrap()).unwrap()
}

fn forged(address: &str, good: &Key) -> Vec<(&'static str, String)> {
    let fine = claims(address);
    let token = |claims: &Value| mint(good, claims).unwrap();
    let honest = token(&fine);
    let (head, _) = honest.rsplit_once('.').unwrap();
    let kid = good.id();
    let none = json!({"alg": "none", "typ": "JWT", "kid": kid});
    let jwk = good.jwk().to_string();
    vec![
        ("no algorithm", raw(&none, &fine, b"")),
        (
            "no algorithm, spelled differently",
            raw(&with(none.clone(), "alg", json!("nOnE")), &fine, b""),
        ),
        ("a symmetric algorithm under the public key", hs256(jwk.as_bytes(), &kid, &fine)),
        (
            "a symmetric algorithm under the public x",
            hs256(good.jwk()["x"].as_str().unwrap().as_bytes(), &kid, &fine),
        ),
        (
            "another algorithm than the key's",
            raw(&with(none.clone(), "alg", json!("RS256")), &fine, &[7; 256]),
        ),
        ("a signature of nothing", format!("{head}.")),
        ("a signature of zeros", format!("{head}.{}", BASE64.encode([0; 64]))),
        (
            "a changed claim",
            raw(
                &with(none, "alg", json!("ES256")),
                &with(fine.clone(), "sub", json!("root")),
                &[1; 64],
            ),
        ),
        ("another key under the same id", signed_as(Some(&kid), &key(9), &fine)),
        ("a key that is not published", mint(&key(9), &fine).unwrap()),
        ("an unknown key id", signed_as(Some("../../etc/passwd"), good, &fine)),
        ("a megabyte", token(&with(fine.clone(), "x", json!("a".repeat(1_000_000))))),
        ("no token", String::new()),
        ("two parts", head.to_owned()),
        ("four parts", format!("{honest}.{honest}")),
        (
            "no JSON",
            format!("{}.{}.{}", BASE64.encode("x"), BASE64.encode("y"), BASE64.encode("z")),
        ),
    ]
}

/// Rightly signed, and not to be believed.
fn unbelievable(address: &str, good: &Key) -> Vec<(&'static str, String)> {
    let (fine, at) = (claims(address), now().timestamp());
    let token = |claims: &Value| mint(good, claims).unwrap();
    vec![
        ("another issuer", token(&with(fine.clone(), "iss", json!("https://evil.example")))),
        (
            "an issuer with a slash more",
            token(&with(fine.clone(), "iss", json!(format!("{address}/")))),
        ),
        ("no issuer", token(&without(fine.clone(), "iss"))),
        ("another audience", token(&with(fine.clone(), "aud", json!("other")))),
        ("other audiences", token(&with(fine.clone(), "aud", json!(["a", "b"])))),
        ("no audience", token(&without(fine.clone(), "aud"))),
        ("a time that is over", token(&with(fine.clone(), "exp", json!(at - 61)))),
        ("no end", token(&without(fine.clone(), "exp"))),
        ("an end that is no number", token(&with(fine.clone(), "exp", json!("never")))),
        ("a time to come", token(&with(fine.clone(), "nbf", json!(at + 61)))),
        ("no subject", token(&without(fine.clone(), "sub"))),
        ("an empty subject", token(&with(fine.clone(), "sub", json!("")))),
        ("a subject with NUL", token(&with(fine.clone(), "sub", json!("a\0b")))),
        ("a subject of a kilobyte", token(&with(fine.clone(), "sub", json!("a".repeat(1024))))),
    ]
}

#[tokio::test]
async fn forged_tokens_are_refused_and_never_an_error_of_ours() {
    let good = key(1);
    let running = issuer(std::slice::from_ref(&good)).await;
    let verifier = verifier(&running.address);
    let mut bad = forged(&running.address, &good);
    bad.extend(unbelievable(&running.address, &good));
    for (what, token) in bad {
        let refused = verifier.verify(&token, now()).await.expect_err(what);
        assert!(matches!(refused, Error::Denied(Denied::Unauthorized(_))), "{what}: {refused:?}");
        let response = refused.as_response();
        assert_eq!(response.status().as_u16(), 401, "{what}");
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
    }
}

#[tokio::test]
async fn an_honest_token_tells_who_its_bearer_is() {
    let good = key(1);
    let running = issuer(std::slice::from_ref(&good)).await;
    let verifier = verifier(&running.address);
    let fine = claims(&running.address);
    for claims in [
        fine.clone(),
        with(fine.clone(), "aud", json!(["other", AUDIENCE])),
        with(fine.clone(), "exp", json!(now().timestamp() - 59)),
        with(fine.clone(), "nbf", json!(now().timestamp() + 59)),
    ] {
        let identity = verifier.verify(&mint(&good, &claims).unwrap(), now()).await.unwrap();
        assert_eq!(
            (identity.sub.as_str(), identity.email.as_deref()),
            ("alice", Some("alice@example.com"))
        );
        assert_eq!(identity.iss, running.address);
    }
    let unusable = with(fine, "email", json!("a\n@b"));
    let identity = verifier.verify(&mint(&good, &unusable).unwrap(), now()).await.unwrap();
    assert_eq!(identity.email, None);
}

#[tokio::test]
async fn a_token_without_a_key_id_is_believed_only_where_there_is_one_key() {
    let good = key(1);
    let one = issuer(std::slice::from_ref(&good)).await;
    let token = signed_as(None, &good, &claims(&one.address));
    assert!(verifier(&one.address).verify(&token, now()).await.is_ok());

    let two = issuer(&[good.clone(), key(2)]).await;
    let token = signed_as(None, &good, &claims(&two.address));
    assert!(verifier(&two.address).verify(&token, now()).await.is_err());
}

#[tokio::test]
async fn minted_claims_are_believed() {
    let good = key(1);
    let running = issuer(std::slice::from_ref(&good)).await;
    let claims = Claims::new(&running.address, AUDIENCE, "bob", now(), chrono::Duration::hours(1))
        .email("bob@example.com");
    let identity =
        verifier(&running.address).verify(&mint(&good, &claims).unwrap(), now()).await.unwrap();
    assert_eq!(
        (identity.sub.as_str(), identity.email.as_deref()),
        ("bob", Some("bob@example.com"))
    );
}

#[test]
fn the_development_issuer_does_not_exist_in_production() {
    let refused = Issuer::new("http://127.0.0.1:1", &[key(1)], true).unwrap_err();
    assert!(matches!(refused, crate::issuer::Error::Production));
}

#[test]
fn a_key_comes_back_from_its_file() {
    let key = key(1);
    assert_eq!(Key::from_pem(key.to_pem().as_ref()).unwrap().id(), key.id());
    assert!(Key::from_pem("-----BEGIN PRIVATE KEY-----").is_err());
    assert!(!format!("{key:?}").contains("PRIVATE"));
}

/// What the issuer of the test answers next, and how often it was asked.
#[derive(Default)]
struct Script {
    keys: Vec<Value>,
    hangs: bool,
    asked: u32,
}

/// An issuer that does what the test says.
async fn scripted(script: Arc<Mutex<Script>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let issuer = address.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (script, issuer) = (Arc::clone(&script), issuer.clone());
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let read = socket.read(&mut request).await.unwrap_or(0);
                let is_discovery =
                    String::from_utf8_lossy(&request[..read]).contains("openid-configuration");
                let body = {
                    let mut script = script.lock().await;
                    if script.hangs {
                        drop(script);
                        std::future::pending::<()>().await;
                        return;
                    }
                    script.asked += u32::from(is_discovery);
                    if is_discovery {
                        json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys")})
                    } else {
                        json!({"keys": script.keys})
                    }
                };
                let body = body.to_string();
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = socket.write_all(format!("{head}{body}").as_bytes()).await;
            });
        }
    });
    address
}

fn at_pace(address: &str, pace: Pace) -> Verifier {
    let options = Options {
        issuer: address.to_owned(),
        audience: AUDIENCE.to_owned(),
        email_claim: "email".to_owned(),
    };
    Verifier::at_pace(options, pace).unwrap()
}

#[tokio::test]
async fn invented_key_ids_do_not_make_us_ask_the_issuer_again() {
    let script = Arc::new(Mutex::new(Script { keys: vec![key(1).jwk()], ..Script::default() }));
    let address = scripted(Arc::clone(&script)).await;
    let verifier = verifier(&address);
    let token = |n| mint(&key(n), &claims(&address)).unwrap();
    assert!(verifier.verify(&token(1), now()).await.is_ok());
    let unknown: Vec<String> = (10..60).map(token).collect();
    let refused = join_all(unknown.iter().map(|token| verifier.verify(token, now()))).await;
    assert!(refused.iter().all(|refused| matches!(refused, Err(Error::Denied(_)))));
    assert!(verifier.verify(&token(1), now()).await.is_ok());
    assert_eq!(script.lock().await.asked, 1);
}

#[tokio::test]
async fn a_rotated_key_is_fetched_once_for_all_who_wait_and_the_old_one_is_dropped() {
    let script = Arc::new(Mutex::new(Script { keys: vec![key(1).jwk()], ..Script::default() }));
    let address = scripted(Arc::clone(&script)).await;
    let verifier = at_pace(&address, Pace { pause: Duration::ZERO, ..Pace::default() });
    let token = |n| mint(&key(n), &claims(&address)).unwrap();
    assert!(verifier.verify(&token(1), now()).await.is_ok());
    script.lock().await.keys = vec![key(2).jwk()];
    let waiters = [token(2), token(2), token(2)];
    let rotated = join_all(waiters.iter().map(|token| verifier.verify(token, now()))).await;
    assert!(rotated.iter().all(Result::is_ok), "{rotated:?}");
    assert_eq!(script.lock().await.asked, 2, "three waiters, one fetch");
    assert!(verifier.verify(&token(1), now()).await.is_err(), "a withdrawn key is not believed");
}

#[tokio::test]
async fn cached_keys_serve_while_the_issuer_hangs() {
    let script = Arc::new(Mutex::new(Script { keys: vec![key(1).jwk()], ..Script::default() }));
    let address = scripted(Arc::clone(&script)).await;
    // Stale at once: each use asks behind the scenes.
    let verifier = at_pace(&address, Pace { pause: Duration::ZERO, fresh: Duration::ZERO });
    let token = mint(&key(1), &claims(&address)).unwrap();
    assert!(verifier.verify(&token, now()).await.is_ok());
    script.lock().await.hangs = true;
    let began = tokio::time::Instant::now();
    for _ in 0..3 {
        assert!(verifier.verify(&token, now()).await.is_ok());
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_new_key_that_cannot_be_fetched_is_an_issuer_that_is_away_and_no_forgery() {
    let script = Arc::new(Mutex::new(Script { keys: vec![key(1).jwk()], ..Script::default() }));
    let address = scripted(Arc::clone(&script)).await;
    let pause = Duration::from_mins(1);
    let verifier = at_pace(&address, Pace { pause, ..Pace::default() });
    let token = |n| mint(&key(n), &claims(&address)).unwrap();
    verifier.verify(&token(1), now()).await.unwrap();
    let refused = verifier.verify(&token(2), now()).await.unwrap_err();
    assert!(matches!(refused, Error::Denied(_)), "the issuer has only just said what its keys are");

    script.lock().await.keys = vec![json!(7)];
    verifier.forget_pause().await;
    for _ in 0..3 {
        let refused = verifier.verify(&token(2), now()).await.unwrap_err();
        let Error::Down(Part::Issuer { retry_after_seconds }, _) = refused else {
            panic!("{refused:?}");
        };
        assert!((55..=60).contains(&retry_after_seconds), "{retry_after_seconds}");
    }
    assert_eq!(script.lock().await.asked, 2, "one attempt in a pause");
    assert!(verifier.verify(&token(1), now()).await.is_ok(), "what is known still serves");
}

#[tokio::test]
async fn without_any_key_the_answer_is_503_and_not_401() {
    let verifier = verifier("http://127.0.0.1:1");
    let token = mint(&key(1), &claims("http://127.0.0.1:1")).unwrap();
    for _ in 0..2 {
        let refused = verifier.verify(&token, now()).await.unwrap_err();
        assert!(matches!(refused, Error::Down(Part::Issuer { .. }, _)), "{refused:?}");
        assert_eq!(refused.as_response().status().as_u16(), 503);
    }
}

#[tokio::test]
async fn keys_that_are_not_for_signing_or_too_weak_are_not_used() {
    let weak = json!({"kty": "RSA", "kid": "weak", "n": BASE64.encode([0xc1; 128]), "e": "AQAB"});
    let secret =
        json!({"kty": "oct", "kid": "secret", "k": BASE64.encode([1; 32]), "alg": "HS256"});
    let encryption = with(key(3).jwk(), "use", json!("enc"));
    let script = Script {
        keys: vec![weak, secret, encryption, json!({"kty": "?"}), json!(7)],
        ..Script::default()
    };
    let address = scripted(Arc::new(Mutex::new(script))).await;
    let claims = claims(&address);
    let verifier = verifier(&address);
    for token in [hs256(&[1; 32], "secret", &claims), mint(&key(3), &claims).unwrap()] {
        assert!(verifier.verify(&token, now()).await.is_err());
    }
}
