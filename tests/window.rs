//! Five packs in a rolling day, exactly.

use std::time::Duration;

use serde_json::{Value, json};
use tests::app::{App, Options, Person};
use tests::cluster::Redis;
use tests::http::{Answer, Client};
use tests::sibling::Sibling;

/// The organisations of the test with many servers.
const ORGS: [&str; 3] = ["acme", "globex", "initech"];

fn january() -> Value {
    json!({"period_start": "2026-01-01T00:00:00Z", "period_end": "2026-02-01T00:00:00Z"})
}

/// Asks until the limiter has an opinion.
async fn decided(http: &Client, path: &str, token: &str) -> Answer {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..2000 {
        tick.tick().await;
        let answer = http.post(path, token, &january()).await;
        if answer.status != 503 {
            return answer;
        }
    }
    panic!("the limiter has no opinion");
}

#[tokio::test]
async fn of_twelve_requests_at_once_exactly_five_are_accepted() {
    let app = App::start().await;
    let (owner, path) = (app.token(Person::Owner), app.path("audit-exports"));
    let body =
        json!({"period_start": "2026-01-01T00:00:00Z", "period_end": "2026-02-01T00:00:00Z"});
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (http, path, owner, body) =
            (app.http.clone(), path.clone(), owner.clone(), body.clone());
        requests.spawn(async move { http.post(&path, &owner, &body).await });
    }
    let answers = requests.join_all().await;
    assert_eq!(answers.iter().filter(|a| a.status == 202).count(), 5);
    for refused in answers.iter().filter(|a| a.status != 202) {
        let said = refused.expect(429);
        assert_eq!(
            (&said["error"], &said["limit"], &said["window_seconds"]),
            (&json!("rate_limited"), &json!(5), &json!(86400))
        );
        let seconds = said["retry_after"].as_u64().unwrap();
        assert!((86_300..=86_400).contains(&seconds), "{seconds}");
        assert_eq!(refused.header("retry-after"), seconds.to_string());
    }
    let list = app.http.get(&path, &owner).await.expect(200);
    assert_eq!(list["total"], 5);
}

#[tokio::test]
async fn without_redis_nobody_gets_an_unlimited_pass_and_no_request_is_lost() {
    let mut redis = Redis::start();
    let app = App::start_with(Options { redis: redis.url(), ..Options::default() }).await;
    let (owner, path) = (app.token(Person::Owner), app.path("audit-exports"));
    let body =
        json!({"period_start": "2026-01-01T00:00:00Z", "period_end": "2026-02-01T00:00:00Z"});
    for _ in 0..3 {
        app.http.post(&path, &owner, &body).await.expect(202);
    }
    redis.stop();
    let refused = app.http.post(&path, &owner, &body).await;
    assert_eq!((refused.status, refused.error().as_str()), (503, "rate_limiter_unavailable"));
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(
        app.http.get(&path, &owner).await.expect(200)["total"],
        3,
        "a refused request leaves no row"
    );

    redis.resume();
    let mut accepted = 0;
    for _ in 0..4 {
        accepted += usize::from(app.http.post(&path, &owner, &body).await.status == 202);
    }
    assert_eq!(accepted, 2, "three were counted before the restart");
}

#[tokio::test]
async fn a_redis_behind_tls_is_spoken_to_when_its_authority_is_known_and_not_otherwise() {
    let redis = Redis::start_with_tls();
    let authorities = redis.authorities().to_str().unwrap().to_owned();
    let settings = vec![("SSL_CERT_FILE", authorities)];
    let options = Options { redis: redis.url(), settings, ..Options::default() };
    let app = App::start_with(options).await;
    let (owner, path) = (app.token(Person::Owner), app.path("audit-exports"));
    assert_eq!(decided(&app.http, &path, &owner).await.status, 202);
    let stranger = App::start_with(Options { redis: redis.url(), ..Options::default() }).await;
    let (owner, path) = (stranger.token(Person::Owner), stranger.path("audit-exports"));
    let refused = stranger.http.post(&path, &owner, &january()).await.expect(503);
    assert_eq!(refused["error"], "rate_limiter_unavailable", "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_200_requests_at_once_to_8_servers_for_3_organisations_exactly_15_are_accepted() {
    let redis = Redis::start();
    let app = App::start_with(Options { redis: redis.url(), ..Options::default() }).await;
    let mut orgs = vec![(app.path("audit-exports"), app.token(Person::Owner))];
    for slug in &ORGS[1..] {
        let id = app.create_org(slug, "enterprise");
        orgs.push((format!("/orgs/{id}/audit-exports"), app.token_of(slug, Person::Owner)));
    }
    let mut siblings = Vec::new();
    for _ in 0..7 {
        siblings.push(Sibling::of(&app).await);
    }
    let servers: Vec<Client> =
        siblings.iter().map(|sibling| sibling.http.clone()).chain([app.http.clone()]).collect();
    let mut requests = tokio::task::JoinSet::new();
    for n in 0..200 {
        let (server, (path, token)) = (servers[n % 8].clone(), orgs[n % 3].clone());
        requests.spawn(async move { decided(&server, &path, &token).await.status });
    }
    let statuses = requests.join_all().await;
    let count = |status| statuses.iter().filter(|found| **found == status).count();
    assert_eq!((count(202), count(429)), (15, 185), "{statuses:?}");
    for (path, token) in &orgs {
        assert_eq!(app.http.get(path, token).await.expect(200)["total"], 5);
    }
}

#[tokio::test]
async fn a_redis_that_has_lost_its_data_passes_nobody_and_then_counts_what_the_database_knows() {
    let mut redis = Redis::start();
    let app = App::start_with(Options { redis: redis.url(), ..Options::default() }).await;
    let (owner, path) = (app.token(Person::Owner), app.path("audit-exports"));
    for _ in 0..3 {
        app.http.post(&path, &owner, &january()).await.expect(202);
    }
    redis.stop();
    redis.lose_data();
    redis.resume();
    let refused = app.http.post(&path, &owner, &january()).await;
    assert_eq!((refused.status, refused.error().as_str()), (503, "rate_limiter_unavailable"));
    assert!(!refused.header("retry-after").is_empty());
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(decided(&app.http, &path, &owner).await.status);
    }
    assert_eq!(statuses, [202, 202, 429, 429]);
    assert_eq!(app.http.get(&path, &owner).await.expect(200)["total"], 5);
}

/// Restarts in the middle lose no place and make none, also when Redis comes back empty.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_five_pass_while_redis_is_restarted_and_emptied_again_and_again() {
    let mut redis = Redis::start();
    let app = App::start_with(Options { redis: redis.url(), ..Options::default() }).await;
    let sibling = Sibling::of(&app).await;
    let (owner, path) = (app.token(Person::Owner), app.path("audit-exports"));
    let mut requests = tokio::task::JoinSet::new();
    for n in 0..24 {
        let http = if n % 2 == 0 { app.http.clone() } else { sibling.http.clone() };
        let (path, owner) = (path.clone(), owner.clone());
        requests.spawn(async move { decided(&http, &path, &owner).await.status });
    }
    let mut statuses = Vec::new();
    for round in 0..4 {
        let next = requests.join_next().await.unwrap().unwrap();
        statuses.push(next);
        redis.stop();
        if round % 2 == 1 {
            redis.lose_data();
        }
        redis.resume();
    }
    statuses.extend(requests.join_all().await);
    assert_eq!(statuses.iter().filter(|status| **status == 202).count(), 5, "{statuses:?}");
    assert_eq!(app.http.get(&path, &owner).await.expect(200)["total"], 5);
}

#[tokio::test]
async fn credentials_that_write_too_fast_are_refused_and_others_and_reads_are_not() {
    let settings = vec![("DRIFTWISE_WRITES_PER_MINUTE", "5".to_owned())];
    let app = App::start_with(Options { settings, ..Options::default() }).await;
    let (owner, key, path) =
        (app.token(Person::Owner), app.api_key("read,write"), app.path("scans?state_source=prod"));
    for _ in 0..5 {
        let answer = app.http.upload(&path, &key, "{}").await;
        assert_eq!(answer.status, 422, "{answer:?}");
    }
    let refused = app.http.upload(&path, &key, "{}").await;
    let said = refused.expect(429);
    assert_eq!(
        (&said["error"], &said["limit"], &said["window_seconds"]),
        (&json!("rate_limited"), &json!(5), &json!(60))
    );
    assert_eq!(refused.header("retry-after"), said["retry_after"].to_string());
    assert_eq!(app.http.get(&app.path("scans"), &key).await.status, 200);
    assert_eq!(app.http.upload(&path, &owner, "{}").await.status, 422);
}
