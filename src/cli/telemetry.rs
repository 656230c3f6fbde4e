//! Logging: JSON for machines, pretty for people; to standard error, so that results on standard output stay clean.
//!
//! Invariant: in both formats a line names every span it was said in, from the outermost on: request or run (whose `trace` is
//! the id of the request that started it), step, attempt.

use std::time::Duration;

use anyhow::Result;
use metrics_exporter_prometheus::PrometheusBuilder;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::LogFormat;

/// What is shown unless `DRIFTWISE_LOG` says otherwise: our own parts, and of the others only what went wrong.
///
/// Chromium's DevTools client reports every message kind it does not know; that is noise.
const DEFAULT_FILTER: &str = "info,sqlx=warn,apalis=warn,apalis_core=warn,apalis_postgres=warn,hyper=warn,poem=warn,\
                              chromiumoxide=error,opendal=warn";

/// Whether `text` is a filter, as `DRIFTWISE_LOG` takes it.
pub(crate) fn is_filter(text: &str) -> bool {
    EnvFilter::try_new(text).is_ok()
}

/// Installs the subscriber of the process. The filter was checked with the other settings.
pub(crate) fn start(format: LogFormat, filter: Option<&str>) {
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter.unwrap_or(DEFAULT_FILTER)))
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE);
    match format {
        LogFormat::Json => subscriber
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(true)
            .init(),
        LogFormat::Pretty => subscriber.with_target(false).init(),
    }
}

/// Upper bounds of lengths in seconds, and of batches: from a step that does next to nothing to one that prints a large pack.
const BUCKETS: [f64; 12] =
    [0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 10.0, 50.0, 100.0, 500.0, 1000.0];
/// How often what was counted is put into its buckets, also when nobody asks for it.
const UPKEEP: Duration = Duration::from_secs(5);

/// Begins to count what the parts of this process report; answers the text that tells it. Needs the runtime.
pub(crate) fn figures() -> Result<Box<dyn Fn() -> String + Send + Sync>> {
    let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS)?.install_recorder()?;
    engine::describe_metrics();
    let upkeep = recorder.clone();
    tokio::spawn(async move {
        loop {
            engine::Clock::system().sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Ok(Box::new(move || recorder.render()))
}
