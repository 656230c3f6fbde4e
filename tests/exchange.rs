//! Secrets that are exchanged while people work, server by server, as OPERATING.md says: the pepper of API keys, the passwords of Postgres
//! and Redis, the client secret. No request fails, and the old one opens nothing afterwards.
//!
//! Signing keys are in `signing.rs`, keys of the identity provider in `rotation.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tests::app::{App, Options, Person};
use tests::cluster::{Postgres, Redis};
use tests::http::Client;
use tests::provider::{Provider, SECOND_SECRET};
use tests::sibling::Sibling;
use tests::visitor::Visitor;
use tests::{sql, wait};
use tokio::task::JoinSet;

use crate::crash::PERIOD;

/// As tests set it where nothing else is said.
const OLD: &str = "0123456789abcdef0123456789abcdef";
const NEW: &str = "fedcba9876543210fedcba9876543210";

/// Callers who ask without a pause until they are told to stop; none of their requests may fail.
struct Crowd {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicU32>,
    callers: JoinSet<()>,
}

impl Crowd {
    /// Each asks all of `servers`, one after the other, for the same thing.
    fn of(servers: &[&Client], path: &str, token: &str) -> Self {
        let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let mut callers = JoinSet::new();
        for _ in 0..4 {
            let servers: Vec<Client> = servers.iter().map(|server| (*server).clone()).collect();
            let (path, token) = (path.to_owned(), token.to_owned());
            let (stop, served) = (Arc::clone(&stop), Arc::clone(&served));
            callers.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    for server in &servers {
                        server.get(&path, &token).await.expect(200);
                        served.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        Self { stop, served, callers }
    }

    /// Waits until so many more of their requests were served.
    async fn asks(&self, count: u32) {
        let until = self.served.load(Ordering::Relaxed) + count;
        wait::until("requests that are served", Duration::from_mins(2), async || {
            (self.served.load(Ordering::Relaxed) >= until).then_some(())
        })
        .await;
    }

    async fn leaves(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.callers.join_next().await {
            ended.expect("no request has failed");
        }
    }
}

#[tokio::test]
async fn the_pepper_is_exchanged_while_keys_are_in_use_and_no_request_fails() {
    let app = App::start().await;
    let (key, unused) = (app.api_key("read"), app.api_key("read"));
    let scans = app.path("scans");
    let status = async |at: &Client, key: &str| at.get(&scans, key).await.status;
    // The first round: everybody learns the new one and stores under the old one. Then the two change places, server by server.
    let first = [("DRIFTWISE_API_KEY_PEPPER", OLD), ("DRIFTWISE_API_KEY_PEPPER_PREVIOUS", NEW)];
    let second = [("DRIFTWISE_API_KEY_PEPPER", NEW), ("DRIFTWISE_API_KEY_PEPPER_PREVIOUS", OLD)];
    let one = Sibling::with(&app, &first).await;
    let two = Sibling::with(&app, &second).await;
    let crowd = Crowd::of(&[&one.http, &two.http], &scans, &key);
    crowd.asks(200).await;
    // A key that is made meanwhile, under either pepper, is known to both.
    for settings in [first, second] {
        let words =
            ["admin", "api-key", "create", "--org", "acme", "--name", "n", "--scopes", "read"];
        let (code, said) = app.exit_with(&settings, &words);
        let made = said.split_whitespace().find(|word| word.starts_with("dw2_")).unwrap();
        assert_eq!(code, 0, "{said}");
        for server in [&one.http, &two.http, &one.http] {
            assert_eq!(status(server, made).await, 200);
        }
    }
    crowd.asks(100).await;
    crowd.leaves().await;
    drop(one);
    assert_eq!(status(&two.http, &key).await, 200);
    // The third round: the old one is gone, and with it what was not used since.
    let three = Sibling::with(&app, &[("DRIFTWISE_API_KEY_PEPPER", NEW)]).await;
    assert_eq!(status(&three.http, &key).await, 200);
    assert_eq!(status(&three.http, &unused).await, 401);
    let late = late_keys(&app);
    assert!(late.starts_with("acme|read|") && late.lines().count() == 1, "{late}");
    assert_eq!(status(&app.http, &key).await, 401, "a server that was left out of the first round");
    // It is not lost as long as the old pepper is not.
    assert_eq!(status(&two.http, &unused).await, 200);
    assert_eq!(status(&three.http, &unused).await, 200);
    assert_eq!(late_keys(&app), "");
}

/// What OPERATING.md says to ask before the third round.
fn late_keys(app: &App) -> String {
    let text = include_str!("../OPERATING.md");
    let from = text.find("select o.slug").expect("the question stands there");
    let (question, _) = text[from..].split_once(';').expect("it ends");
    sql::query(&app.database, &question.replace("SINCE", "now() - interval '1 hour'"))
}

#[tokio::test]
async fn the_password_of_the_database_is_exchanged_by_a_second_role_and_no_request_fails() {
    let cluster = Postgres::start();
    let app = App::start_with(Options { postgres: cluster.url(), ..Options::default() }).await;
    app.generate("50", PERIOD);
    let (key, scans) = (app.api_key("read"), app.path("scans"));
    cluster.ask_passwords_of(&["driftpack_one", "driftpack_two"]);
    let role = |name: &str, password: &str| {
        let made = format!("create role {name} login password '{password}' in role driftpack_app");
        sql::query(&app.database, &made);
        sql::with_role(&app.database, &format!("{name}:{password}"))
    };
    let first = role("driftpack_one", "the-first-password");
    // The passwords are asked for.
    let wrong = first.replace("the-first-password", "the-wrong-password");
    let (code, said) = app.exit_with(
        &[("DRIFTWISE_DATABASE_URL", &wrong)],
        &["admin", "api-key", "list", "--org", "acme"],
    );
    assert!(code != 0 && said.contains("password authentication failed"), "{said}");
    assert!(!said.contains("the-wrong-password"), "{said}");

    let old = Sibling::with(&app, &[("DRIFTWISE_DATABASE_URL", &first)]).await;
    let crowd = Crowd::of(&[&old.http], &scans, &key);
    crowd.asks(20).await;
    let second = role("driftpack_two", "the-second-password");
    let with_second = [("DRIFTWISE_DATABASE_URL", second.as_str())];
    let new = Sibling::with(&app, &with_second).await;
    let worker = Sibling::worker_with(&app, &with_second).await;
    let both = Crowd::of(&[&old.http, &new.http], &scans, &key);
    both.asks(40).await;
    both.leaves().await;
    crowd.leaves().await;
    drop(old);
    // The old role goes, and nothing hung on it.
    sql::query(&app.database, "drop role driftpack_one");
    let (code, _) = app.exit_with(
        &[("DRIFTWISE_DATABASE_URL", &first)],
        &["admin", "api-key", "list", "--org", "acme"],
    );
    assert_ne!(code, 0, "the first password opens nothing any more");
    let after = Crowd::of(&[&new.http], &scans, &key);
    after.asks(20).await;
    after.leaves().await;
    let pack = app.request_pack(PERIOD.0, PERIOD.1).await;
    app.finished_pack(&pack).await;
    assert!(
        !new.log().contains("the-second-password") && !worker.log().contains("the-second-password")
    );
    // What proves an installation is content with a role that is only a member.
    let (_, said) = app.exit_with(&with_second, &["admin", "doctor"]);
    assert!(!said.contains("member of driftpack_app"), "{said}");
}

#[tokio::test]
async fn the_password_of_redis_is_exchanged_server_by_server_and_no_pack_is_refused() {
    let redis = Redis::start();
    redis.command("", &["CONFIG", "SET", "requirepass", "the-first-password"]);
    let options = Options { redis: redis.url_with("the-first-password"), ..Options::default() };
    let app = App::start_with(options).await;
    let (exports, owner) = (app.path("audit-exports"), app.token(Person::Owner));
    // Five a day are allowed, and that is counted in Redis.
    let asks = async |at: &Client| {
        let period = serde_json::json!({"period_start": PERIOD.0, "period_end": PERIOD.1});
        at.post(&exports, &owner, &period).await.status
    };
    assert_eq!(asks(&app.http).await, 202);
    redis.command("the-first-password", &["ACL", "SETUSER", "default", ">the-second-password"]);
    let second = redis.url_with("the-second-password");
    let new = Sibling::with(&app, &[("DRIFTWISE_REDIS_URL", &second)]).await;
    for server in [&app.http, &new.http] {
        assert_eq!(asks(server).await, 202);
    }
    redis.command("the-second-password", &["ACL", "SETUSER", "default", "<the-first-password"]);
    assert_eq!(asks(&new.http).await, 202);
    // A server that is late: connections that are open go on, new ones are refused, and nobody is waved through.
    redis.command("the-second-password", &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    assert_eq!(asks(&app.http).await, 503);
    wait::until("the new one is connected again", Duration::from_secs(30), async || {
        (asks(&new.http).await == 202).then_some(())
    })
    .await;
    assert_eq!(asks(&new.http).await, 429, "all of them were counted, by whichever server");
    let logs = app.log() + &new.log();
    assert!(!logs.contains("the-first-password") && !logs.contains("the-second-password"));
}

#[tokio::test]
async fn the_client_secret_is_exchanged_and_whoever_is_signed_in_stays_so() {
    let (provider, app) = Provider::with_app().await;
    provider.control("second-secret").await;
    let new = Sibling::with(&app, &[("DRIFTWISE_OIDC_CLIENT_SECRET", SECOND_SECRET)]).await;
    let me = |base: &str| format!("{base}/api/v2/me");
    // While the provider takes both, people sign in at either server, and what one began the other ends.
    let mut signed_in = Vec::new();
    for (begins, ends) in [(&app.base, &app.base), (&new.base, &new.base), (&app.base, &new.base)] {
        let mut visitor = Visitor::new();
        sign_in(&app, &mut visitor, begins, ends).await;
        signed_in.push((visitor, ends.clone()));
    }
    provider.control("no-first-secret").await;
    // Sessions are rows of the database: no key of a server's own is in them, so any server takes them.
    for (visitor, at) in &mut signed_in {
        for base in [&app.base, &new.base] {
            visitor.carry(at, base);
            visitor.open(&me(base), None).await.answer.expect(200);
        }
    }
    let mut visitor = Visitor::new();
    sign_in(&app, &mut visitor, &new.base, &new.base).await;
    let mut late = Visitor::new();
    let refused = attempt(&app, &mut late, &app.base, &app.base).await;
    assert!(refused >= 400, "{refused}");
    let logs = app.log() + &new.log();
    for secret in [SECOND_SECRET, tests::provider::CLIENT.1] {
        assert!(!logs.contains(secret));
    }
}

/// Signs the owner in, beginning at one server and ending at another, as happens behind a load balancer.
async fn sign_in(app: &App, visitor: &mut Visitor, begins: &str, ends: &str) {
    assert_eq!(attempt(app, visitor, begins, ends).await, 303);
    let page = visitor.open(&format!("{ends}/api/v2/me"), None).await;
    assert_eq!(page.answer.expect(200)["user"]["email"], "owner@acme.example");
}

/// What the server answers to the browser that comes back from the provider.
async fn attempt(app: &App, visitor: &mut Visitor, begins: &str, ends: &str) -> u16 {
    let callback = format!("{}/login/callback", app.base);
    let page = visitor.open(&format!("{begins}/login?return_to=/api/v2/me"), None).await;
    let place = visitor.sign_in_as("owner@acme.example", &page, Some(&callback)).await;
    let address = place.address.as_str().replacen(&app.base, ends, 1);
    visitor.carry(begins, ends);
    visitor.open(&address, Some(&format!("{ends}/api"))).await.answer.status
}
