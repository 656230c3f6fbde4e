//! `driftpack config show`: what the configuration reads as, secrets hidden; `config example`: every setting there is.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use storage::{Encryption, GcsCredentials, Options};

use crate::config::{self, Config, Issuer, Oidc, Otlp, Signing};
use crate::say;

/// Look at the configuration
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Check every setting and print what is in force; secrets are hidden
    Show,
    /// Print a configuration file with every setting: what it is, its default or an example
    Example,
}

pub(crate) fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Show => show(),
        Command::Example => {
            say::out(config::setting::example().trim_end());
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn show() -> Result<ExitCode> {
    let config = Config::load(config::environment())?;
    say::out(say::table(&rows(&config)));
    for name in &config.unknown {
        say::note(format!("{name} is no setting of this program; is it misspelt?"));
    }
    for warning in &config.warnings {
        say::note(warning);
    }
    Ok(ExitCode::SUCCESS)
}

fn rows(config: &Config) -> Vec<Vec<String>> {
    let issuer = match &config.oidc.issuer {
        Issuer::Foreign(name) => name.clone(),
        Issuer::Embedded { listen: Some(listen), .. } => format!("embedded, on {listen}"),
        Issuer::Embedded { listen: None, .. } => "embedded, on a free port".to_owned(),
    };
    let chromium = config.pdf.chromium.as_ref().map_or_else(render::installed, Clone::clone);
    let chromium = chromium.display().to_string();
    let mut rows = vec![
        ("ENV", config.environment.as_str().to_owned()),
        ("LISTEN", config.listen.to_string()),
        (
            "WORKER_LISTEN",
            config.worker_listen.map_or("nowhere".to_owned(), |listen| listen.to_string()),
        ),
        ("BASE_URL", config.base_url.to_string()),
        ("DATABASE_URL", config.database_url.to_string()),
        ("DATABASE_CONNECTIONS", config.database_connections.to_string()),
        ("REDIS_URL", config.redis_url.to_string()),
        ("OIDC_ISSUER", issuer),
        ("API_KEY_PEPPER", config.api_key_pepper.to_string()),
        (
            "API_KEY_PEPPER_PREVIOUS",
            config.api_key_pepper_previous.as_ref().map_or("none".to_owned(), ToString::to_string),
        ),
        ("PDF_ENABLED", config.pdf.enabled.to_string()),
        ("CHROMIUM", chromium),
        ("CHROMIUM_SANDBOX", config.pdf.sandbox.to_string()),
        ("LOG_FORMAT", config.log_format.as_str().to_owned()),
        ("WORKER_CONCURRENCY", config.worker_concurrency.to_string()),
        ("WORKER_LEASE_MS", config.worker_lease.as_millis().to_string()),
        ("SCAN_MAX_BYTES", config.scan_max_bytes.to_string()),
        ("WRITES_PER_MINUTE", config.writes_per_minute.to_string()),
    ];
    rows.extend(config.otlp.iter().flat_map(otlp));
    rows.extend(storage(&config.storage));
    rows.extend(signing(&config.signing));
    rows.extend(identity(&config.oidc));
    rows.into_iter().map(|(name, value)| vec![format!("DRIFTWISE_{name}"), value]).collect()
}

fn otlp(otlp: &Otlp) -> Vec<(&'static str, String)> {
    let headers = otlp.headers.iter().map(|(name, value)| format!("{name}={value}"));
    vec![
        ("OTLP_ENDPOINT", otlp.endpoint.to_string()),
        ("OTLP_HEADERS", headers.collect::<Vec<_>>().join(",")),
        ("OTLP_TRACE_RATIO", otlp.ratio.to_string()),
    ]
}

fn signing(signing: &Signing) -> Vec<(&'static str, String)> {
    let name = signing.keys.setting().trim_start_matches("DRIFTWISE_");
    let mut rows = vec![(name, signing.keys.to_string())];
    if let Some(file) = &signing.retired_file {
        rows.push(("RETIRED_KEYS_FILE", file.display().to_string()));
    }
    if let Some(url) = &signing.tsa_url {
        rows.push(("TSA_URL", crate::authority::without_secrets(url.clone())));
    }
    rows
}

fn identity(oidc: &Oidc) -> Vec<(&'static str, String)> {
    let algorithms = oidc.algorithms.iter().map(|algorithm| format!("{algorithm:?}"));
    let minutes = |time: Duration| (time.as_secs() / 60).to_string();
    let mut rows = vec![
        ("OIDC_AUDIENCE", oidc.audiences.join(",")),
        (
            "OIDC_CLIENTS",
            if oidc.clients.is_empty() { "all".to_owned() } else { oidc.clients.join(",") },
        ),
        ("OIDC_ALGORITHMS", algorithms.collect::<Vec<_>>().join(",")),
        ("OIDC_LEEWAY_SECONDS", oidc.leeway.as_secs().to_string()),
        ("OIDC_EMAIL_CLAIM", oidc.email_claim.clone()),
        ("OIDC_EMAIL_VERIFIED_CLAIM", oidc.email_verified_claim.clone()),
        ("OIDC_EMAIL_TRUST", oidc.email_trust.as_str().to_owned()),
        ("OIDC_NAME_CLAIM", oidc.name_claim.clone()),
        ("SESSION_IDLE_MINUTES", minutes(oidc.session_idle)),
        ("SESSION_MINUTES", minutes(oidc.session_whole)),
    ];
    if let Some(browser) = &oidc.browser {
        let secret = browser.client_secret.as_ref().map_or("none".to_owned(), ToString::to_string);
        rows.push(("OIDC_CLIENT_ID", browser.client_id.clone()));
        rows.push(("OIDC_CLIENT_SECRET", secret));
        rows.push(("OIDC_SCOPES", browser.scopes.clone()));
    }
    rows
}

/// What is said of storage depends on its kind.
fn storage(options: &Options) -> Vec<(&'static str, String)> {
    const FROM_ENVIRONMENT: &str = "as the environment says";
    let of_bucket = |bucket: &str, prefix: &str, endpoint: Option<&str>| {
        vec![
            ("STORAGE_BUCKET", bucket.to_owned()),
            ("STORAGE_PREFIX", prefix.to_owned()),
            ("STORAGE_ENDPOINT", endpoint.unwrap_or("the service's own").to_owned()),
        ]
    };
    match options {
        Options::Fs { root } => {
            vec![("STORAGE", "fs".to_owned()), ("STORAGE_ROOT", root.display().to_string())]
        }
        Options::Memory => vec![("STORAGE", "memory".to_owned())],
        Options::S3(s3) => {
            let mut rows = vec![("STORAGE", "s3".to_owned())];
            rows.extend(of_bucket(&s3.bucket, &s3.prefix, s3.endpoint.as_deref()));
            let encryption = match &s3.encryption {
                Encryption::OfBucket => "bucket",
                Encryption::S3 => "s3",
                Encryption::Kms { .. } => "kms",
            };
            let key = s3.access_key.as_ref().map_or(FROM_ENVIRONMENT, |_| "•••");
            rows.extend([
                ("S3_REGION", s3.region.clone()),
                ("S3_PATH_STYLE", s3.is_path_style.to_string()),
                ("S3_ACCESS_KEY_ID", key.to_owned()),
                ("S3_ENCRYPTION", encryption.to_owned()),
            ]);
            rows
        }
        Options::Gcs(gcs) => {
            let mut rows = vec![("STORAGE", "gcs".to_owned())];
            rows.extend(of_bucket(&gcs.bucket, &gcs.prefix, gcs.endpoint.as_deref()));
            let credentials = match &gcs.credentials {
                GcsCredentials::Environment => FROM_ENVIRONMENT.to_owned(),
                GcsCredentials::File(file) => file.display().to_string(),
                GcsCredentials::Anonymous => "nobody".to_owned(),
            };
            rows.push(("GCS_CREDENTIALS_FILE", credentials));
            rows
        }
    }
}
