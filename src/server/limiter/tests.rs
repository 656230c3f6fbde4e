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
    let (_, url) = std::env::vars()
        .find(|(name, _)| name == "DRIFTPACK_TEST_REDIS_URL")
        .expect("DRIFTPACK_TEST_REDIS_URL is not set: run the tests through `./dev test`");
    url
}

fn limiter(quota: Quota) -> Limiter {
    let options = Options {
        url: url(),
        prefix: format!("test:{}:", Uuid::from_bytes(rand::random())),
        quota,
        writes: Quota::writes(),
    };
    Limiter::new(&options).unwrap()
}

/// A place, with whoever comes first vouching for Redis.
async fn take(limiter: &Limiter, org: Uuid, attempt: Attempt) -> Result<Slot> {
    loop {
        match limiter.take(org, attempt.clone(), &[]).await? {
            Taken::Place(slot) => return Ok(slot),
            Taken::Unvouched(_) => {
                limiter.vouch().await?;
            }
        }
    }
}

fn id() -> Uuid {
    Uuid::from_bytes(rand::random())
}

/// A further try at a request.
fn try_at(request: Uuid) -> Attempt {
    Attempt { request: request.to_string(), id: id() }
}

async fn accepted(limiter: &Limiter, org: Uuid, request: Uuid) -> bool {
    match take(limiter, org, try_at(request)).await {
        Ok(slot) => {
            slot.hold();
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
    take(&limiter, org, try_at(id())).await.unwrap().give_back().await;
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
    let Err(Error::RateLimited { of, limit, window_seconds, retry_after_seconds }) =
        take(&limiter, org, try_at(id())).await
    else {
        panic!("the second request passed");
    };
    assert_eq!((of, limit, window_seconds), (Limited::Packs, 1, 86_400));
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
    let ttl: i64 =
        redis::cmd("PTTL").arg(limiter.key(org)).query_async(&mut connection).await.unwrap();
    assert_eq!(taken(&limiter, org).await, 5);
    assert!((1..=60_000).contains(&ttl), "{ttl}");
}

/// How many places are taken.
async fn taken(limiter: &Limiter, org: Uuid) -> u32 {
    let mut connection = limiter.connection.clone();
    redis::cmd("ZCARD").arg(limiter.key(org)).query_async(&mut connection).await.unwrap()
}

#[tokio::test]
async fn word_of_an_earlier_try_takes_nothing_from_a_later_one() {
    let limiter = limiter(quota(1, Duration::from_mins(1)));
    let (org, request) = (id(), id());
    let first = take(&limiter, org, try_at(request)).await.unwrap();
    let second = take(&limiter, org, try_at(request)).await.unwrap();
    first.give_back().await;
    assert_eq!(taken(&limiter, org).await, 1);
    second.give_back().await;
    assert_eq!(taken(&limiter, org).await, 0);
}

#[tokio::test]
async fn a_call_that_comes_too_late_takes_no_place() {
    let limiter = limiter(Quota::default());
    let org = id();
    let past = limiter.time().await.unwrap() - 1;
    assert_eq!(limiter.ask(org, &try_at(id()), past, &[]).await.unwrap(), -1);
    assert_eq!(taken(&limiter, org).await, 0);
}

#[tokio::test]
async fn a_place_whose_taking_was_never_answered_is_given_back_once_redis_answers_again() {
    let direct = limiter(Quota::default());
    let (silence, is_silent) = tokio::sync::watch::channel(false);
    let slow = Limiter::answering_within(
        &Options {
            url: silent_proxy(is_silent).await,
            prefix: direct.prefix.clone(),
            quota: direct.quota,
            writes: direct.writes,
        },
        Duration::from_millis(200),
    )
    .unwrap();
    let org = id();
    // The script is known to Redis and the clock has been asked before the answers stop.
    take(&slow, org, try_at(id())).await.unwrap().give_back().await;
    let attempt = try_at(id());
    let not_after = slow.time().await.unwrap() + micros(Duration::from_mins(1));
    silence.send_replace(true);
    assert!(slow.ask(org, &attempt, not_after, &[]).await.is_err());
    let began = tokio::time::Instant::now();
    while taken(&direct, org).await == 0 {
        assert!(began.elapsed() < Duration::from_secs(10), "the call never reached Redis");
    }
    Place::new(slow.clone(), org, attempt).give_back().await;
    silence.send_replace(false);
    while taken(&direct, org).await != 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "the place is never given back");
    }
}

/// A way to the Redis of the tests on which, while the value is true, questions arrive and answers
/// do not.
async fn silent_proxy(is_silent: tokio::sync::watch::Receiver<bool>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(forward(near, is_silent.clone()));
        }
    });
    format!("redis://{address}")
}

async fn forward(near: tokio::net::TcpStream, mut is_silent: tokio::sync::watch::Receiver<bool>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (mut questions, mut to_client) = near.into_split();
    let (mut answers, mut to_redis) = tokio::io::split(redis_socket().await);
    let asking = async { tokio::io::copy(&mut questions, &mut to_redis).await.map(drop) };
    let answering = async {
        let mut bytes = [0; 4096];
        loop {
            let count = answers.read(&mut bytes).await?;
            // An error: the test is over.
            let _ = is_silent.wait_for(|is_silent| !is_silent).await;
            to_client.write_all(&bytes[..count]).await?;
            if count == 0 {
                return Ok::<_, std::io::Error>(());
            }
        }
    };
    let _ = tokio::join!(asking, answering);
}

trait Socket: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Socket for T {}

/// A connection to the Redis of the tests, by socket file or by TCP.
async fn redis_socket() -> Box<dyn Socket> {
    let url = url::Url::parse(&url()).unwrap();
    if url.scheme().contains("unix") {
        return Box::new(tokio::net::UnixStream::connect(url.path()).await.unwrap());
    }
    let address = (url.host_str().unwrap(), url.port().unwrap_or(6379));
    Box::new(tokio::net::TcpStream::connect(address).await.unwrap())
}

#[tokio::test]
async fn nobody_passes_while_redis_is_away() {
    let options = Options {
        url: "redis://127.0.0.1:1".to_owned(),
        prefix: String::new(),
        quota: Quota::default(),
        writes: quota(2, Duration::from_hours(1)),
    };
    let limiter = Limiter::new(&options).unwrap();
    let began = tokio::time::Instant::now();
    let Err(refused) = take(&limiter, id(), try_at(id())).await else { panic!("a request passed") };
    assert!(matches!(refused, Error::Down(Part::RateLimiter, _)));
    assert_eq!(refused.as_response().headers()["retry-after"], "5");
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
}

/// Asks as often as the window has places, and once more; how many passed.
async fn passed(limiter: &Limiter, org: Uuid, known: &[Known]) -> usize {
    let mut passed = 0;
    for _ in 0..=limiter.quota.limit {
        match limiter.take(org, try_at(id()), known).await {
            Ok(Taken::Place(slot)) => {
                slot.hold();
                passed += 1;
            }
            Ok(Taken::Unvouched(why)) => panic!("{why:?}"),
            Err(Error::RateLimited { .. }) => {}
            Err(error) => panic!("{}", crate::errors::describe(&error)),
        }
    }
    passed
}

#[tokio::test]
async fn nobody_passes_on_a_redis_that_nobody_vouches_for() {
    let limiter = limiter(Quota::default());
    let org = id();
    for _ in 0..2 {
        let taken = limiter.take(org, try_at(id()), &[]).await.unwrap();
        assert!(matches!(taken, Taken::Unvouched(Unvouched::Empty)));
    }
    let mut connection = limiter.connection.clone();
    let other = redis::cmd("SET").arg(limiter.voucher()).arg("another run").clone();
    other.exec_async(&mut connection).await.unwrap();
    let taken = limiter.take(org, try_at(id()), &[]).await.unwrap();
    assert!(matches!(taken, Taken::Unvouched(Unvouched::Restarted)));
    assert!(limiter.vouch().await.unwrap(), "it was vouched for another run");
    assert!(!limiter.vouch().await.unwrap(), "somebody was faster");
    assert_eq!(passed(&limiter, org, &[]).await, 5);
}

#[tokio::test]
async fn what_the_database_knows_counts_once_and_as_long_as_the_window() {
    let limiter = limiter(Quota::default());
    limiter.vouch().await.unwrap();
    let (org, now) = (id(), limiter.time().await.unwrap());
    let day = micros(limiter.quota.window);
    let first = try_at(id());
    take(&limiter, org, first.clone()).await.unwrap().hold();
    let known = [
        Known { id: first.id, at_micros: now },
        Known { id: id(), at_micros: now - day / 2 },
        Known { id: id(), at_micros: now - day - 1 },
    ];
    assert_eq!(passed(&limiter, org, &known).await, 3);
    assert_eq!(taken(&limiter, org).await, 5, "a set never grows over its limit");
    let mut connection = limiter.connection.clone();
    redis::cmd("DEL").arg(limiter.key(org)).exec_async(&mut connection).await.unwrap();
    assert_eq!(passed(&limiter, org, &known).await, 3, "also when the set was lost");
}

#[tokio::test]
async fn a_caller_who_writes_too_fast_is_told_when_to_go_on_and_others_are_not() {
    let mut limiter = limiter(Quota::default());
    limiter.writes = quota(4, Duration::from_secs(40));
    for _ in 0..4 {
        limiter.pace("user:a").await.unwrap();
    }
    for _ in 0..3 {
        let refused = limiter.pace("user:a").await.unwrap_err();
        let Error::RateLimited { of, limit, window_seconds, retry_after_seconds } = refused else {
            panic!("{refused}");
        };
        assert_eq!((of, limit, window_seconds), (Limited::Writes, 4, 40));
        assert!((1..=10).contains(&retry_after_seconds), "{retry_after_seconds}");
    }
    limiter.pace("user:b").await.unwrap();
    let mut connection = limiter.connection.clone();
    let key = format!("{}writes:user:a", limiter.prefix);
    let ttl: i64 = redis::cmd("PTTL").arg(key).query_async(&mut connection).await.unwrap();
    assert!((1..=40_000).contains(&ttl), "{ttl}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_parallel_writes_as_many_pass_as_may() {
    let mut limiter = limiter(Quota::default());
    limiter.writes = quota(10, Duration::from_hours(1));
    let writes = (0..64).map(|_| {
        let limiter = limiter.clone();
        tokio::spawn(async move { limiter.pace("user:a").await.is_ok() })
    });
    let passed = join_all(writes).await.into_iter().filter(|passed| *passed.as_ref().unwrap());
    assert_eq!(passed.count(), 10);
}

#[tokio::test]
async fn while_redis_is_away_a_server_counts_writes_by_itself() {
    let options = Options {
        url: "redis://127.0.0.1:1".to_owned(),
        prefix: String::new(),
        quota: Quota::default(),
        writes: quota(2, Duration::from_hours(1)),
    };
    let limiter = Limiter::new(&options).unwrap();
    for caller in ["user:a", "user:b"] {
        limiter.pace(caller).await.unwrap();
        limiter.pace(caller).await.unwrap();
        assert!(matches!(limiter.pace(caller).await, Err(Error::RateLimited { .. })));
    }
}
