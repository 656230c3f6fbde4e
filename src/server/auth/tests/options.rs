//! What an installation may choose: audiences, clients, algorithms, clocks, and where people's addresses stand.

use super::*;
use crate::auth::oidc::{self, Names};

async fn verified(options: Options, claims: &Value) -> crate::errors::Result<oidc::Identity> {
    Verifier::new(options).unwrap().verify(&mint(&key(1), claims).unwrap(), now()).await
}

#[tokio::test]
async fn tokens_count_for_the_audiences_clients_and_algorithms_that_are_named() {
    let running = issuer(&[key(1)]).await;
    let fine = claims(&running.address);
    let usual = Options::new(&*running.address, AUDIENCE);
    let two = Options { audiences: vec!["a".to_owned(), "b".to_owned()], ..usual.clone() };
    assert!(verified(two.clone(), &with(fine.clone(), "aud", json!("b"))).await.is_ok());
    assert!(verified(two, &fine).await.is_err());

    let ci = Options { clients: vec!["ci".to_owned()], ..usual.clone() };
    for name in ["azp", "client_id"] {
        assert!(verified(ci.clone(), &with(fine.clone(), name, json!("ci"))).await.is_ok());
        assert!(verified(ci.clone(), &with(fine.clone(), name, json!("x"))).await.is_err());
    }
    let both = with(with(fine.clone(), "azp", json!("ci")), "client_id", json!("x"));
    assert!(verified(ci.clone(), &both).await.is_err());
    assert!(verified(ci, &fine).await.is_err(), "it does not say to whom it was given");

    let rsa = Options { algorithms: vec![Algorithm::RS256], ..usual };
    assert!(verified(rsa, &fine).await.is_err());
    assert_eq!(oidc::algorithm("EdDSA"), Some(Algorithm::EdDSA));
    for name in ["none", "HS256", "HS384", "HS512", "es256", ""] {
        assert_eq!(oidc::algorithm(name), None, "{name}");
    }
}

#[tokio::test]
async fn clocks_may_differ_by_what_is_configured() {
    let running = issuer(&[key(1)]).await;
    let ended = with(claims(&running.address), "exp", json!(now().timestamp() - 5));
    let usual = Options::new(&*running.address, AUDIENCE);
    assert!(verified(usual.clone(), &ended).await.is_ok());
    let strict = Options { leeway: Duration::ZERO, ..usual };
    assert!(verified(strict, &ended).await.is_err());
}

#[tokio::test]
async fn an_address_counts_when_the_issuer_has_seen_it_or_is_trusted_with_all() {
    let running = issuer(&[key(1)]).await;
    let fine = with(claims(&running.address), "name", json!("Alice A."));
    let usual = Options::new(&*running.address, AUDIENCE);
    let email = async |options: &Options, claims: &Value| {
        verified(options.clone(), claims).await.unwrap().email
    };
    let known = Some("alice@example.com".to_owned());
    assert_eq!(email(&usual, &fine).await, known);
    assert_eq!(email(&usual, &with(fine.clone(), "email_verified", json!("true"))).await, known);
    for unseen in [json!(false), json!("false"), json!(1), json!(null)] {
        let claims = with(fine.clone(), "email_verified", unseen);
        assert_eq!(email(&usual, &claims).await, None);
    }
    let unsaid = without(fine.clone(), "email_verified");
    assert_eq!(email(&usual, &unsaid).await, None);
    let all = Names { takes_unverified: true, ..Names::default() };
    assert_eq!(email(&Options { names: all, ..usual.clone() }, &unsaid).await, known);

    let elsewhere = Names {
        email: "upn".to_owned(),
        email_verified: "upn_seen".to_owned(),
        name: "cn".to_owned(),
        takes_unverified: false,
    };
    let claims = with(
        with(with(fine, "upn", json!("a@corp.example")), "upn_seen", json!(true)),
        "cn",
        json!("A"),
    );
    let identity = verified(Options { names: elsewhere, ..usual }, &claims).await.unwrap();
    assert_eq!(identity.email.as_deref(), Some("a@corp.example"));
    assert_eq!(identity.name.as_deref(), Some("A"));
}
