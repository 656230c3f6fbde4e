//! Health, figures, published keys and the document. Open to everybody: nothing here tells a secret.

use std::collections::BTreeMap;

use poem_openapi::payload::{Html, Json, PlainText};
use poem_openapi::{ApiResponse, Enum, Object, OpenApi};
use serde_json::Value;

use super::Tag;
use super::time::Timestamp;
use crate::contract;
use crate::errors::{Refused, statuses};
use crate::state::{Context, PublicKey};

/// The process answers.
#[derive(Debug, Object)]
pub(crate) struct Health {
    status: HealthStatus,
}

/// Whether something works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum HealthStatus {
    Ok,
    Unavailable,
}

/// Whether requests can be served.
#[derive(Debug, Object)]
#[oai(rename = "Readiness")]
pub(crate) struct Ready {
    /// `ok` when every dependency is.
    status: HealthStatus,
    /// By name: `postgres`, `redis`, `storage`, `issuer`, and `chromium` where PDFs are made.
    dependencies: BTreeMap<String, HealthStatus>,
}

/// A public key with its validity.
#[derive(Debug, Object)]
pub(crate) struct SigningKey {
    /// The first 16 hex digits of the SHA-256 of the 32 raw bytes of the key; a name, no proof.
    kid: String,
    /// The one algorithm, `Ed25519`.
    alg: String,
    /// The 32 raw bytes, base64.
    public_key: String,
    /// The first moment at which it signs; null when no beginning is set.
    #[oai(nullable)]
    not_before: Option<Timestamp>,
    /// The last moment at which it signs or signed; null when no end is set.
    #[oai(nullable)]
    not_after: Option<Timestamp>,
}

/// Every key that packs are or were signed with.
#[derive(Debug, Object)]
pub(crate) struct SigningKeyList {
    /// Those that sign no more stand at the end.
    keys: Vec<SigningKey>,
}

impl From<PublicKey> for SigningKey {
    fn from(key: PublicKey) -> Self {
        Self {
            kid: key.kid,
            alg: key.alg,
            public_key: key.public_key,
            not_before: key.not_before.map(Timestamp),
            not_after: key.not_after.map(Timestamp),
        }
    }
}

#[derive(ApiResponse)]
enum Readiness {
    /// Every dependency answers.
    #[oai(status = 200)]
    Ok(Json<Ready>),
    /// A dependency does not answer.
    #[oai(status = 503)]
    Unavailable(
        Json<Ready>,
        /// Whole seconds.
        #[oai(header = "Retry-After")]
        u64,
    ),
}

#[derive(ApiResponse)]
enum Docs {
    /// A page that browses this document.
    #[oai(status = 200)]
    Page(
        Html<String>,
        /// What the page may do: run what it brings, and call this server.
        #[oai(header = "Content-Security-Policy")]
        String,
    ),
}

statuses! {
    InternalErrors = [500];
}

const RETRY_SECONDS: u64 = 5;

/// The page brings its scripts and styles along and loads nothing.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
img-src data:; font-src data:; connect-src 'self'; frame-ancestors 'none'";

pub(crate) struct Api;

#[OpenApi(tag = "Tag::System")]
impl Api {
    /// Say that the process lives
    ///
    /// Looks at nothing else: a restart would not help what `/readyz` reports.
    #[oai(path = "/healthz", method = "get", operation_id = "getHealth")]
    async fn healthz(&self) -> Result<Json<Health>, Refused<InternalErrors>> {
        Ok(Json(Health { status: HealthStatus::Ok }))
    }

    /// Say whether every dependency answers
    ///
    /// Looks at each dependency, at most once a second.
    #[oai(path = "/readyz", method = "get", operation_id = "getReadiness")]
    async fn readyz(&self, context: Context) -> Result<Readiness, Refused<InternalErrors>> {
        let found = context.state.readiness.dependencies(&context.state).await;
        let word = |is_ok| if is_ok { HealthStatus::Ok } else { HealthStatus::Unavailable };
        let is_ok = found.iter().all(|dependency| dependency.is_ok);
        let dependencies = found.iter().map(|one| (one.name.to_owned(), word(one.is_ok))).collect();
        let ready = Json(Ready { status: word(is_ok), dependencies });
        Ok(if is_ok { Readiness::Ok(ready) } else { Readiness::Unavailable(ready, RETRY_SECONDS) })
    }

    /// Give figures to Prometheus
    ///
    /// Text format 0.0.4.
    #[oai(path = "/metrics", method = "get", operation_id = "getMetrics")]
    async fn metrics(
        &self,
        context: Context,
    ) -> Result<PlainText<String>, Refused<InternalErrors>> {
        let state = &context.state;
        let chains = state.chain_figures.render(&state.pool).await;
        let runs = state.engine_figures.render(&state.engine, context.now).await;
        Ok(PlainText(state.metrics.render() + &chains + &runs + &(state.process_figures)()))
    }

    /// Give this document
    ///
    /// As JSON.
    #[oai(path = "/openapi.json", method = "get", operation_id = "getOpenApi")]
    async fn openapi(&self) -> Result<Json<Value>, Refused<InternalErrors>> {
        Ok(Json(contract::document().clone()))
    }

    /// Browse this document
    ///
    /// The page loads nothing from elsewhere.
    #[oai(path = "/docs", method = "get", operation_id = "getDocs")]
    async fn docs(&self) -> Result<Docs, Refused<InternalErrors>> {
        Ok(Docs::Page(Html(contract::page().to_owned()), DOCS_POLICY.to_owned()))
    }

    /// Give the public keys that packs are signed with
    ///
    /// Every key, those that sign no more included: packs that they signed need them. A signature counts only if the pack speaks of a moment within the validity of its key.
    #[oai(
        path = "/.well-known/driftpack-keys.json",
        method = "get",
        operation_id = "getSigningKeys"
    )]
    async fn keys(
        &self,
        context: Context,
    ) -> Result<Json<SigningKeyList>, Refused<InternalErrors>> {
        let keys = context.state.options.public_keys.all();
        Ok(Json(SigningKeyList { keys: keys.into_iter().map(SigningKey::from).collect() }))
    }
}
