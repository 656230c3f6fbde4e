//! What a span looks like outside, and what a failure of the collector leads to.

use std::borrow::Cow;
use std::time::SystemTime;

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::error::OTelSdkError;

use super::*;

fn span(name: &'static str, fields: &[(&'static str, Value)]) -> SpanData {
    let package = if name == "request" { "server" } else { "engine" };
    let target = [KeyValue::new("target", format!("{package}::part"))].into_iter();
    let attributes = fields.iter().map(|(key, value)| KeyValue::new(*key, value.clone()));
    let context = SpanContext::new(
        TraceId::from(1),
        SpanId::from(2),
        TraceFlags::SAMPLED,
        false,
        TraceState::default(),
    );
    SpanData {
        span_context: context,
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: Cow::Borrowed(name),
        start_time: SystemTime::UNIX_EPOCH,
        end_time: SystemTime::UNIX_EPOCH,
        attributes: target.chain(attributes).collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::error("hunter2"),
        instrumentation_scope: InstrumentationScope::builder("driftpack").build(),
    }
}

fn sent(name: &'static str, fields: &[(&'static str, Value)]) -> SpanData {
    outgoing(span(name, fields)).expect("it goes out")
}

#[test]
fn only_what_the_table_names_goes_out() {
    let fields = [
        ("method", "POST".into()),
        ("path", "/hunter2".into()),
        ("callers_id", "hunter2".into()),
        ("route", "/orgs/:org_id".into()),
        ("operation", "getOrg".into()),
        ("status", Value::I64(404)),
    ];
    let sent = sent("request", &fields);
    assert!(!format!("{sent:?}").contains("hunter2"), "{sent:?}");
    assert_eq!((&*sent.name, sent.span_kind), ("POST /orgs/:org_id", SpanKind::Server));
    assert_eq!(sent.status, Status::Unset, "a refusal is no fault of the service");
    assert!(outgoing(span("query", &[("sql", "select 1".into())])).is_none());
    assert!(outgoing(span("request", &[("operation", "getMetrics".into())])).is_none());
}

#[test]
fn faults_are_errors_without_a_description() {
    let failed = sent("attempt", &[("failure", "Timeout".into()), ("attempt", Value::I64(2))]);
    assert_eq!((&*failed.name, failed.status), ("attempt", Status::error("")));
    let broken = sent("request", &[("method", "GET".into()), ("status", Value::I64(503))]);
    assert_eq!((&*broken.name, broken.status), ("GET", Status::error("")));
    let fine = sent("run", &[("workflow", "compliance_pack".into())]);
    assert_eq!((&*fine.name, fine.status), ("run compliance_pack", Status::Unset));
}

#[derive(Debug)]
struct Away;

impl SpanExporter for Away {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Err(OTelSdkError::InternalFailure("nobody is there".to_owned()))
    }
}

#[tokio::test]
async fn what_a_collector_does_not_take_is_counted_and_is_nobodys_failure() {
    let door = Door::new(Away);
    for _ in 0..2 {
        let batch = vec![span("run", &[]), span("step", &[]), span("query", &[])];
        assert!(door.export(batch).await.is_ok());
    }
    assert_eq!(door.lost.load(Ordering::Relaxed), 4);
    door.arrived();
    assert_eq!(door.lost.load(Ordering::Relaxed), 0);
}
