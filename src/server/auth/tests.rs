//! Tokens that must not be believed, against the development issuer over real HTTP.

mod fuzz;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use evidence::time::Time;
use futures_util::future::join_all;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use poem::error::ResponseError as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::jwks::Pace;
use super::oidc::{Options, Verifier};
use crate::errors::{Denied, Error, Part};
use crate::issuer::{Claims, Issuer, Key, mint};

mod exchange;
mod id_token;
mod keys;
mod options;

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
        "email_verified": true,
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

/// A token with a header of the given type that demands extensions.
fn typed(key: &Key, typ: Option<&str>, crit: Option<&[&str]>, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(key.id());
    header.typ = typ.map(str::to_owned);
    header.crit = crit.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    let pem = key.to_pem();
    encode(&header, claims, &EncodingKey::from_ec_pem(pem.as_ref().as_bytes()).unwrap()).unwrap()
}

/// Signed with a stranger's key that the header brings along, or says where to find.
fn brings_its_key(claims: &Value, name: &str, value: &Value) -> String {
    let stranger = key(9);
    let mut header = Header::new(Algorithm::ES256);
    match name {
        "jwk" => header.jwk = Some(serde_json::from_value(value.clone()).unwrap()),
        _ => header.jku = value.as_str().map(str::to_owned),
    }
    header.kid = Some(stranger.id());
    let pem = stranger.to_pem();
    encode(&header, claims, &EncodingKey::from_ec_pem(pem.as_ref().as_bytes()).unwrap()).unwrap()
}

/// Rightly signed, with a claim once more at the end.
fn twice(key: &Key, claims: &Value, name: &str, value: &Value) -> String {
    let text = claims.to_string();
    let more = format!("{},{}:{value}}}", &text[..text.len() - 1], json!(name));
    mint(key, &serde_json::from_str::<Box<serde_json::value::RawValue>>(&more).unwrap()).unwrap()
}

/// SubjectPublicKeyInfo of a P-256 key.
fn public_der(key: &Key) -> Vec<u8> {
    let jwk = key.jwk();
    let coordinate = |name: &str| BASE64.decode(jwk[name].as_str().unwrap()).unwrap();
    let prefix = hex::decode("3059301306072a8648ce3d020106082a8648ce3d03010703420004").unwrap();
    [prefix, coordinate("x"), coordinate("y")].concat()
}

fn public_pem(key: &Key) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(public_der(key));
    let (first, second) = text.split_at(64);
    format!("-----BEGIN PUBLIC KEY-----\n{first}\n{second}\n-----END PUBLIC KEY-----\n")
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
        ("a symmetric algorithm under the public DER", hs256(&public_der(good), &kid, &fine)),
        (
            "a symmetric algorithm under the public PEM",
            hs256(public_pem(good).as_bytes(), &kid, &fine),
        ),
        ("a symmetric algorithm under nothing", hs256(b"", &kid, &fine)),
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

/// Headers that would lead to another key, or to another way to read the token.
fn misleading(address: &str, good: &Key) -> Vec<(&'static str, String)> {
    let (fine, kid) = (claims(address), good.id());
    let honest = mint(good, &fine).unwrap();
    vec![
        ("an unknown key id", signed_as(Some("unknown"), good, &fine)),
        ("a key id that climbs", signed_as(Some("../../../../dev/null"), good, &fine)),
        ("a key id that climbs to the key", signed_as(Some(&format!("./{kid}")), good, &fine)),
        ("a key id that is an address", signed_as(Some("https://evil.example/jwks"), good, &fine)),
        ("a key id that is SQL", signed_as(Some("x' or '1'='1"), good, &fine)),
        ("a key id with NUL", signed_as(Some(&format!("{kid}\0")), good, &fine)),
        ("a key id of ten kilobytes", signed_as(Some(&"a".repeat(10_000)), good, &fine)),
        ("no key id and another key", signed_as(None, &key(9), &fine)),
        ("a key of its own", brings_its_key(&fine, "jwk", &key(9).jwk())),
        ("a key at an address", brings_its_key(&fine, "jku", &json!("https://evil.example/jwks"))),
        ("an extension that it demands", typed(good, None, Some(&["exp"]), &fine)),
        ("a type that is no access token", typed(good, Some("logout+jwt"), None, &fine)),
        ("a security event", typed(good, Some("application/secevent+jwt"), None, &fine)),
        (
            "an algorithm that stands twice",
            format!(
                "{}.{}",
                BASE64.encode(format!(r#"{{"alg":"none","alg":"ES256","kid":"{kid}"}}"#)),
                honest.split_once('.').unwrap().1
            ),
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
        ("a beginning that is no number", token(&with(fine.clone(), "nbf", json!("soon")))),
        ("an end as text", token(&with(fine.clone(), "exp", json!((at + 600).to_string())))),
        ("an issuer in a list", token(&with(fine.clone(), "iss", json!([address])))),
        ("an audience that is no text", token(&with(fine.clone(), "aud", json!([AUDIENCE, 7])))),
        ("an audience of another case", token(&with(fine.clone(), "aud", json!("Driftpack")))),
        ("a subject that stands twice", twice(good, &fine, "sub", &json!("root"))),
        ("an end that stands twice", twice(good, &fine, "exp", &json!(at + 9999))),
        ("an audience that stands twice", twice(good, &fine, "aud", &json!(AUDIENCE))),
        ("an issuer that stands twice", twice(good, &fine, "iss", &json!(address))),
        ("an address that stands twice", twice(good, &fine, "email", &json!("root@example.com"))),
        ("no object", mint(good, &json!([fine])).unwrap()),
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
    bad.extend(misleading(&running.address, &good));
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

fn at_pace(address: &str, pace: Pace) -> Verifier {
    Verifier::at_pace(Options::new(address, AUDIENCE), pace).unwrap()
}
