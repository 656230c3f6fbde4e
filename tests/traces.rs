//! Spans of a pack as a collector gets them, and packs that are built however the collector fares.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::json;
use tests::app::{App, Options, Person};
use tests::cluster::free_port;
use tests::collector::{Collector, Mood, attribute};
use tests::http::send;
use tests::plan::{changed, plan};
use tests::wait;

const LIMIT: Duration = Duration::from_secs(30);
const CALLERS_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLERS_SPAN: &str = "00f067aa0ba902b7";
const DOOR_KEY: &str = "collector-key-5d2f";
const SECRET_VALUE: &str = "ami-0secret77d1";

/// A driftpack that sends its spans to `url`.
async fn sending_to(url: &str) -> App {
    let settings = [
        ("DRIFTWISE_OTLP_ENDPOINT", url.to_owned()),
        ("DRIFTWISE_OTLP_HEADERS", format!("authorization=Bearer%20{DOOR_KEY}")),
    ];
    App::start_with(Options { settings: settings.into(), ..Options::default() }).await
}

fn hex(id: &[u8]) -> String {
    id.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

/// The first span that is below `parent` and has this name.
fn child<'a>(spans: &'a [Span], parent: &Span, name: &str) -> &'a Span {
    let is_child = |span: &&Span| span.parent_span_id == parent.span_id && span.name == name;
    let found = spans.iter().find(is_child);
    found.unwrap_or_else(|| panic!("no {name} below {}: {spans:#?}", parent.name))
}

/// Requests a pack of January as somebody whose own trace goes on in ours; the id of the request and of the row.
async fn requested(app: &App, token: &str) -> (String, String) {
    let period =
        json!({"period_start": "2026-01-01T00:00:00Z", "period_end": "2026-02-01T00:00:00Z"});
    let path = format!("{}?token=dw2_pasted", app.path("audit-exports"));
    let post = app.http.request(reqwest::Method::POST, &path, token);
    let traceparent = format!("00-{CALLERS_TRACE}-{CALLERS_SPAN}-00");
    let answer = send(post.header("traceparent", traceparent).json(&period)).await;
    let request = answer.header("x-driftpack-request-id").to_owned();
    (request, answer.expect(202)["id"].as_str().unwrap().to_owned())
}

/// What must never leave: everything in the settings that opens something, and what people have and say.
fn secrets(app: &App, api_key: &str) -> Vec<String> {
    let settings = ["_URL", "_PEPPER", "_HEADERS"];
    let is_secret = |name: &str| settings.iter().any(|end| name.ends_with(end));
    let set = app
        .environment()
        .iter()
        .filter(|(name, _)| is_secret(name) && name != "DRIFTWISE_BASE_URL");
    let mut secrets: Vec<_> = set.map(|(_, value)| value.clone()).collect();
    assert!(secrets.len() >= 5, "{secrets:?}");
    let key = std::fs::read_to_string(app.dir.path().join("signing-key.pem")).unwrap();
    secrets.extend(key.lines().filter(|line| line.len() > 40).map(str::to_owned));
    secrets
        .extend([api_key, DOOR_KEY, SECRET_VALUE, "dw2_pasted", "aws_instance"].map(str::to_owned));
    secrets.extend(["owner@acme.example", "acme", "prod-estate"].map(str::to_owned));
    secrets.push(app.token(Person::Owner).rsplit('.').next().unwrap().to_owned());
    secrets
}

#[tokio::test]
async fn a_pack_is_one_trace_from_its_callers_request_to_every_attempt_and_holds_no_secret() {
    let collector = Collector::start(Mood::Takes).await;
    let mut app = sending_to(&collector.url).await;
    let api_key = app.api_key("read,write");
    let drift = [changed("aws_instance", "web", "ami", &json!("a"), &json!(SECRET_VALUE))];
    app.ingest("prod-estate", &plan("2026-01-05T00:00:00Z", &drift)).await;
    app.http.get("/me", &api_key).await;
    let (request_id, pack) = requested(&app, &app.token(Person::Owner)).await;
    app.finished_pack(&pack).await;
    app.terminate();
    app.ended().await;

    let spans = collector.spans();
    let mine =
        |span: &&Span| attribute(span, "driftpack.request.id").as_deref() == Some(&request_id);
    let request =
        spans.iter().find(mine).unwrap_or_else(|| panic!("no request {request_id}: {spans:#?}"));
    assert_eq!(hex(&request.trace_id), CALLERS_TRACE);
    assert_eq!(hex(&request.parent_span_id), CALLERS_SPAN);
    // The route, not the address: what is between the slashes is nobody's id.
    assert_eq!(request.name, "POST /api/v2/orgs/:param0/audit-exports");
    assert_eq!(request.kind(), SpanKind::Server);
    assert_eq!(attribute(request, "driftpack.operation").as_deref(), Some("requestAuditExport"));
    assert_eq!(attribute(request, "http.response.status_code").as_deref(), Some("202"));
    let run = child(&spans, request, "run compliance_pack.build");
    assert_eq!(attribute(run, "driftpack.run.trace").as_deref(), Some(&*request_id));
    assert_eq!(attribute(run, "driftpack.run.left").as_deref(), Some("succeeded"));
    for step in ["begin", "collect", "publish"] {
        let step = child(&spans, run, &format!("step {step}"));
        let attempt = child(&spans, step, "attempt");
        assert_eq!(attribute(attempt, "driftpack.attempt.outcome").as_deref(), Some("succeeded"));
        assert!(step.trace_id == request.trace_id && attempt.trace_id == request.trace_id);
    }
    assert!(named(&spans, "GET /healthz").is_empty(), "probes are not sent");

    for posted in collector.posted() {
        assert_eq!(posted.path, "/v1/traces");
        assert_eq!(posted.headers["authorization"], format!("Bearer {DOOR_KEY}"));
        assert_eq!(posted.headers["content-type"], "application/x-protobuf");
        let has = |text: &str| posted.body.windows(text.len()).any(|part| part == text.as_bytes());
        for secret in secrets(&app, &api_key) {
            assert!(!has(&secret), "{secret} was sent");
        }
    }
    let all = collector.posted().into_iter().flat_map(|posted| posted.body).collect::<Vec<_>>();
    let has = |text: &str| all.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(has(&request_id), "what is looked for would be found");
    let keys: BTreeSet<_> =
        spans.iter().flat_map(|span| &span.attributes).map(|one| one.key.clone()).collect();
    assert!(keys.is_subset(&documented()), "{keys:?}");
    assert!(spans.iter().all(|span| span.events.is_empty() && span.links.is_empty()));
}

/// The attributes that OPERATING.md says are sent.
fn documented() -> BTreeSet<String> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../OPERATING.md");
    let text = std::fs::read_to_string(file).unwrap();
    let (_, chapter) = text.split_once("## Traces\n").expect("OPERATING.md speaks of traces");
    let chapter = chapter.split("\n## ").next().unwrap();
    let words = chapter.split('`').skip(1).step_by(2);
    words.filter(|word| word.contains('.')).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_failed_attempt_is_an_error_without_its_words_and_the_next_one_is_beside_it() {
    let collector = Collector::start(Mood::Takes).await;
    let mut app = sending_to(&collector.url).await;
    app.generate("20", ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"));
    let token = app.token(Person::Owner);
    let storage = app.storage();
    let away = app.dir.path().join("storage-away");
    std::fs::rename(&storage, &away).unwrap();
    std::fs::write(&storage, "no folder").unwrap();
    let (_, pack) = requested(&app, &token).await;
    let failed = async || {
        let spans = collector.spans();
        let is_failed = |span: &&Span| {
            attribute(span, "driftpack.attempt.outcome").as_deref() == Some("failed")
        };
        spans.iter().find(is_failed).cloned()
    };
    let failed = wait::until("a failed attempt at the collector", LIMIT, failed).await;
    assert_eq!(failed.status.as_ref().map(|status| (status.code, &*status.message)), Some((2, "")));
    assert!(attribute(&failed, "error.type").is_some());
    std::fs::remove_file(&storage).unwrap();
    std::fs::rename(&away, &storage).unwrap();
    app.finished_pack(&pack).await;
    app.terminate();
    app.ended().await;
    let spans = collector.spans();
    let succeeded = spans.iter().find(|span| {
        hex(&span.trace_id) == CALLERS_TRACE
            && attribute(span, "driftpack.attempt").is_some_and(|attempt| attempt != "1")
            && attribute(span, "driftpack.attempt.outcome").as_deref() == Some("succeeded")
    });
    assert!(succeeded.is_some(), "{spans:#?}");
}

#[tokio::test]
async fn a_collector_that_is_gone_or_fails_or_hangs_costs_no_pack_and_holds_up_no_end() {
    let (fails, hangs) = tokio::join!(Collector::start(Mood::Fails), Collector::start(Mood::Hangs));
    let gone = format!("http://127.0.0.1:{}", free_port());
    for url in [&gone, &fails.url, &hangs.url] {
        let mut app = sending_to(url).await;
        let (_, pack) = requested(&app, &app.token(Person::Owner)).await;
        assert_eq!(app.finished_pack(&pack).await["status"], "done", "{url}");
        let told = "spans do not reach the collector";
        if *url != hangs.url {
            wait::until("a word of it", LIMIT, async || app.log().contains(told).then_some(()))
                .await;
        }
        let began = Instant::now();
        app.terminate();
        app.ended().await;
        assert!(began.elapsed() < LIMIT, "{url} held up the end: {:?}", began.elapsed());
        let log = app.log();
        assert!(log.matches(told).count() <= 1, "it is said once: {log}");
        assert!(!log.contains(DOOR_KEY), "{log}");
    }
    assert!(!fails.posted().is_empty() && !hangs.posted().is_empty(), "they were asked");
}
