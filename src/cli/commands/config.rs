//! `driftpack config show`: what the configuration reads as, secrets hidden.

use std::process::ExitCode;

use anyhow::Result;

use crate::config::{self, Config, Issuer};
use crate::say;

/// Look at the configuration
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Check every setting and print what is in force; secrets are hidden
    Show,
}

pub(crate) fn run(command: &Command) -> Result<ExitCode> {
    let Command::Show = command;
    let config = Config::load(config::environment())?;
    say::out(say::table(&rows(&config)));
    for name in &config.unknown {
        say::note(format!("{name} is no setting of this program; is it misspelt?"));
    }
    Ok(ExitCode::SUCCESS)
}

fn rows(config: &Config) -> Vec<Vec<String>> {
    let issuer = match &config.oidc.issuer {
        Issuer::Foreign(name) => name.clone(),
        Issuer::Embedded { listen: Some(listen), .. } => format!("embedded, on {listen}"),
        Issuer::Embedded { listen: None, .. } => "embedded, on a free port".to_owned(),
    };
    let chromium = config
        .pdf
        .chromium
        .as_ref()
        .map_or_else(|| "chromium, on the PATH".to_owned(), |path| path.display().to_string());
    [
        ("ENV", config.environment.as_str().to_owned()),
        ("LISTEN", config.listen.to_string()),
        ("BASE_URL", config.base_url.to_string()),
        ("DATABASE_URL", config.database_url.to_string()),
        ("DATABASE_CONNECTIONS", config.database_connections.to_string()),
        ("REDIS_URL", config.redis_url.to_string()),
        ("OIDC_ISSUER", issuer),
        ("OIDC_AUDIENCE", config.oidc.audience.clone()),
        ("OIDC_EMAIL_CLAIM", config.oidc.email_claim.clone()),
        ("API_KEY_PEPPER", config.api_key_pepper.to_string()),
        ("STORAGE_ROOT", config.storage_root.display().to_string()),
        ("PDF_ENABLED", config.pdf.enabled.to_string()),
        ("CHROMIUM", chromium),
        ("CHROMIUM_SANDBOX", config.pdf.sandbox.to_string()),
        ("SIGNING_KEY_FILE", config.signing_key_file.display().to_string()),
        ("LOG_FORMAT", config.log_format.as_str().to_owned()),
        ("WORKER_CONCURRENCY", config.worker_concurrency.to_string()),
        ("WORKER_LEASE_MS", config.worker_lease.as_millis().to_string()),
        ("SCAN_MAX_BYTES", config.scan_max_bytes.to_string()),
    ]
    .map(|(name, value)| vec![format!("DRIFTWISE_{name}"), value])
    .into()
}
