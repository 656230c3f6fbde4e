//! What the server works with. Injected into each request, so that the document can be built
//! without any of it.

use std::fmt;
use std::sync::Arc;

use db::sessions::Lifetime;
use evidence::time::Time;
use futures_util::future::BoxFuture;
use poem::Request;
use sqlx::PgPool;
use storage::Storage;
use tokio::sync::Semaphore;
use url::Url;

use crate::auth::Verifier;
use crate::auth::api_key::Pepper;
use crate::auth::oidc::Client;
use crate::chain_figures::ChainFigures;
use crate::engine_figures::EngineFigures;
use crate::limiter::Limiter;
use crate::metrics::Metrics;
use crate::pages::{Glances, OpsFigures};
use crate::ready::Readiness;

/// Limits and facts of this installation.
#[derive(Debug, Clone)]
pub struct Options {
    /// Largest scan file, before and after unpacking.
    pub scan_bytes_max: usize,
    pub public_keys: PublicKeys,
    /// Where browsers reach the service; over HTTPS cookies are for this host alone.
    pub base_url: Url,
    /// This service as its issuer knows it; absent: browsers cannot sign in.
    pub sign_in: Option<Client>,
    pub sessions: Lifetime,
}

/// An hour without use, twelve however much it is used: a working day.
pub const SESSIONS: Lifetime =
    Lifetime { idle: chrono::Duration::hours(1), whole: chrono::Duration::hours(12) };

/// Scan files up to this size are taken unless configured otherwise.
pub const SCAN_BYTES_MAX: usize = 64 << 20;

impl Default for Options {
    fn default() -> Self {
        Self {
            scan_bytes_max: SCAN_BYTES_MAX,
            public_keys: PublicKeys::new(Vec::new),
            base_url: Url::parse("http://127.0.0.1:8420").expect("a constant"),
            sign_in: None,
            sessions: SESSIONS,
        }
    }
}

/// A public key as it is published. This package makes and checks no signatures.
#[derive(Debug, Clone)]
pub struct PublicKey {
    pub kid: String,
    pub alg: String,
    /// The 32 raw bytes, base64.
    pub public_key: String,
    pub not_before: Option<Time>,
    pub not_after: Option<Time>,
}

/// The keys behind `/.well-known/driftpack-keys.json`, as they are when asked for: they change while the service runs.
#[derive(Clone)]
pub struct PublicKeys(Arc<dyn Fn() -> Vec<PublicKey> + Send + Sync>);

impl PublicKeys {
    pub fn new(published: impl Fn() -> Vec<PublicKey> + Send + Sync + 'static) -> Self {
        Self(Arc::new(published))
    }

    pub(crate) fn all(&self) -> Vec<PublicKey> {
        (self.0)()
    }
}

impl fmt::Debug for PublicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKeys").field(&self.all()).finish()
    }
}

/// A dependency that only the composition root knows, checked by `/readyz`.
#[derive(Clone)]
pub struct Probe {
    /// Name in the answer.
    pub name: &'static str,
    pub check: Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>,
}

/// How requests belong to traces that reach beyond this process; the composition root knows by what they are sent.
#[derive(Clone, Copy)]
pub struct Traces {
    /// Makes a span, before it is entered, part of the trace that a `traceparent` (W3C Trace Context) names.
    pub join: fn(&tracing::Span, &str),
    /// The current span as a `traceparent`, if it is part of a trace.
    pub current: fn() -> Option<String>,
}

impl Default for Traces {
    /// Nothing is sent anywhere.
    fn default() -> Self {
        Self { join: |_, _| {}, current: || None }
    }
}

/// The parts that the composition root brings.
pub struct Parts {
    /// Connections as the application's role, never as the owner of the tables.
    pub pool: PgPool,
    pub engine: engine::Client,
    pub storage: Storage,
    pub verifier: Verifier,
    pub pepper: Pepper,
    pub limiter: Limiter,
    pub clock: engine::Clock,
    pub options: Options,
    pub probes: Vec<Probe>,
    pub traces: Traces,
    /// What the parts of this process have counted themselves, in the text format of Prometheus.
    pub process_figures: Box<dyn Fn() -> String + Send + Sync>,
}

/// The parts, and what the server keeps for itself.
pub struct State {
    pub(crate) pool: PgPool,
    pub(crate) engine: engine::Client,
    pub(crate) storage: Storage,
    pub(crate) verifier: Verifier,
    pub(crate) pepper: Pepper,
    pub(crate) limiter: Limiter,
    pub(crate) clock: engine::Clock,
    pub(crate) options: Options,
    pub(crate) probes: Vec<Probe>,
    /// Whether it needs what admits and counts requests.
    pub(crate) answers_requests: bool,
    pub(crate) traces: Traces,
    pub(crate) metrics: Metrics,
    pub(crate) chain_figures: ChainFigures,
    pub(crate) engine_figures: EngineFigures,
    pub(crate) process_figures: Box<dyn Fn() -> String + Send + Sync>,
    pub(crate) readiness: Readiness,
    pub(crate) glances: Glances,
    /// Bounds the pages that look once a second.
    pub(crate) watches: Arc<Semaphore>,
    pub(crate) ops: OpsFigures,
    /// Bounds the memory of scan files, from their first byte until they are read.
    pub(crate) uploads: Arc<Semaphore>,
    /// Bounds the work of verifications.
    pub(crate) verifications: Semaphore,
    /// Bounds the connections that requests for packs hold while they ask Redis.
    pub(crate) pack_requests: Semaphore,
    /// Bounds the connections that operators hold while they wait for the heads of audit chains.
    pub(crate) operations: Semaphore,
    /// Bounds the codes that are shown to the issuer.
    pub(crate) sign_ins: Semaphore,
}

/// Each may hold a scan file twice (packed and unpacked) and what was read from it.
const UPLOADS: usize = 4;
/// Each reads a whole chain.
const VERIFICATIONS: usize = 4;
const PACK_REQUESTS: usize = 6;
const OPERATIONS: usize = 4;
const SIGN_INS: usize = 16;
/// Each asks the database a few times a second; a page that finds no place asks every three seconds instead.
const WATCHES: usize = 64;

impl State {
    pub fn new(parts: Parts) -> Self {
        let Parts { pool, engine, storage, verifier, pepper, limiter, clock, options, .. } = parts;
        Self {
            pool,
            engine,
            storage,
            verifier,
            pepper,
            limiter,
            clock,
            options,
            probes: parts.probes,
            answers_requests: true,
            traces: parts.traces,
            process_figures: parts.process_figures,
            engine_figures: EngineFigures::default(),
            metrics: Metrics::default(),
            chain_figures: ChainFigures::default(),
            readiness: Readiness::default(),
            glances: Glances::default(),
            watches: Arc::new(Semaphore::new(WATCHES)),
            ops: OpsFigures::default(),
            uploads: Arc::new(Semaphore::new(UPLOADS)),
            verifications: Semaphore::new(VERIFICATIONS),
            pack_requests: Semaphore::new(PACK_REQUESTS),
            operations: Semaphore::new(OPERATIONS),
            sign_ins: Semaphore::new(SIGN_INS),
        }
    }
}

impl State {
    /// The state of a process that shows signs of life and answers no requests: for [`crate::serve_signs`].
    #[must_use]
    pub fn for_signs(parts: Parts) -> Self {
        Self { answers_requests: false, ..Self::new(parts) }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

/// What every handler needs to know of its request.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) state: Arc<State>,
    /// Ours, whatever the caller calls the request: evidence names it.
    pub(crate) request_id: String,
    /// When the request came.
    pub(crate) now: Time,
    /// Only the head of the answer is asked for. poem asks handlers for the whole and drops the body.
    pub(crate) is_head: bool,
}

impl Context {
    /// The context that `crate::request` has put into the request.
    pub(crate) fn of(request: &Request) -> Self {
        request
            .extensions()
            .get::<Self>()
            .expect("every route lies behind the layer that adds the context")
            .clone()
    }
}

impl<'a> poem::FromRequest<'a> for Context {
    async fn from_request(
        request: &'a Request,
        _body: &mut poem::RequestBody,
    ) -> poem::Result<Self> {
        Ok(Self::of(request))
    }
}
