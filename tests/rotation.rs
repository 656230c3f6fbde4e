//! Keys of a certified provider that change, and a provider that hangs, while clients are at work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tests::provider::Provider;
use tests::wait;
use tokio::task::JoinSet;

#[tokio::test]
async fn keys_rotate_while_clients_are_active_and_no_request_fails() {
    let (provider, app) = Provider::with_app().await;
    let (provider, http) = (Arc::new(provider), app.http.clone());
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let mut clients = JoinSet::new();
    for n in 0..6 {
        let (provider, http) = (Arc::clone(&provider), http.clone());
        let (stop, served) = (Arc::clone(&stop), Arc::clone(&served));
        clients.spawn(async move {
            let algorithm = ["RS256", "ES256", "EdDSA"][n % 3];
            while !stop.load(Ordering::Relaxed) {
                // One token for a few requests, as clients do: old and new keys are in use side by side.
                let token = provider.token(algorithm).await;
                for _ in 0..5 {
                    http.get("/me", &token).await.expect(200);
                    served.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    let more = async |count: u32| {
        let until = served.load(Ordering::Relaxed) + count;
        wait::until("requests that are served", Duration::from_mins(2), async || {
            (served.load(Ordering::Relaxed) >= until).then_some(())
        })
        .await;
    };
    more(60).await;
    for _ in 0..3 {
        provider.control("rotate").await;
        more(60).await;
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = clients.join_next().await {
        ended.expect("no request has failed");
    }
    let asked = provider.control("asked").await;
    assert!((4..=6).contains(&asked), "the keys were asked for {asked} times");
}

#[tokio::test]
async fn a_key_set_that_hangs_is_asked_once_and_costs_nobody_who_is_known() {
    let (provider, app) = Provider::with_app().await;
    let known = provider.token("ES256").await;
    app.http.get("/me", &known).await.expect(200);
    provider.control("rotate").await;
    let fresh = provider.token("ES256").await;
    let before = provider.control("hang").await;
    let (http, mut crowd) = (app.http.clone(), JoinSet::new());
    for _ in 0..20 {
        let (http, fresh) = (http.clone(), fresh.clone());
        crowd.spawn(async move { http.get("/me", &fresh).await });
    }
    wait::until("the question for keys", Duration::from_secs(30), async || {
        (provider.control("asked").await > before).then_some(())
    })
    .await;
    // While it hangs:
    app.http.get("/me", &known).await.expect(200);
    while let Some(answer) = crowd.join_next().await {
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.error().as_str()), (503, "issuer_unavailable"));
        assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
    }
    assert_eq!(provider.control("heal").await, before + 1, "twenty wait, one asks");
    wait::until("the new key", Duration::from_secs(40), async || {
        (app.http.get("/me", &fresh).await.status == 200).then_some(())
    })
    .await;
}
