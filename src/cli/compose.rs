//! The composition root: from a configuration to the parts that serve and work.
//!
//! The one place that knows every part. What it makes it hands over; nothing here decides anything about packs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use engine::Clock;
use render::Chromium;
use server::limiter::{self, Limiter};
use server::{Parts, Probe, Verifier};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use storage::Storage;
use workflows::{Authority, Keys, Ports, Product, Proof};

use crate::config::{Config, Environment, Secret};
use crate::{authority, issuer, keyring, telemetry};

/// How long a request or a step waits for a connection before it is refused or tried again.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(10);

/// The longest print: a report of many pages on a busy machine.
const PRINT_LIMIT: Duration = Duration::from_mins(2);

/// Before every key in Redis, so that installations can share a server.
const REDIS_PREFIX: &str = "driftpack:";

/// What the service and its workers share.
pub(crate) struct Base {
    pub(crate) pool: PgPool,
    pub(crate) storage: Storage,
    pub(crate) keys: Keys,
    authority: Option<Authority>,
    pub(crate) renderer: Option<Chromium>,
}

impl Base {
    /// `prints`: whether this process builds packs. Chromium takes its 400 MB where it is needed and nowhere else.
    pub(crate) async fn of(config: &Config, prints: bool) -> Result<Self> {
        Ok(Self {
            pool: pool(&config.database_url, config.database_connections)?,
            storage: storage(config)?,
            keys: keyring::in_force(config)?,
            authority: authority::of(config)?,
            renderer: if prints { renderer(config).await? } else { None },
        })
    }

    /// What steps of workflows reach the world through.
    pub(crate) fn ports(&self, config: &Config) -> Ports {
        Ports {
            pool: self.pool.clone(),
            storage: self.storage.clone(),
            renderer: self.renderer.clone(),
            proof: Proof { keys: self.keys.clone(), authority: self.authority.clone() },
            clock: Clock::System,
            product: Product {
                name: "driftpack".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                build: env!("DRIFTPACK_BUILD").to_owned(),
                base_url: config.base_url.as_str().trim_end_matches('/').to_owned(),
                environment: config.environment.as_str().to_owned(),
            },
        }
    }

    /// What the HTTP server works with.
    pub(crate) fn parts(&self, config: &Config) -> Result<Parts> {
        let keys = self.keys.clone();
        let published = move || -> Vec<_> { keys.public().into_iter().map(published).collect() };
        Ok(Parts {
            pool: self.pool.clone(),
            engine: engine::Client::new(self.pool.clone()),
            storage: self.storage.clone(),
            verifier: Verifier::new(issuer::options(config)?)
                .context("tokens cannot be verified")?,
            pepper: pepper(config)?,
            limiter: limiter(config)?,
            clock: Clock::System,
            options: server::Options {
                scan_bytes_max: usize::try_from(config.scan_max_bytes).context(
                    "DRIFTWISE_SCAN_MAX_BYTES is larger than this machine's memory can be",
                )?,
                public_keys: server::PublicKeys::new(published),
                base_url: config.base_url.clone(),
                sign_in: issuer::browser_client(config),
                sessions: issuer::sessions(config)?,
            },
            probes: self.renderer.iter().map(chromium_probe).collect(),
            traces: server::Traces { join: telemetry::join, current: telemetry::current },
            process_figures: telemetry::figures().context("figures cannot be counted")?,
        })
    }
}

fn published(key: bundle::keys::PublicKey) -> server::PublicKey {
    server::PublicKey {
        kid: key.kid,
        alg: key.alg,
        public_key: key.public_key,
        not_before: key.not_before,
        not_after: key.not_after,
    }
}

/// Where the packs lie.
pub(crate) fn storage(config: &Config) -> Result<Storage> {
    Storage::open(&config.storage).context("the settings of DRIFTWISE_STORAGE cannot be used")
}

/// What counts requests, in Redis.
pub(crate) fn limiter(config: &Config) -> Result<Limiter> {
    let options = limiter::Options {
        url: config.redis_url.reveal().to_owned(),
        prefix: REDIS_PREFIX.to_owned(),
        quota: limiter::Quota::default(),
        writes: limiter::Quota { limit: config.writes_per_minute, ..limiter::Quota::writes() },
    };
    Limiter::new(&options).map_err(|_| {
        anyhow::anyhow!("DRIFTWISE_REDIS_URL is not a Redis URL, such as redis://127.0.0.1:6379")
    })
}

/// Connections as one role. None is opened yet: the service starts, and says what is missing, without its database.
pub(crate) fn pool(url: &Secret, connections: u32) -> Result<PgPool> {
    let options = db::pool::options().max_connections(connections);
    Ok(options.acquire_timeout(ACQUIRE_LIMIT).connect_lazy_with(connection(url)?))
}

/// One connection, as it is described.
pub(crate) fn connection(url: &Secret) -> Result<PgConnectOptions> {
    // The parser's own words may quote the URL, password included.
    url.reveal().parse().map_err(|_| anyhow::anyhow!("the Postgres URL cannot be read; it must look like postgres://role:password@host:5432/name"))
}

pub(crate) fn pepper(config: &Config) -> Result<server::api_key::Pepper> {
    let pepper = server::api_key::Pepper::new(config.api_key_pepper.reveal())
        .context("DRIFTWISE_API_KEY_PEPPER cannot be used")?;
    match &config.api_key_pepper_previous {
        None => Ok(pepper),
        Some(other) => pepper
            .accepting(other.reveal())
            .context("DRIFTWISE_API_KEY_PEPPER_PREVIOUS cannot be used"),
    }
}

/// A Chromium that has printed. In development the service goes on without one; in production it does not start.
async fn renderer(config: &Config) -> Result<Option<Chromium>> {
    if !config.pdf.enabled {
        return Ok(None);
    }
    let executable = config.pdf.chromium.clone().unwrap_or_else(render::installed);
    let (sandbox, paper) = (config.pdf.sandbox, config.pdf.paper);
    let options = render::Options { executable, sandbox, timeout: PRINT_LIMIT, paper };
    match started(options).await {
        Ok(chromium) => Ok(Some(chromium)),
        Err(error) if config.environment == Environment::Development => {
            tracing::warn!(
                error = format!("{error:#}"),
                "Chromium does not start: packs are built without summary.pdf (DRIFTWISE_CHROMIUM, DRIFTWISE_CHROMIUM_SANDBOX)"
            );
            Ok(None)
        }
        Err(error) => bail!(
            "Chromium does not start, and production needs it for summary.pdf (DRIFTWISE_CHROMIUM, DRIFTWISE_CHROMIUM_SANDBOX): {error:#}"
        ),
    }
}

async fn started(options: render::Options) -> Result<Chromium> {
    let chromium = Chromium::launch(options).await?;
    chromium.probe().await?;
    Ok(chromium)
}

fn chromium_probe(chromium: &Chromium) -> Probe {
    let chromium = chromium.clone();
    let check = move || -> futures_util::future::BoxFuture<'static, Result<(), String>> {
        let chromium = chromium.clone();
        Box::pin(async move { chromium.probe().await.map_err(|error| error.to_string()) })
    };
    Probe { name: "chromium", check: Arc::new(check) }
}
