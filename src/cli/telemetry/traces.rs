//! Spans on their way out: from `tracing` through a bounded queue to a collector, by OpenTelemetry's own SDK.
//!
//! Invariants
//! - Whoever makes a span never waits: a full queue drops it, and the SDK says so once and counts at the end.
//! - What a caller's `traceparent` says of sampling counts for nothing; which traces are kept follows from their ids, so that
//!   all processes choose alike, and nobody can make us send more.
//! - The process ends within [`FLUSH_LIMIT`], whatever the collector does.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider,
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer as _;

use super::Part;
use super::door::Door;
use super::sender::{LIMIT, Sender};
use crate::config::{Environment, Otlp, Secret};

/// Spans that wait: some megabytes, and more than two hundred packs make between two batches.
const QUEUE: usize = 4096;
const BATCH: usize = 512;
/// The longest that a span waits for others to travel with.
const DELAY: Duration = Duration::from_secs(2);
/// How long the end of the process waits for the last batch.
const FLUSH_LIMIT: Duration = Duration::from_secs(3);

/// The header that carries a place in a trace (W3C Trace Context).
const TRACEPARENT: &str = "traceparent";

/// What sends spans, or nothing.
pub(crate) struct Traces(Option<SdkTracerProvider>);

impl Traces {
    pub(super) const fn none() -> Self {
        Self(None)
    }

    /// Begins to send to a collector, which need not be there.
    pub(super) fn to(otlp: &Otlp, environment: Environment) -> Result<(Self, Part)> {
        let headers: HashMap<String, String> = otlp
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), Secret::reveal(value).to_owned()))
            .collect();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Sender::new()?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(otlp.traces_url())
            .with_timeout(LIMIT)
            .with_headers(headers)
            .build()
            .context("DRIFTWISE_OTLP_ENDPOINT cannot be used")?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(DELAY)
            .build();
        let processor =
            BatchSpanProcessor::builder(Door::new(exporter)).with_batch_config(batches).build();
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::TraceIdRatioBased(otlp.ratio))
            .with_resource(resource(environment))
            .with_span_processor(processor)
            .build();
        let part = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("driftpack"))
            .with_location(false)
            .with_threads(false)
            .with_target(true)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .boxed();
        Ok((Self(Some(provider)), part))
    }

    /// Sends what waits, for as long as [`FLUSH_LIMIT`] at most.
    pub(crate) async fn finish(self) {
        let Some(provider) = self.0 else { return };
        let finished =
            tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH_LIMIT)).await;
        if let Ok(Err(error)) = finished {
            tracing::warn!(%error, "the last spans did not get to the collector");
        }
    }
}

/// Who speaks.
fn resource(environment: Environment) -> Resource {
    // Empty at first: what `OTEL_*` variables say is no setting of this program.
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", "driftpack"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("deployment.environment.name", environment.as_str()),
        ])
        .build()
}

/// Makes a span part of the trace that `traceparent` names. What is no `traceparent` is passed over.
pub(crate) fn join(span: &Span, traceparent: &str) {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    let parent = TraceContextPropagator::new().extract(&carrier);
    if parent.span().span_context().is_valid() {
        // It fails where nothing is sent, which is no fault.
        let _ = span.set_parent(parent);
    }
}

/// The current span as a `traceparent`, where spans are sent.
pub(crate) fn current() -> Option<String> {
    let context = Span::current().context();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| {
        format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8())
    })
}
