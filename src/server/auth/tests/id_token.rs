//! ID tokens: only for the client that asked, and only in answer to what it asked.

use super::*;

const CLIENT: &str = "packs";
const NONCE: &str = "n-1";

fn id_claims(address: &str) -> Value {
    with(with(claims(address), "aud", json!(CLIENT)), "nonce", json!(NONCE))
}

#[tokio::test]
async fn an_id_token_counts_for_its_client_and_its_sign_in_alone() {
    let good = key(1);
    let running = issuer(std::slice::from_ref(&good)).await;
    let verifier = verifier(&running.address);
    let fine = id_claims(&running.address);
    let token = |claims: &Value| mint(&good, claims).unwrap();
    let two = with(fine.clone(), "aud", json!([CLIENT, "other"]));
    for claims in [
        fine.clone(),
        with(fine.clone(), "azp", json!(CLIENT)),
        with(two.clone(), "azp", json!(CLIENT)),
    ] {
        let identity = verifier.verify_id_token(&token(&claims), CLIENT, NONCE, now()).await;
        assert_eq!(identity.unwrap().sub, "alice");
    }
    let bad = [
        ("another client's", with(fine.clone(), "aud", json!("other"))),
        ("our API's", with(fine.clone(), "aud", json!(AUDIENCE))),
        ("given to another party", with(fine.clone(), "azp", json!("other"))),
        ("given to no text", with(fine.clone(), "azp", json!([CLIENT]))),
        ("of two clients, and given to nobody", two.clone()),
        ("of two clients, and given to the other", with(two, "azp", json!("other"))),
        ("another sign-in's", with(fine.clone(), "nonce", json!("n-2"))),
        ("no sign-in's", without(fine.clone(), "nonce")),
        ("over", with(fine.clone(), "exp", json!(now().timestamp() - 61))),
        ("endless", without(fine.clone(), "exp")),
        ("another issuer's", with(fine.clone(), "iss", json!("https://evil.example"))),
    ];
    for (what, claims) in bad {
        let refused = verifier.verify_id_token(&token(&claims), CLIENT, NONCE, now()).await;
        assert!(
            matches!(refused, Err(Error::Denied(Denied::Unauthorized(_)))),
            "{what}: {refused:?}"
        );
    }
    let access = typed(&good, Some("at+jwt"), None, &fine);
    assert!(verifier.verify_id_token(&access, CLIENT, NONCE, now()).await.is_err());
}

#[tokio::test]
async fn an_id_token_opens_no_operation_of_the_api() {
    let good = key(1);
    let running = issuer(std::slice::from_ref(&good)).await;
    let token = mint(&good, &id_claims(&running.address)).unwrap();
    let refused = verifier(&running.address).verify(&token, now()).await.unwrap_err();
    assert_eq!(refused.as_response().status().as_u16(), 401);
}
