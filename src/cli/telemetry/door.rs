//! The door of the house for spans: what goes out, and under which names.
//!
//! Invariants
//! - An attribute that [`SPANS`] does not name stays inside, and so does every event, link and description: no addresses,
//!   headers, bodies, messages of errors, names of people or things. What goes out are words of ours, ids, numbers.
//! - A collector that takes nothing is nobody's failure: spans are lost, counted, and that is said once until it is over.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::trace::{SpanKind, Status};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter, SpanLinks};

/// A span that goes out.
struct Outgoing {
    name: &'static str,
    /// The package that makes it; others may have spans of this name.
    package: &'static str,
    kind: SpanKind,
    /// Fields, and the attributes that they become.
    attributes: &'static [(&'static str, &'static str)],
}

/// Everything that goes out. `OPERATING.md` lists the attributes, and a test compares.
const SPANS: [Outgoing; 4] = [
    Outgoing {
        name: "request",
        package: "server",
        kind: SpanKind::Server,
        attributes: &[
            ("request_id", "driftpack.request.id"),
            ("method", "http.request.method"),
            ("route", "http.route"),
            ("operation", "driftpack.operation"),
            ("status", "http.response.status_code"),
        ],
    },
    Outgoing {
        name: "run",
        package: "engine",
        kind: SpanKind::Consumer,
        attributes: &[
            ("run_id", "driftpack.run.id"),
            ("workflow", "driftpack.workflow"),
            ("version", "driftpack.workflow.version"),
            ("epoch", "driftpack.run.epoch"),
            ("trace", "driftpack.run.trace"),
            ("left", "driftpack.run.left"),
            ("failure", "error.type"),
        ],
    },
    Outgoing {
        name: "step",
        package: "engine",
        kind: SpanKind::Internal,
        attributes: &[("step", "driftpack.step"), ("occurrence", "driftpack.step.occurrence")],
    },
    Outgoing {
        name: "attempt",
        package: "engine",
        kind: SpanKind::Internal,
        attributes: &[
            ("attempt", "driftpack.attempt"),
            ("outcome", "driftpack.attempt.outcome"),
            ("failure", "error.type"),
        ],
    },
];

/// Asked all day by machines, and of no interest to anybody.
const UNTOLD: [&str; 3] = ["getHealth", "getReadiness", "getMetrics"];

/// The figure of what did not arrive.
const LOST: &str = "driftpack_trace_spans_lost_total";

/// An exporter that lets through what may go out.
pub(super) struct Door<E> {
    inner: E,
    /// Spans lost since the last batch that arrived.
    lost: AtomicU64,
}

impl<E> Door<E> {
    pub(super) fn new(inner: E) -> Self {
        Self { inner, lost: AtomicU64::new(0) }
    }

    fn arrived(&self) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::info!(lost, "spans reach the collector again");
        }
    }

    fn not_arrived(&self, spans: u64, error: &dyn fmt::Display) {
        metrics::counter!(LOST).increment(spans);
        if self.lost.fetch_add(spans, Ordering::Relaxed) == 0 {
            tracing::warn!(%error, "spans do not reach the collector of DRIFTWISE_OTLP_ENDPOINT and are lost; nothing else suffers");
        }
    }
}

impl<E> fmt::Debug for Door<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("lost", &self.lost).finish_non_exhaustive()
    }
}

impl<E: SpanExporter> SpanExporter for Door<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let batch: Vec<_> = batch.into_iter().filter_map(outgoing).collect();
        let spans = batch.len();
        if spans == 0 {
            return Ok(());
        }
        match self.inner.export(batch).await {
            Ok(()) => self.arrived(),
            Err(error) => self.not_arrived(spans as u64, &error),
        }
        // It is dealt with: the SDK would log each failure.
        Ok(())
    }

    fn shutdown_with_timeout(&self, limit: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(limit)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// A span as it goes out, if it does.
fn outgoing(span: SpanData) -> Option<SpanData> {
    let shape = SPANS.iter().find(|shape| shape.name == span.name)?;
    let find = |field: &str| span.attributes.iter().find(|one| one.key.as_str() == field);
    let text = |field: &str| find(field).map(|one| one.value.as_str());
    let target = text("target").unwrap_or_default();
    if target.split("::").next() != Some(shape.package) {
        return None;
    }
    if text("operation").is_some_and(|operation| UNTOLD.contains(&&*operation)) {
        return None;
    }
    let name = match (shape.name, text("method"), text("route")) {
        ("request", Some(method), Some(route)) => format!("{method} {route}"),
        ("request", Some(method), None) => method.into_owned(),
        (name, ..) => match text("workflow").or_else(|| text("step")) {
            Some(what) => format!("{name} {what}"),
            None => name.to_owned(),
        },
    };
    let is_fault = matches!(find("status"), Some(KeyValue { value: Value::I64(500..), .. }))
        || find("failure").is_some();
    let status = if is_fault { Status::error("") } else { Status::Unset };
    let attributes = shape.attributes.iter().filter_map(|(field, attribute)| {
        find(field).map(|one| KeyValue::new(*attribute, one.value.clone()))
    });
    Some(SpanData {
        name: name.into(),
        span_kind: shape.kind.clone(),
        attributes: attributes.collect(),
        status,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        ..span
    })
}

#[cfg(test)]
mod tests;
