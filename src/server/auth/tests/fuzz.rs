//! Tokens that nobody would think of: none is believed but the one that was minted, and none makes us stumble.

use base64::Engine as _;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::{BASE64, Value, claims, issuer, json, key, mint, now, raw, signed_as, verifier};

/// Runs cases one after the other on the runtime of the test: the issuer behind the verifier is asked once.
fn for_each<S: Strategy>(strategy: &S, mut check: impl AsyncFnMut(S::Value)) {
    let runtime = tokio::runtime::Handle::current();
    let config =
        ProptestConfig { failure_persistence: None, cases: 256, ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    for _ in 0..runner.config().cases {
        let value = strategy.new_tree(&mut runner).unwrap().current();
        tokio::task::block_in_place(|| runtime.block_on(check(value)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_is_believed() {
    let good = key(1);
    let running = issuer(std::slice::from_ref(&good)).await;
    let verifier = verifier(&running.address);
    for_each(&"[\\PC.]{0,200}", async |text: String| {
        assert!(verifier.verify(&text, now()).await.is_err(), "{text:?}");
    });
    for_each(&("[A-Za-z0-9_-]{0,60}", "[A-Za-z0-9_-]{0,60}"), async |(head, body)| {
        let token = format!("{head}.{body}.{}", BASE64.encode([3; 64]));
        assert!(verifier.verify(&token, now()).await.is_err(), "{token}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_which_one_character_was_changed_is_not_believed() {
    let good = key(1);
    let running = issuer(std::slice::from_ref(&good)).await;
    let verifier = verifier(&running.address);
    let honest = mint(&good, &claims(&running.address)).unwrap();
    assert!(verifier.verify(&honest, now()).await.is_ok());
    for_each(&(any::<prop::sample::Index>(), "[A-Za-z0-9_.=-]"), async |(place, other)| {
        let place = place.index(honest.len());
        let mut token = honest.clone();
        token.replace_range(place..=place, &other);
        let is_believed = verifier.verify(&token, now()).await.is_ok();
        assert_eq!(is_believed, token == honest, "{place}: {other}");
        assert!(verifier.verify(&honest[..place], now()).await.is_err(), "cut at {place}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_of_any_kind_lends_no_credit() {
    let good = key(1);
    let running = issuer(std::slice::from_ref(&good)).await;
    let verifier = verifier(&running.address);
    let fine = claims(&running.address);
    let words = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        Just(json!(["ES256"])),
        Just(json!({})),
        Just(json!("none")),
        Just(json!("ES256")),
        Just(json!(good.id())),
    ];
    let members =
        prop::collection::btree_map("alg|kid|typ|crit|jwk|jku|x5u|x5c|b64|zip", words, 0..6);
    for_each(&members, async |head| {
        let token = raw(&json!(head), &fine, &[7; 64]);
        assert!(verifier.verify(&token, now()).await.is_err(), "{head:?}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_of_any_type_are_believed_only_as_they_must_be() {
    let good = key(1);
    let running = issuer(std::slice::from_ref(&good)).await;
    let verifier = verifier(&running.address);
    let fine = claims(&running.address);
    let kid = good.id();
    let odd = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "\\PC{0,300}".prop_map(Value::from),
        Just(json!([])),
        Just(json!(["driftpack"])),
        Just(json!({"driftpack": 1})),
    ];
    for_each(&("iss|aud|sub|exp|nbf|iat|email", odd), async |(name, value)| {
        let changed = super::with(fine.clone(), &name, value.clone());
        let token = signed_as(Some(&kid), &good, &changed);
        let Ok(identity) = verifier.verify(&token, now()).await else { return };
        assert_eq!(identity.iss, running.address);
        assert_eq!(json!(identity.sub), changed["sub"]);
        assert!(!identity.sub.is_empty());
        assert!(
            changed["exp"].as_f64().is_some_and(|exp| exp + 60.0 > 1_772_366_400.0),
            "{changed}"
        );
        let is_ours = changed["aud"] == "driftpack" || changed["aud"] == json!(["driftpack"]);
        assert!(is_ours, "{changed}");
        assert!(identity.email.is_none_or(|email| changed["email"] == json!(email)));
    });
}
