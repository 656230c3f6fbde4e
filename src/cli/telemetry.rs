//! Logging: JSON for machines, pretty for people; to standard error, so that results on standard output stay clean.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::LogFormat;

/// What is shown unless `DRIFTWISE_LOG` says otherwise: our own parts, and of the others only what went wrong.
///
/// Chromium's DevTools client reports every message kind it does not know; that is noise.
const DEFAULT_FILTER: &str = "info,sqlx=warn,apalis=warn,apalis_core=warn,apalis_postgres=warn,hyper=warn,poem=warn,\
                              chromiumoxide=error,opendal=warn";

/// Installs the subscriber of the process. A bad `filter` falls back to the default and says so.
pub(crate) fn start(format: LogFormat, filter: Option<&str>) {
    let (chosen, fault) = match filter.map(EnvFilter::try_new) {
        None => (EnvFilter::new(DEFAULT_FILTER), None),
        Some(Ok(chosen)) => (chosen, None),
        Some(Err(error)) => (EnvFilter::new(DEFAULT_FILTER), Some(error)),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(chosen)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE);
    match format {
        LogFormat::Json => subscriber
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .init(),
        LogFormat::Pretty => subscriber.with_target(false).init(),
    }
    if let Some(error) = fault {
        tracing::warn!(%error, "DRIFTWISE_LOG is not a filter; the default is used");
    }
}
