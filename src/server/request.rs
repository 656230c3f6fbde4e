//! What happens around every request: id, span, error shape, security headers, figures, limits.
//!
//! Invariants
//! - Every answer carries `X-Driftpack-Request-Id`, which is ours: the same id is in every log line of
//!   the request, in the audit entries it causes and in the workflow runs it starts. No caller can choose
//!   what evidence says.
//! - Every answer carries `X-Request-Id`: the caller's own, if there is one, which is logged beside ours.
//! - A 405 lists the methods that its address takes.
//! - No error leaves in another shape than `crate::errors` gives it, and a panic is an error too.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use evidence::ids;
use futures_util::FutureExt as _;
use poem::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, IntoResponse, Middleware, PathPattern, Request, Response};
use poem_openapi::OperationId;
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::errors::{Denied, Error, Input, translate};
use crate::state::{Context, State};
use crate::{auth, contract};

/// The caller's id of the request, or ours.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Ours.
const OWN_REQUEST_ID: HeaderName = HeaderName::from_static("x-driftpack-request-id");
/// Where in a trace the caller stands (W3C Trace Context). Its `tracestate` is not passed on.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Room for the largest token that is taken, and for everything else.
const HEADER_BYTES_MAX: usize = 32 * 1024;

/// Puts the context into each request and its traces around it.
pub(crate) struct Layer(pub(crate) Arc<State>);

/// An endpoint inside the layer.
pub(crate) struct Wrapped<E> {
    state: Arc<State>,
    inner: E,
}

impl<E: Endpoint> Middleware<E> for Layer {
    type Output = Wrapped<E>;

    fn transform(&self, inner: E) -> Self::Output {
        Wrapped { state: Arc::clone(&self.0), inner }
    }
}

impl<E: Endpoint> Endpoint for Wrapped<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let now = self.state.clock.now();
        let id = ids::v7(now, rand::random()).to_string();
        let callers_id = request_id(request.headers());
        let span = tracing::info_span!(
            "request",
            request_id = %id,
            callers_id = callers_id.as_deref(),
            method = %request.method(),
            path = %request.uri().path(),
            route = Empty,
            operation = Empty,
            status = Empty,
        );
        if let Some(parent) = request.headers().get(TRACEPARENT).and_then(|text| text.to_str().ok())
        {
            (self.state.traces.join)(&span, parent);
        }
        let context = Context {
            state: Arc::clone(&self.state),
            request_id: id.clone(),
            now,
            is_head: request.method() == Method::HEAD,
        };
        request.extensions_mut().insert(context);
        let mut response = self.answer(request).instrument(span).await;
        for (name, id) in [(REQUEST_ID, callers_id.as_ref().unwrap_or(&id)), (OWN_REQUEST_ID, &id)]
        {
            let value = HeaderValue::from_str(id).expect("ids are plain text");
            response.headers_mut().insert(name, value);
        }
        Ok(response)
    }
}

impl<E: Endpoint> Wrapped<E> {
    async fn answer(&self, request: Request) -> Response {
        let began = tokio::time::Instant::now();
        let allowed = contract::methods(request.uri().path());
        let result = if let Some(refused) = oversized(&request) {
            Err(refused.into())
        } else {
            // Safe to go on after a panic: the request's own values are dropped, and what is shared
            // is behind locks of tokio, which do not poison, or is atomic.
            match AssertUnwindSafe(self.inner.call(request)).catch_unwind().await {
                Ok(result) => result.map(IntoResponse::into_response),
                Err(panic) => Err(Error::internal(panic_text(&*panic)).into()),
            }
        };
        let mut operation = None;
        let mut response = match result {
            Ok(response) => response,
            Err(error) => {
                operation = error.data::<OperationId>().copied();
                poem::error::ResponseError::as_response(&translate(error))
            }
        };
        let operation = response.data::<OperationId>().copied().or(operation);
        let operation = operation.map_or("none", |id| id.0);
        if let (StatusCode::METHOD_NOT_ALLOWED, Some(methods)) = (response.status(), allowed) {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
        }
        secure(response.headers_mut());
        let (status, took) = (response.status().as_u16(), began.elapsed());
        self.state.metrics.record(operation, status, took);
        tracing::info!(operation, status, took_ms = took.as_millis(), "answered");
        // For the span's own sake, once its lines are said: those have all of it already.
        let span = tracing::Span::current();
        span.record("operation", operation).record("status", status);
        if let Some(pattern) = response.data::<PathPattern>() {
            span.record("route", &*pattern.0);
        }
        response
    }
}

/// The caller's request id, if it is one that cannot disturb a log line or a header.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    ((1..=64).contains(&id.len()) && id.bytes().all(is_plain)).then(|| id.to_owned())
}

/// Why a head that is too large is refused: whoever shows a credential that no issuer gives out has a bad one.
fn oversized(request: &Request) -> Option<Error> {
    if size_of_head(request) <= HEADER_BYTES_MAX {
        return None;
    }
    Some(if auth::is_oversized(request.headers()) {
        Denied::Unauthorized("The credential is too long").into()
    } else {
        Input::HeadersTooLarge { limit_bytes: HEADER_BYTES_MAX }.into()
    })
}

fn size_of_head(request: &Request) -> usize {
    let path = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let headers = request.headers();
    path + headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>()
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without a message"))
}

/// Headers that keep a browser from doing with an answer what it is not for. An answer that has set
/// one of them keeps its own.
fn secure(headers: &mut HeaderMap) {
    const DEFAULTS: [(HeaderName, &str); 5] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
