//! One running server in this process, and a client whose answers are easy to assert on.

use std::sync::Arc;

use db::users::{Profile, User};
use db::{Cause, OrgTx};
use engine::Clock;
use evidence::action::Actor;
use evidence::ids::{OrgId, UserId};
use evidence::org::{Plan, Role, Scope};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use sqlx::PgPool;
use storage::Storage;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::api_key::{self, Pepper};
use crate::issuer::{Claims, Client, Issuer, Key, mint};
use crate::limiter::{self, Limiter, Quota};
use crate::{Options, Parts, State, Traces, Verifier, oidc, serve};

const AUDIENCE: &str = "driftpack";

/// A server with the organisation `acme`.
pub(super) struct Server {
    pub(super) state: Arc<State>,
    pub(super) pool: PgPool,
    pub(super) storage: Storage,
    pub(super) org: OrgId,
    base: String,
    issuer: String,
    key: Key,
    pepper: Pepper,
    http: reqwest::Client,
    _stop: DropGuard,
}

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// Status and machine code.
    pub(super) fn refusal(&self) -> (u16, String) {
        (self.status, self.json()["error"].as_str().unwrap_or_default().to_owned())
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(super) fn cause() -> Cause {
    Cause::new(Actor::system("test"), "test", Clock::System.now())
}

impl Server {
    pub(super) async fn start(owner: PgPool, plan: Plan) -> Self {
        Self::start_at(owner, plan, Clock::System).await
    }

    /// A server whose requests come at the time of `clock`.
    pub(super) async fn start_at(owner: PgPool, plan: Plan, clock: Clock) -> Self {
        let owner = db::testing::migrated(owner).await;
        engine::migrate(&owner, db::APP_ROLE).await.unwrap();
        let pool = db::testing::as_app(&owner).await;
        let stop = CancellationToken::new();
        let key = Key::generate([7; 32]).unwrap();
        let own = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", own.local_addr().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let service = Issuer::new(&issuer, std::slice::from_ref(&key), false).unwrap();
        let service = service.with_client(Client::of(&base));
        tokio::spawn(service.serve(listener, stop.clone()));

        let storage = Storage::open(&storage::Options::Memory).unwrap();
        let pepper = Pepper::new([3; 32]).unwrap();
        let state = Arc::new(State::new(Parts {
            pool: pool.clone(),
            engine: engine::Client::new(pool.clone()),
            storage: storage.clone(),
            verifier: Verifier::new(oidc::Options::new(&*issuer, AUDIENCE)).unwrap(),
            pepper: pepper.clone(),
            limiter: limiter(),
            clock,
            options: options(&base),
            probes: vec![],
            traces: Traces::default(),
            process_figures: Box::new(String::new),
        }));
        tokio::spawn(serve(Arc::clone(&state), own, stop.clone()));

        let mut tx = pool.begin().await.unwrap();
        let org = db::orgs::create(&mut tx, "acme", "Acme", plan, &cause()).await.unwrap().id;
        tx.commit().await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let stop = stop.drop_guard();
        Self { state, pool, storage, org, base, issuer, key, pepper, http, _stop: stop }
    }

    /// Where it answers.
    pub(super) fn address(&self) -> &str {
        &self.base
    }

    /// The address of its issuer, which is the issuer's name, too.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Another process of the same service: it shares nothing with this one but what both ask. Its address.
    pub(super) async fn second(&self) -> (String, DropGuard) {
        let state = Arc::new(State::new(Parts {
            pool: self.pool.clone(),
            engine: engine::Client::new(self.pool.clone()),
            storage: self.storage.clone(),
            verifier: Verifier::new(oidc::Options::new(&*self.issuer, AUDIENCE)).unwrap(),
            pepper: self.pepper.clone(),
            limiter: limiter(),
            clock: Clock::System,
            options: options(&self.base),
            probes: vec![],
            traces: Traces::default(),
            process_figures: Box::new(String::new),
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(serve(state, listener, stop.clone()));
        (address, stop.drop_guard())
    }

    pub(super) fn token(&self, sub: &str) -> String {
        let now = Clock::System.now();
        let claims = Claims::new(&self.issuer, AUDIENCE, sub, now, chrono::Duration::hours(1));
        mint(&self.key, &claims.email(&format!("{sub}@example.com"))).unwrap()
    }

    /// A token of somebody with an address that the issuer does not vouch for.
    pub(super) fn unverified_token(&self, sub: &str) -> String {
        let now = Clock::System.now();
        let claims = Claims::new(&self.issuer, AUDIENCE, sub, now, chrono::Duration::hours(1));
        mint(&self.key, &claims.email(&format!("{sub}@example.com")).unverified()).unwrap()
    }

    /// Gives the person whose subject this is a role in `acme`.
    pub(super) async fn set_role(&self, sub: &str, role: Role) {
        let mut tx = OrgTx::begin(&self.pool, self.org).await.unwrap();
        let user = self.user(&mut tx, sub).await;
        db::members::set_role(&mut tx, self.org, user.id, role, &cause()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Takes the person whose subject this is out of `acme`.
    pub(super) async fn remove(&self, sub: &str) {
        let mut tx = OrgTx::begin(&self.pool, self.org).await.unwrap();
        let user = self.user(&mut tx, sub).await;
        let by = self.user(&mut tx, "remover").await;
        db::members::set_role(&mut tx, self.org, by.id, Role::Owner, &cause()).await.unwrap();
        db::members::remove(&mut tx, self.org, user.id, by.id, &cause()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// A user of `acme` whose subject is the word for the role.
    pub(super) async fn member(&self, role: Role) -> String {
        self.person(role.as_str(), role).await.1
    }

    /// A user of `acme` with this subject: the id, and a token.
    pub(super) async fn person(&self, sub: &str, role: Role) -> (UserId, String) {
        let mut tx = OrgTx::begin(&self.pool, self.org).await.unwrap();
        let user = self.user(&mut tx, sub).await;
        db::members::set_role(&mut tx, self.org, user.id, role, &cause()).await.unwrap();
        tx.commit().await.unwrap();
        (user.id, self.token(sub))
    }

    /// A call below `acme`, with a body.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: &Value,
    ) -> Answer {
        send(self.of_org(method, path, token).json(body)).await
    }

    /// A call below `acme` that deletes.
    pub(super) async fn delete(&self, path: &str, token: &str) -> Answer {
        send(self.of_org(Method::DELETE, path, token)).await
    }

    async fn user(&self, tx: &mut OrgTx, sub: &str) -> User {
        let profile = Profile { iss: &self.issuer, sub, email: None };
        db::users::upsert(tx, profile, Clock::System.now()).await.unwrap()
    }

    pub(super) async fn api_key(&self, scopes: &[Scope]) -> String {
        let mut tx = OrgTx::begin(&self.pool, self.org).await.unwrap();
        let created_by = self.user(&mut tx, "owner").await.id;
        let key = api_key::mint(rand::random());
        let key_hmac = self.pepper.hmac(&key);
        let draft =
            db::api_keys::Draft { name: "ci", key_hmac, scopes, created_by, expires_at: None };
        db::api_keys::create(&mut tx, self.org, draft, &cause()).await.unwrap();
        tx.commit().await.unwrap();
        key
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// A request below `acme`.
    pub(super) fn of_org(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        self.request(method, &format!("/api/v2/orgs/{}/{path}", self.org)).bearer_auth(token)
    }

    pub(super) async fn get(&self, path: &str, token: &str) -> Answer {
        send(self.of_org(Method::GET, path, token)).await
    }

    /// The actions in the audit log of `acme`, in order.
    pub(super) async fn actions(&self) -> Vec<String> {
        self.entries().await.into_iter().map(|entry| entry.action).collect()
    }

    /// The audit log of `acme`, in order.
    pub(super) async fn entries(&self) -> Vec<db::chain::Entry> {
        let mut tx = OrgTx::begin(&self.pool, self.org).await.unwrap();
        let filter = db::chain::Filter { limit: 1000, ..db::chain::Filter::default() };
        let chain = evidence::chain::ChainId::Org(self.org);
        db::chain::list(&mut tx, chain, &filter).await.unwrap()
    }
}

pub(super) async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: response.bytes().await.unwrap().into() }
}

/// Returns once a statement with `text` in it waits for a lock in the database of `owner`.
pub(super) async fn waits_for_a_lock(owner: &PgPool, text: &str) {
    let waiting = "select count(*) from pg_stat_activity
                    where datname = current_database() and wait_event_type = 'Lock'
                      and strpos(query, $1) > 0 and pid <> pg_backend_pid()";
    let began = tokio::time::Instant::now();
    while sqlx::query_scalar::<_, i64>(waiting).bind(text).fetch_one(owner).await.unwrap() == 0 {
        assert!(began.elapsed().as_secs() < 20, "no statement with {text} waits for a lock");
    }
}

fn options(base: &str) -> Options {
    let sign_in = oidc::Client {
        id: Client::ID.to_owned(),
        secret: None,
        scopes: oidc::Client::SCOPES.to_owned(),
    };
    Options {
        scan_bytes_max: 100_000,
        base_url: base.parse().unwrap(),
        sign_in: Some(sign_in),
        ..Options::default()
    }
}

fn limiter() -> Limiter {
    Limiter::new(&limiter::Options {
        url: limiter::tests::url(),
        prefix: format!("test:{:032x}:", rand::random::<u128>()),
        quota: Quota::default(),
        writes: Quota::writes(),
    })
    .unwrap()
}
