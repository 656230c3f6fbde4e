//! What the types of the settings do not say: bounds, addresses, files, and what production demands.
//!
//! Files are looked at, never made: `driftpack config show` changes nothing.

use std::path::Path;
use std::time::Duration;

use url::Url;

use super::{Config, Environment, Issuer, Source};
use crate::telemetry;

/// A lease is renewed several times before it ends; a shorter one would be lost to a busy machine.
const LEASE_MIN: Duration = Duration::from_secs(1);

/// Notes every fault of a configuration whose settings were read.
pub(super) fn all(config: &Config, source: &mut Source) {
    numbers(config, source);
    addresses(config, source);
    files(config, source);
    if config.log_filter.as_deref().is_some_and(|filter| !telemetry::is_filter(filter)) {
        source.fault("log", "is no filter, such as info,sqlx=warn");
    }
    if config.environment == Environment::Production {
        production(config, source);
    }
}

fn numbers(config: &Config, source: &mut Source) {
    let concurrency = config.worker_concurrency;
    if concurrency == 0 {
        source.fault("worker_concurrency", "must be 1 or more");
    }
    // One connection a slot, one for its lease, and some for requests.
    let connections = concurrency.saturating_add(2);
    if (config.database_connections as usize) < connections {
        let what = format!("must be at least {connections} for this worker_concurrency");
        source.fault("database_connections", what);
    }
    if config.worker_lease < LEASE_MIN {
        source.fault("worker_lease_ms", format!("must be {} or more", LEASE_MIN.as_millis()));
    }
    if config.writes_per_minute == 0 {
        source.fault("writes_per_minute", "must be 1 or more");
    }
    if config.scan_max_bytes == 0 || usize::try_from(config.scan_max_bytes).is_err() {
        source.fault("scan_max_bytes", "must be 1 or more, and no more than memory can be");
    }
}

fn addresses(config: &Config, source: &mut Source) {
    let redis = config.redis_url.reveal();
    if !redis.is_empty() && !server::limiter::is_address(redis) {
        source.fault("redis_url", "is no Redis URL, such as redis://127.0.0.1:6379");
    }
    if let Issuer::Foreign(name) = &config.oidc.issuer
        && !name.is_empty()
        && !is_web_address(name)
    {
        source.fault("oidc_issuer", "is no URL, such as https://login.example.com");
    }
    if !matches!(config.base_url.scheme(), "http" | "https") {
        source.fault("base_url", "must begin with http:// or https://");
    }
}

fn is_web_address(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn files(config: &Config, source: &mut Source) {
    if let storage::Options::Fs { root } = &config.storage
        && !root.as_os_str().is_empty()
        && !is_folder_or_can_be(root)
    {
        let what = format!("names {}, which is no folder and cannot become one", root.display());
        source.fault("storage_root", what);
    }
    super::signing::check(&config.signing, config.environment, source);
}

/// Whether a folder is there, or one could be made: what is there of the path is folders.
pub(super) fn is_folder_or_can_be(path: &Path) -> bool {
    let there = path.ancestors().find(|part| part.symlink_metadata().is_ok());
    there.is_none_or(Path::is_dir)
}

fn production(config: &Config, source: &mut Source) {
    if !config.pdf.enabled {
        source.fault(
            "pdf_enabled",
            "must be `true` in production: a pack without summary.pdf is not what was sold",
        );
    }
    if config.base_url.scheme() != "https" {
        source.fault("base_url", "must begin with https:// in production");
    }
}
