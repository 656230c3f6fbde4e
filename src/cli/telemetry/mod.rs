//! What the process says of itself: lines of its log, figures for Prometheus, spans for a collector.
//!
//! Invariants
//! - In both formats a line names every span it was said in, from the outermost on: request or run (whose `trace` is
//!   the id of the request that started it), step, attempt.
//! - One filter for all of it, at the top. Filters of single layers lose spans where somebody asks whether an event is enabled
//!   and then says none, as sqlx does: so `DRIFTWISE_LOG` must let spans through that are to be sent, which `info` does.
//! - What leaves the house is what the table in [`door`] names.
//! - Parts that print secrets when they are asked to say much are not asked, whatever `DRIFTWISE_LOG` says ([`Discretion`]).

mod door;
mod sender;
mod traces;

use std::time::Duration;

use anyhow::Result;
use metrics_exporter_prometheus::PrometheusBuilder;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::{Config, LogFormat};

pub(crate) use traces::{Traces, current, join};

/// What is shown unless `DRIFTWISE_LOG` says otherwise: our own parts, and of the others only what went wrong.
///
/// Chromium's DevTools client reports every message kind it does not know; that is noise.
const DEFAULT_FILTER: &str = "info,sqlx=warn,apalis=warn,apalis_core=warn,apalis_postgres=warn,hyper=warn,poem=warn,\
                              chromiumoxide=error,opendal=warn,opentelemetry=warn,opentelemetry_sdk=warn,opentelemetry-otlp=warn";

/// Whether `text` is a filter, as `DRIFTWISE_LOG` takes it.
pub(crate) fn is_filter(text: &str) -> bool {
    EnvFilter::try_new(text).is_ok()
}

type Part = Box<dyn Layer<Registry> + Send + Sync>;

/// Installs the subscriber of the process. The filter was checked with the other settings. Needs the runtime.
pub(crate) fn start(config: &Config) -> Result<Traces> {
    let mut parts = vec![log(config.log_format)];
    let traces = match &config.otlp {
        None => Traces::none(),
        Some(otlp) => {
            let (traces, part) = Traces::to(otlp, config.environment)?;
            parts.push(part);
            traces
        }
    };
    let filter = EnvFilter::new(config.log_filter.as_deref().unwrap_or(DEFAULT_FILTER));
    tracing_subscriber::registry().with(parts).with(filter).with(Discretion).init();
    Ok(traces)
}

/// Keeps those quiet who print what they were given: `reqsign` prints the keys of the bucket at `debug`.
struct Discretion;

/// Targets begin with it.
const INDISCREET: &str = "reqsign";

impl<S: Subscriber> Layer<S> for Discretion {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= Level::INFO || !metadata.target().starts_with(INDISCREET)
    }
}

/// JSON for machines, pretty for people; to standard error, so that results on standard output stay clean.
fn log(format: LogFormat) -> Part {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE);
    match format {
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(true).boxed()
        }
        LogFormat::Pretty => lines.with_target(false).boxed(),
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
