//! The play: a server, a second one and a worker that say everything, beside every part that asks for a secret, and people who do what people do.

use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bucket::S3;
use reqwest::Method;
use serde_json::{Value, json};
use tests::app::{App, Options};
use tests::authority::Authority;
use tests::cluster::Redis;
use tests::collector::{Collector, Mood};
use tests::http::{Answer, send};
use tests::plan::plan;
use tests::provider::{CLIENT, Provider};
use tests::sibling::Sibling;
use tests::visitor::Visitor;
use tests::{sql, wait};

use super::form::Secret;
use crate::crash::PERIOD;
use crate::store::on_s3;

pub(crate) const PEPPER: &str = "pepper-in-force-7d1c0a45e2f9b836-";
const PREVIOUS: &str = "pepper-of-before-51b0e7c94ad3f628-";
pub(crate) const PASSWORD: &str = "password-of-something-c94e17ab08d2";
const OTLP_TOKEN: &str = "token of the collector/3f81+==";
const OTLP_ENCODED: &str = "token%20of%20the%20collector%2F3f81%2B%3D%3D";
const REDIS: &str = "password-of-redis-a0d35b";
/// As `Authority::start` has it in its URL.
const TSA: &str = "Secret-tsa";
const LIMIT: Duration = Duration::from_mins(1);

/// The parts that ask for a secret.
pub(crate) struct Parts {
    redis: Redis,
    s3: S3,
    pub(crate) collector: Collector,
    authority: Authority,
    /// The key that signs packs, in PEM.
    pem: String,
}

impl Parts {
    pub(crate) async fn start() -> Self {
        let redis = Redis::start();
        redis.command("", &["CONFIG", "SET", "requirepass", REDIS]);
        let pem = Command::new("openssl").args(["genpkey", "-algorithm", "ed25519"]).output();
        let pem = String::from_utf8(pem.expect("OpenSSL is installed").stdout).unwrap();
        let (collector, authority) =
            (Collector::start(Mood::Takes).await, Authority::start().await);
        Self { redis, s3: S3::start(), collector, authority, pem }
    }

    /// A driftpack that knows all of it.
    pub(crate) fn options(&self) -> Options {
        let mut options = on_s3(&self.s3);
        options.settings.extend([
            ("DRIFTWISE_API_KEY_PEPPER", PEPPER.to_owned()),
            ("DRIFTWISE_API_KEY_PEPPER_PREVIOUS", PREVIOUS.to_owned()),
            ("DRIFTWISE_OTLP_ENDPOINT", self.collector.url.clone()),
            ("DRIFTWISE_OTLP_HEADERS", format!("authorization=Bearer%20{OTLP_ENCODED},x-scope=1")),
            ("DRIFTWISE_SIGNING_KEY_FILE", String::new()),
            ("DRIFTWISE_SIGNING_KEY", self.pem.clone()),
            ("DRIFTWISE_TSA_URL", self.authority.url.clone()),
        ]);
        Options { redis: self.redis.url_with(REDIS), password: Some(PASSWORD), ..options }
    }

    /// What they ask for.
    pub(crate) fn secrets(&self) -> Vec<Secret> {
        let body: String = self.pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(&body).unwrap();
        // RFC 8410: what stands before the seed is the same in every key.
        let seed = &der[der.len() - 32..];
        let texts = [
            ("the pepper", PEPPER),
            ("the other pepper", PREVIOUS),
            ("the password of Postgres", PASSWORD),
            ("the password of Redis", REDIS),
            ("the secret of S3", bucket::SECRET_KEY),
            ("the secret of the OpenID client", CLIENT.1),
            ("the token of the collector", OTLP_TOKEN),
            ("the password of the time-stamp authority", TSA),
        ];
        let texts = texts.map(|(name, text)| Secret::new(name, text.as_bytes()));
        texts.into_iter().chain([Secret::new("the signing key", seed)]).collect()
    }
}

/// Everybody and everything, and what came of it.
pub(crate) struct Cast {
    pub(crate) app: App,
    second: Sibling,
    worker: Sibling,
    provider: Provider,
    parts: Parts,
    /// What was given away, once, to whom it belongs.
    given: Vec<(&'static str, String)>,
    /// What was said to people that should hold no secret.
    pub(crate) heard: Vec<(String, String)>,
}

impl Cast {
    pub(crate) async fn start() -> Self {
        let parts = Parts::start().await;
        let mut options = parts.options();
        options.settings.push(("DRIFTWISE_LOG", "trace".to_owned()));
        let (provider, app) = Provider::with_app_of(options).await;
        let second = Sibling::with(&app, &[("DRIFTWISE_LOG_FORMAT", "pretty")]).await;
        let worker = Sibling::worker(&app).await;
        Self { app, second, worker, provider, parts, given: Vec::new(), heard: Vec::new() }
    }

    pub(crate) fn secrets(&self) -> Vec<Secret> {
        let given = self.given.iter().map(|(name, text)| Secret::new(*name, text.as_bytes()));
        self.parts.secrets().into_iter().chain(given).collect()
    }

    pub(crate) fn logs(&self) -> [(&'static str, String); 3] {
        [
            ("the server", self.app.log()),
            ("the second server", self.second.log()),
            ("the worker", self.worker.log()),
        ]
    }

    /// All of it.
    pub(crate) async fn plays(&mut self) {
        self.app.generate("200", PERIOD);
        let mut owner = self.signs_in("owner@acme.example").await;
        let csrf = self.leave_page(&mut owner).await;
        self.manages(&owner, &csrf).await;
        self.machines().await;
        self.operates().await;
        let pack = self.packs(&owner, &csrf).await;
        self.fails(&owner, &csrf).await;
        self.asks_what_everybody_may().await;
        self.looks_into(&pack);
        self.signs_out(&mut owner, &csrf).await;
        self.spans_have_left().await;
    }

    fn gives(&mut self, name: &'static str, secret: impl Into<String>) {
        self.given.push((name, secret.into()));
    }

    fn hears(&mut self, what: impl Into<String>, answer: &Answer) {
        let text = String::from_utf8_lossy(&answer.body);
        self.heard.push((what.into(), format!("{:?}\n{text}", answer.headers)));
    }

    /// Signs somebody in with a browser, and keeps everything that is secret about it.
    async fn signs_in(&mut self, who: &str) -> Visitor {
        let mut visitor = Visitor::new();
        let base = self.app.base.clone();
        let callback = format!("{base}/login/callback");
        let page = visitor.open(&format!("{base}/login?return_to=/"), None).await;
        let begun = visitor.cookie(&base, "driftpack_sign_in").expect("it was set");
        self.gives("the cookie of a sign-in", begun);
        let back = visitor.sign_in_as(who, &page, Some(&callback)).await;
        let code = back.address.query_pairs().find(|(name, _)| name == "code").unwrap().1;
        self.gives("an authorization code", code.into_owned());
        let home = visitor.open(back.address.as_str(), None).await;
        assert_eq!(home.answer.status, 200, "{home:?}");
        // Once more, by whoever found it in a history.
        let again = Visitor::new().open(back.address.as_str(), None).await;
        assert!(again.answer.status >= 400, "{again:?}");
        self.hears("a code that is used again", &again.answer);
        self.gives("a session", visitor.cookie(&base, "driftpack_session").expect("it was set"));
        let id_token = visitor.cookie(&base, "driftpack_id_token").expect("it was set");
        self.gives("an ID token", signature(&id_token));
        visitor
    }

    /// The page from which people sign out has the token of the session.
    async fn leave_page(&mut self, visitor: &mut Visitor) -> String {
        let page = visitor.open(&format!("{}/logout", self.app.base), None).await;
        let token = page.between("name=\"csrf_token\" value=\"", "\"");
        self.gives("the token of a session's forms", token.clone());
        token
    }

    async fn post(&self, visitor: &Visitor, csrf: &str, path: &str, body: &Value) -> Answer {
        let address = format!("{}/api/v2{path}", self.app.base).parse().unwrap();
        let request = visitor.request(Method::POST, &address).header("origin", &self.app.base);
        send(request.header("x-csrf-token", csrf).json(body)).await
    }

    /// Keys, invitations, scans, pages.
    async fn manages(&mut self, owner: &Visitor, csrf: &str) {
        let keys = self.app.path("api-keys");
        let made = self.post(owner, csrf, &keys, &json!({"name": "n", "scopes": ["read"]})).await;
        let key = made.expect(201)["key"].as_str().unwrap().to_owned();
        self.gives("an API key that was made by API", key);
        let form =
            [("csrf_token", csrf), ("name", "by form"), ("read", "on"), ("expires_in_days", "")];
        let mut browser = owner.clone();
        let page = format!("{}/orgs/acme/settings/api-keys", self.app.base);
        let made = browser.submit(&page, &form, None).await;
        assert_eq!(made.answer.status, 201, "{made:?}");
        let text = made.text();
        let at = text.find("dw2_").expect("it is shown once");
        self.gives("an API key that was made by form", &text[at..at + "dw2_".len() + 43]);
        let invited = json!({"email": "new@acme.example", "role": "viewer"});
        self.post(owner, csrf, &self.app.path("invitations"), &invited).await.expect(201);
        let scan = self.app.path("scans?state_source=prod");
        self.post(owner, csrf, &scan, &plan("2026-01-11T08:00:00Z", &[])).await.expect(201);
        let forged = self.post(owner, &"A".repeat(43), &keys, &json!({})).await;
        assert_eq!(forged.status, 403);
        self.hears("a forged request", &forged);
        for path in [
            "/",
            "/orgs/acme/compliance",
            "/orgs/acme/settings/members",
            "/orgs/acme/audit-log",
            "/ops/runs",
        ] {
            let answer = browser.open(&format!("{}{path}", self.app.base), None).await.answer;
            assert!(answer.status < 500, "{path}: {answer:?}");
        }
    }

    /// API keys and tokens of the provider, good ones and bad ones, as header and as bearer.
    async fn machines(&mut self) {
        let key = self.app.api_key("read,write");
        let token = self.provider.token("ES256").await;
        self.gives("an API key that was made by an operator", key.clone());
        self.gives("an access token", signature(&token));
        let scans = self.app.path("scans");
        for http in [self.app.http.clone(), self.second.http.clone()] {
            for credential in [&key, &token] {
                http.get(&scans, credential).await.expect(200);
                let wrong = format!("{credential}x");
                let refused = http.get(&scans, &wrong).await;
                assert_eq!(refused.status, 401);
                self.hears("a credential that is wrong", &refused);
                let asked =
                    http.request(Method::GET, &scans, "").header("x-api-key", credential.as_str());
                let by_header = send(asked).await;
                assert_eq!(by_header.status == 200, credential == &key, "{by_header:?}");
                self.hears("a credential as a header", &by_header);
                let basic = http.request(Method::GET, &scans, "").basic_auth("u", Some(credential));
                let basic = send(basic).await;
                assert_eq!(basic.status, 401);
                self.hears("a credential that is no bearer", &basic);
            }
            let barred = http.get("/admin/workflows/runs", &key).await;
            assert_eq!(barred.status, 403);
            self.hears("what a key may not", &barred);
        }
    }

    /// A platform administrator, at the second server.
    async fn operates(&mut self) {
        let email = "ops@platform.example";
        self.app.run(&["admin", "member", "platform-admin", "--email", email, "--sub", email]);
        let mut operator = self.signs_in(email).await;
        operator.carry(&self.app.base, &self.second.base);
        for path in [
            "/api/v2/admin/orgs",
            "/api/v2/admin/workflows/workers",
            "/api/v2/admin/audit-log",
            "/ops/schedules",
        ] {
            let answer = operator.open(&format!("{}{path}", self.second.base), None).await.answer;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            self.hears(path, &answer);
        }
    }

    /// A pack, from the request to the download.
    async fn packs(&mut self, owner: &Visitor, csrf: &str) -> Vec<u8> {
        let period = json!({"period_start": PERIOD.0, "period_end": PERIOD.1});
        let row =
            self.post(owner, csrf, &self.app.path("audit-exports"), &period).await.expect(202);
        let id = row["id"].as_str().unwrap();
        let path = format!("{}/api/v2{}/{id}", self.app.base, self.app.path("audit-exports"));
        let get = async |path: &str| send(owner.request(Method::GET, &path.parse().unwrap())).await;
        let row = wait::until("the pack", Duration::from_mins(3), async || {
            let row = get(&path).await.expect(200);
            assert!(row["status"] != "failed", "{row}");
            (row["status"] == "done").then_some(row)
        })
        .await;
        self.heard.push(("the row of a pack".to_owned(), row.to_string()));
        let zip = get(&format!("{path}/download")).await;
        assert_eq!(zip.status, 200);
        zip.body
    }

    fn looks_into(&mut self, zip: &[u8]) {
        let file = self.app.dir.path().join("pack.zip");
        std::fs::write(&file, zip).unwrap();
        let out = Command::new("unzip").arg("-p").arg(&file).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(text.contains("chain-attestation.json"));
        self.heard.push(("a pack".to_owned(), text));
    }

    /// Asks for a pack while nobody can say how many there were.
    async fn hears_a_pack_refused(&mut self, owner: &Visitor, csrf: &str, why: &str) {
        let path = self.app.path("audit-exports");
        let body = json!({"period_start": PERIOD.0, "period_end": PERIOD.1});
        let refused = self.post(owner, csrf, &path, &body).await;
        assert_eq!(refused.status, 503, "{refused:?}");
        self.hears(why, &refused);
    }

    /// Every part goes away in the midst of it: what fails is what is quoted.
    async fn fails(&mut self, owner: &Visitor, csrf: &str) {
        self.parts.redis.stop();
        self.hears_a_pack_refused(owner, csrf, "a Redis that is away").await;
        // It comes back without a password that anybody was given.
        self.parts.redis.resume();
        self.parts.redis.command("", &["CONFIG", "SET", "requirepass", "somebody-elses-password"]);
        self.hears_a_pack_refused(owner, csrf, "a Redis that refuses the password").await;
        self.parts.s3.hide_bucket(true);
        let name = sql::database(&self.app.database).to_owned();
        let end = format!(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = '{name}' and pid <> pg_backend_pid()"
        );
        sql::query(&self.app.database, &end);
        for base in [self.app.base.clone(), self.second.base.clone(), self.worker.base.clone()] {
            let answer = wait::until("a part that is missed", LIMIT, async || {
                let answer = self.app.http.root(&base, "/readyz").await;
                (answer.status == 503).then_some(answer)
            })
            .await;
            self.hears("/readyz of what is not ready", &answer);
        }
        let (code, said) = self.app.exit(&["admin", "doctor"]);
        assert_ne!(code, 0, "{said}");
        self.heard.push(("admin doctor".to_owned(), said));
        self.parts.s3.hide_bucket(false);
    }

    async fn asks_what_everybody_may(&mut self) {
        for base in [self.app.base.clone(), self.second.base.clone(), self.worker.base.clone()] {
            for path in [
                "/metrics",
                "/healthz",
                "/readyz",
                "/openapi.json",
                "/.well-known/driftpack-keys.json",
            ] {
                // The worker has the first three alone.
                if base == self.worker.base && path.contains(".json") {
                    continue;
                }
                let answer = self.app.http.root(&base, path).await;
                let text = String::from_utf8_lossy(&answer.body);
                let text = format!("{:?}\n{text}", answer.headers);
                assert!(path != "/metrics" || text.contains("driftpack_http_requests_total"));
                self.heard.push((path.to_owned(), text));
            }
        }
        let (code, said) = self.app.exit(&["config", "show"]);
        assert_eq!(code, 0, "{said}");
        self.heard.push(("config show".to_owned(), said));
    }

    async fn signs_out(&mut self, owner: &mut Visitor, csrf: &str) {
        let logout = format!("{}/logout", self.app.base);
        let out = owner.submit(&logout, &[("csrf_token", csrf)], None).await;
        assert!(out.answer.status < 400, "{out:?}");
        owner.open(&format!("{}/api/v2/me", self.app.base), None).await.answer.expect(401);
    }

    /// The collector got its token, and nothing else that is secret.
    async fn spans_have_left(&mut self) {
        wait::until("spans", LIMIT, async || {
            (self.parts.collector.posted().len() > 3).then_some(())
        })
        .await;
        for posted in self.parts.collector.posted() {
            let opens = posted.headers["authorization"].to_str().unwrap();
            assert_eq!(opens, format!("Bearer {OTLP_TOKEN}"));
            self.heard
                .push(("a span".to_owned(), String::from_utf8_lossy(&posted.body).into_owned()));
        }
    }
}

/// The part of a token that makes it one.
fn signature(token: &str) -> String {
    token.rsplit('.').next().unwrap_or_default().to_owned()
}
