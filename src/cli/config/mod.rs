//! The configuration of the program, read once, here.
//!
//! Invariants
//! - No other place reads the environment for a setting of the service.
//! - Everything is checked before anything starts; one message lists every fault and names each setting.
//! - Production is strict: what would make packs worse or logins weaker stops the boot.

mod check;
mod file;
mod identity;
mod otlp;
mod secret;
pub(crate) mod setting;
pub(crate) mod signing;
mod source;
mod storage;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use url::Url;

pub(crate) use identity::{EmailTrust, Issuer, Oidc};
pub(crate) use otlp::Otlp;
pub(crate) use secret::Secret;
pub(crate) use signing::Signing;
pub(crate) use source::{Faults, Source};

/// A pepper shorter than this could be guessed: 32 bytes, as many as the HMAC's output has.
const PEPPER_MIN_BYTES: usize = 32;

/// The largest scan file taken when nothing else is said: larger than any plan of 20,000 resources we have seen.
const SCAN_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Where the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Environment {
    Development,
    Production,
}

impl Environment {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
        }
    }
}

impl FromStr for Environment {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "development" => Ok(Self::Development),
            "production" => Ok(Self::Production),
            _ => Err(()),
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Json,
    Pretty,
}

impl LogFormat {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Pretty => "pretty",
        }
    }
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "json" => Ok(Self::Json),
            "pretty" => Ok(Self::Pretty),
            _ => Err(()),
        }
    }
}

/// How the report is printed.
#[derive(Debug, Clone)]
pub(crate) struct Pdf {
    pub(crate) enabled: bool,
    pub(crate) chromium: Option<PathBuf>,
    pub(crate) sandbox: bool,
    pub(crate) paper: render::Paper,
}

/// What `serve`, `worker` and `all` need.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) environment: Environment,
    pub(crate) log_format: LogFormat,
    pub(crate) log_filter: Option<String>,
    pub(crate) otlp: Option<Otlp>,
    pub(crate) listen: SocketAddr,
    /// Where a worker that is a process of its own shows that it lives; absent: nowhere.
    pub(crate) worker_listen: Option<SocketAddr>,
    pub(crate) base_url: Url,
    pub(crate) database_url: Secret,
    pub(crate) database_connections: u32,
    pub(crate) redis_url: Secret,
    pub(crate) oidc: Oidc,
    pub(crate) api_key_pepper: Secret,
    /// Keys that are stored under it are found, too: set while the pepper is exchanged.
    pub(crate) api_key_pepper_previous: Option<Secret>,
    pub(crate) storage: ::storage::Options,
    pub(crate) pdf: Pdf,
    pub(crate) signing: Signing,
    pub(crate) worker_concurrency: usize,
    /// How long a worker may be silent before its runs are taken over.
    pub(crate) worker_lease: Duration,
    pub(crate) scan_max_bytes: u64,
    /// How many times in a minute a person or an API key may change something.
    pub(crate) writes_per_minute: u32,
    /// Variables that look like settings and are none.
    pub(crate) unknown: Vec<String>,
    /// What is not as it should be, and the way out.
    pub(crate) warnings: Vec<String>,
}

/// What the process was started with.
pub(crate) fn environment() -> Source {
    Source::new(std::env::vars_os())
}

impl Config {
    /// Reads and checks everything.
    pub(crate) fn load(mut source: Source) -> Result<Self, Faults> {
        let environment =
            source.parse("env", Environment::Development, "`development` or `production`");
        let log_format = match environment {
            Environment::Development => LogFormat::Pretty,
            Environment::Production => LogFormat::Json,
        };
        let config = Self {
            environment,
            log_format: source.parse("log_format", log_format, "`json` or `pretty`"),
            log_filter: source.find("log"),
            otlp: otlp::read(&mut source, environment),
            listen: source.parse(
                "listen",
                SocketAddr::from(([127, 0, 0, 1], 8420)),
                "an address and a port, such as 127.0.0.1:8420",
            ),
            worker_listen: source
                .find_parsed("worker_listen", "an address and a port, such as 127.0.0.1:8421"),
            base_url: base_url(&mut source),
            database_url: postgres(
                &mut source,
                "database_url",
                "the Postgres URL of the role driftpack_app",
            ),
            database_connections: source.parse("database_connections", 20, "a whole number"),
            redis_url: Secret::new(
                source.require("redis_url", "the URL of Redis, such as redis://127.0.0.1:6379"),
            ),
            oidc: identity::read(&mut source, environment),
            api_key_pepper: pepper(&mut source),
            api_key_pepper_previous: previous_pepper(&mut source),
            storage: storage::read(&mut source, environment),
            pdf: pdf(&mut source, environment),
            signing: signing::read(&mut source),
            worker_concurrency: source.parse("worker_concurrency", 4, "a whole number"),
            worker_lease: Duration::from_millis(source.parse(
                "worker_lease_ms",
                10_000,
                "a number of milliseconds",
            )),
            scan_max_bytes: source.parse("scan_max_bytes", SCAN_MAX_BYTES, "a number of bytes"),
            writes_per_minute: source.parse(
                "writes_per_minute",
                server::limiter::Quota::writes().limit,
                "a whole number",
            ),
            unknown: Vec::new(),
            warnings: Vec::new(),
        };
        // Known to the program, though not to its services: `driftpack migrate` reads it.
        source.find("migration_database_url");
        check::all(&config, &mut source);
        let (unknown, warnings) = (source.unknown(), source.warnings());
        source.finish()?;
        Ok(Self { unknown, warnings, ..config })
    }
}

fn base_url(source: &mut Source) -> Url {
    let fallback = Url::parse("http://127.0.0.1:8420").expect("a constant");
    if source.find("base_url").is_none() && source.find("env").as_deref() == Some("production") {
        source.fault("base_url", "is missing: the address under which people reach this service; it is written into every pack");
    }
    source.parse("base_url", fallback, "a URL, such as https://driftpack.example.com")
}

fn postgres(source: &mut Source, name: &'static str, purpose: &str) -> Secret {
    let text = source.require(name, purpose);
    // The parser takes any scheme. Its own words may quote the URL, password included.
    let is_url = (text.starts_with("postgres://") || text.starts_with("postgresql://"))
        && text.parse::<PgConnectOptions>().is_ok();
    if !text.is_empty() && !is_url {
        source.fault(name, "is no Postgres URL, such as postgres://role:password@host:5432/name");
    }
    Secret::new(text)
}

fn pepper(source: &mut Source) -> Secret {
    let text = source.require(
        "api_key_pepper",
        "the secret under which API keys are stored (openssl rand -hex 32)",
    );
    if !text.is_empty() && text.len() < PEPPER_MIN_BYTES {
        source.fault(
            "api_key_pepper",
            format!("must have {PEPPER_MIN_BYTES} bytes or more (openssl rand -hex 32)"),
        );
    }
    Secret::new(text)
}

fn previous_pepper(source: &mut Source) -> Option<Secret> {
    let text = source.find("api_key_pepper_previous")?;
    if text.len() < PEPPER_MIN_BYTES {
        let what = format!("must have {PEPPER_MIN_BYTES} bytes or more, or be left out");
        source.fault("api_key_pepper_previous", what);
    } else if source.find("api_key_pepper").as_ref() == Some(&text) {
        let what = "is the pepper in force; set the other one of the two, or leave it out";
        source.fault("api_key_pepper_previous", what);
    }
    Some(Secret::new(text))
}

fn pdf(source: &mut Source, environment: Environment) -> Pdf {
    let chromium: Option<PathBuf> = source.find("chromium").map(PathBuf::from);
    let pdf = Pdf {
        enabled: source.parse("pdf_enabled", false, "`true` or `false`"),
        chromium,
        sandbox: source.parse("chromium_sandbox", true, "`true` or `false`"),
        paper: source.parse("pdf_paper", render::Paper::A4, "`a4` or `letter`"),
    };
    if let Some(path) = pdf
        .chromium
        .as_ref()
        .filter(|path| pdf.enabled && environment == Environment::Production && !path.is_file())
    {
        source.fault("chromium", format!("names {}, which is not there", path.display()));
    }
    pdf
}

/// The keys alone, for the command that looks after them: it must work when nothing else does.
pub(crate) fn keys(mut source: Source) -> Result<Signing, Faults> {
    let signing = signing::read(&mut source);
    source.finish_one().map(|()| signing)
}

/// The role that owns and migrates the database, for `driftpack migrate` alone.
pub(crate) fn migration_database_url(mut source: Source) -> Result<Secret, Faults> {
    let url = postgres(
        &mut source,
        "migration_database_url",
        "the Postgres URL of the role that owns the database (driftpack_owner)",
    );
    source.finish_one().map(|()| url)
}
