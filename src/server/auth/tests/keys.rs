//! Which keys are believed, and how often the issuer is asked for them.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Mutex;

use super::*;

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
    for token in &unknown {
        assert!(matches!(verifier.verify(token, now()).await, Err(Error::Denied(_))));
    }
    assert!(verifier.verify(&token(1), now()).await.is_ok());
    assert_eq!(script.lock().await.asked, Pace::default().burst, "a hundred inventions");
}

#[tokio::test]
async fn many_who_come_at_once_to_a_fresh_process_make_it_ask_once() {
    let script = Arc::new(Mutex::new(Script { keys: vec![key(1).jwk()], ..Script::default() }));
    let address = scripted(Arc::clone(&script)).await;
    let verifier = verifier(&address);
    let token = mint(&key(1), &claims(&address)).unwrap();
    let crowd = join_all((0..100).map(|_| verifier.verify(&token, now()))).await;
    assert!(crowd.iter().all(Result::is_ok));
    assert_eq!(script.lock().await.asked, 1);
}

#[tokio::test]
async fn a_key_that_signs_just_after_we_asked_is_believed_at_once() {
    let script = Arc::new(Mutex::new(Script { keys: vec![key(1).jwk()], ..Script::default() }));
    let address = scripted(Arc::clone(&script)).await;
    let verifier = verifier(&address);
    for n in 1..4 {
        script.lock().await.keys.insert(0, key(n).jwk());
        let token = mint(&key(n), &claims(&address)).unwrap();
        assert!(verifier.verify(&token, now()).await.is_ok(), "rotation {n}");
    }
}

#[tokio::test]
async fn two_keys_may_share_an_id_when_their_algorithms_differ() {
    let weird = with(key(1).jwk(), "kid", json!("one"));
    let rsa = json!({"kty": "RSA", "kid": "one", "alg": "RS256", "use": "sig", "n": BASE64.encode([0xc1; 256]), "e": "AQAB"});
    let script = Arc::new(Mutex::new(Script { keys: vec![rsa, weird], ..Script::default() }));
    let address = scripted(script).await;
    let token = signed_as(Some("one"), &key(1), &claims(&address));
    assert!(verifier(&address).verify(&token, now()).await.is_ok());
}

#[tokio::test]
async fn a_rotated_key_is_fetched_once_for_all_who_wait_and_the_old_one_is_dropped() {
    let script = Arc::new(Mutex::new(Script { keys: vec![key(1).jwk()], ..Script::default() }));
    let address = scripted(Arc::clone(&script)).await;
    let verifier = verifier(&address);
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
    let verifier =
        at_pace(&address, Pace { pause: Duration::ZERO, fresh: Duration::ZERO, ..Pace::default() });
    let token = mint(&key(1), &claims(&address)).unwrap();
    assert!(verifier.verify(&token, now()).await.is_ok());
    script.lock().await.hangs = true;
    let began = tokio::time::Instant::now();
    for _ in 0..3 {
        let crowd = join_all((0..10).map(|_| verifier.verify(&token, now()))).await;
        assert!(crowd.iter().all(Result::is_ok));
    }
    // Less than one fetch takes until it is given up.
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test]
async fn keys_of_an_issuer_that_stays_away_are_not_believed_for_ever() {
    let script = Arc::new(Mutex::new(Script { keys: vec![key(1).jwk()], ..Script::default() }));
    let address = scripted(Arc::clone(&script)).await;
    let token = mint(&key(1), &claims(&address)).unwrap();
    // Too old as soon as they are there: what a day does.
    let verifier = at_pace(&address, Pace { believed: Duration::ZERO, ..Pace::default() });
    for _ in 0..2 {
        let refused = verifier.verify(&token, now()).await.unwrap_err();
        assert!(matches!(refused, Error::Down(Part::Issuer { .. }, _)), "{refused:?}");
    }
    let verifier = at_pace(&address, Pace::default());
    assert!(verifier.verify(&token, now()).await.is_ok());
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
    assert_eq!(script.lock().await.asked, 3, "one attempt in a pause");
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
