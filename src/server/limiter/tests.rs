//! Against a real Redis; each test has keys of its own.

use std::collections::HashSet;

use futures_util::future::join_all;
use poem::error::ResponseError as _;

use super::*;

fn quota(limit: u32, window: Duration) -> Quota {
    Quota { limit, window }
}

/// The Redis of the tests.
pub(crate) fn url() -> String {
    let url =
        std::env::vars().find(|(name, _)| name == "DRIFTPACK_TEST_REDIS_URL").map(|(_, url)| url);
    url.unwrap_or_else(|| "redis://127.0.0.1:6379".to_owned())
}

fn limiter(quota: Quota) -> Limiter {
    let options = Options {
        url: url(),
        prefix: format!("test:{}:", Uuid::from_bytes(rand::random())),
        quota,
    };
    Limiter::new(&options).unwrap()
}

fn id() -> Uuid {
    Uuid::from_bytes(rand::random())
}

async fn accepted(limiter: &Limiter, org: Uuid, request: Uuid) -> bool {
    match limiter.take(org, request).await {
        Ok(slot) => {
            slot.keep();
            true
        }
        Err(Error::RateLimited { .. }) => false,
        Err(error) => panic!("{}", crate::errors::describe(&error)),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_parallel_requests_exactly_5_pass() {
    let limiter = limiter(Quota::default());
    let org = id();
    let requests = (0..64).map(|_| {
        let limiter = limiter.clone();
        tokio::spawn(async move { accepted(&limiter, org, id()).await })
    });
    let passed =
        join_all(requests).await.into_iter().filter(|passed| *passed.as_ref().unwrap()).count();
    assert_eq!(passed, 5);
}

#[tokio::test]
async fn organisations_do_not_share_a_window() {
    let limiter = limiter(quota(1, Duration::from_mins(1)));
    let orgs: HashSet<Uuid> = (0..3).map(|_| id()).collect();
    for org in orgs {
        assert!(accepted(&limiter, org, id()).await);
        assert!(!accepted(&limiter, org, id()).await);
    }
}

#[tokio::test]
async fn a_place_that_is_given_back_can_be_taken_again() {
    let limiter = limiter(quota(1, Duration::from_mins(1)));
    let org = id();
    limiter.take(org, id()).await.unwrap().give_back().await;
    assert!(accepted(&limiter, org, id()).await);
}

#[tokio::test]
async fn the_same_request_takes_one_place() {
    let limiter = limiter(quota(2, Duration::from_mins(1)));
    let (org, request) = (id(), id());
    assert!(accepted(&limiter, org, request).await);
    assert!(accepted(&limiter, org, request).await);
    assert!(accepted(&limiter, org, id()).await);
    assert!(!accepted(&limiter, org, id()).await);
}

#[tokio::test]
async fn a_refusal_says_when_the_oldest_counted_request_leaves() {
    let limiter = limiter(quota(1, Duration::from_hours(24)));
    let org = id();
    assert!(accepted(&limiter, org, id()).await);
    let Err(Error::RateLimited { limit, window_seconds, retry_after_seconds }) =
        limiter.take(org, id()).await
    else {
        panic!("the second request passed");
    };
    assert_eq!((limit, window_seconds), (1, 86_400));
    assert!((86_390..=86_400).contains(&retry_after_seconds), "{retry_after_seconds}");
}

#[tokio::test]
async fn a_place_is_free_again_when_the_window_has_passed() {
    let limiter = limiter(quota(1, Duration::from_millis(300)));
    let org = id();
    assert!(accepted(&limiter, org, id()).await);
    let began = tokio::time::Instant::now();
    // Redis' own clock counts, so the test asks until it has gone on.
    while !accepted(&limiter, org, id()).await {
        assert!(began.elapsed() < Duration::from_secs(10), "the window never passed");
    }
    assert!(began.elapsed() >= Duration::from_millis(250), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_window_does_not_outlive_its_requests() {
    let limiter = limiter(quota(5, Duration::from_mins(1)));
    let org = id();
    for _ in 0..20 {
        accepted(&limiter, org, id()).await;
    }
    let mut connection = limiter.connection.clone();
    let (size, ttl): (u32, i64) = redis::pipe()
        .zcard(limiter.key(org))
        .pttl(limiter.key(org))
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(size, 5);
    assert!((1..=60_000).contains(&ttl), "{ttl}");
}

#[tokio::test]
async fn nobody_passes_while_redis_is_away() {
    let options = Options {
        url: "redis://127.0.0.1:1".to_owned(),
        prefix: String::new(),
        quota: Quota::default(),
    };
    let limiter = Limiter::new(&options).unwrap();
    let began = tokio::time::Instant::now();
    let Err(refused) = limiter.take(id(), id()).await else { panic!("a request passed") };
    assert!(matches!(refused, Error::Down(Part::RateLimiter, _)));
    assert_eq!(refused.as_response().headers()["retry-after"], "5");
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
}
