//! Five packs in a rolling day, exactly.

use serde_json::json;
use tests::app::{App, Options, Person};
use tests::cluster::Redis;

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
