//! A collector of traces in the test's process: takes OTLP over HTTP, keeps every byte, and can be as bad as collectors are.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What a collector does with what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Takes,
    /// Answers 500.
    Fails,
    /// Reads, and never answers.
    Hangs,
}

/// One request, as it came.
#[derive(Clone)]
pub struct Posted {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// The collector; it ends with the value.
pub struct Collector {
    pub url: String,
    posted: Arc<Mutex<Vec<Posted>>>,
    task: JoinHandle<()>,
}

impl Collector {
    /// Listens on a free port of loopback.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it listens"));
        let posted: Arc<Mutex<Vec<Posted>>> = Arc::default();
        let task = tokio::spawn(serve(listener, mood, posted.clone()));
        Self { url, posted, task }
    }

    /// Every request so far.
    ///
    /// # Panics
    /// When a task that wrote one has panicked.
    pub fn posted(&self) -> Vec<Posted> {
        self.posted.lock().expect("nobody panics with it").clone()
    }

    /// Every span so far.
    ///
    /// # Panics
    /// When a body is no OTLP.
    pub fn spans(&self) -> Vec<Span> {
        let read = |posted: Posted| {
            let read = ExportTraceServiceRequest::decode(posted.body).expect("a body is OTLP");
            read.resource_spans.into_iter().flat_map(|of| of.scope_spans).flat_map(|of| of.spans)
        };
        self.posted().into_iter().flat_map(read).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An attribute of a span as text.
pub fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|one| one.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        Value::BoolValue(is) => Some(is.to_string()),
        other => Some(format!("{other:?}")),
    }
}

async fn serve(listener: TcpListener, mood: Mood, posted: Arc<Mutex<Vec<Posted>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let posted = posted.clone();
        let service = service_fn(move |request| answer(request, mood, posted.clone()));
        let connection = hyper::server::conn::http1::Builder::new();
        tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    mood: Mood,
    posted: Arc<Mutex<Vec<Posted>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    let one = Posted { path: head.uri.path().to_owned(), headers: head.headers, body };
    posted.lock().expect("nobody panics with it").push(one);
    let mut response = Response::new(Full::default());
    match mood {
        Mood::Takes => {}
        Mood::Fails => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
        Mood::Hangs => std::future::pending().await,
    }
    Ok(response)
}
