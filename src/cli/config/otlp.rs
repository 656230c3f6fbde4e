//! Where traces go: a collector that speaks OTLP over HTTP.
//!
//! The settings mean what `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS` and a ratio of
//! `OTEL_TRACES_SAMPLER_ARG` mean elsewhere.

use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderName, HeaderValue};
use url::{Host, Url};

use super::{Environment, Secret, Source};

/// A collector, and what it gets.
#[derive(Debug, Clone)]
pub(crate) struct Otlp {
    /// The base address; each kind of data has its path below it.
    pub(crate) endpoint: Url,
    /// Sent along with everything; the values open the collector's door.
    pub(crate) headers: Vec<(String, Secret)>,
    /// The share of traces that is sent, from 0 to 1.
    pub(crate) ratio: f64,
}

impl Otlp {
    /// The address that takes spans.
    pub(crate) fn traces_url(&self) -> String {
        format!("{}/v1/traces", self.endpoint.as_str().trim_end_matches('/'))
    }
}

pub(super) fn read(source: &mut Source, environment: Environment) -> Option<Otlp> {
    let endpoint: Option<Url> = source.find_parsed(
        "otlp_endpoint",
        "the URL of a collector that takes OTLP over HTTP, such as http://127.0.0.1:4318",
    );
    let headers = source.find("otlp_headers").map(|text| headers(source, &text));
    let ratio = source.parse("otlp_trace_ratio", 1.0, "a number from 0 to 1, such as 0.1");
    if !(0.0..=1.0).contains(&ratio) {
        source.fault("otlp_trace_ratio", "must be a number from 0 to 1, such as 0.1");
    }
    let Some(endpoint) = endpoint else {
        if headers.is_some() && source.find("otlp_endpoint").is_none() {
            source
                .fault("otlp_endpoint", "is missing, and DRIFTWISE_OTLP_HEADERS is set: set both");
        }
        return None;
    };
    let headers = headers.unwrap_or_default();
    if let Some(what) = objection(&endpoint, !headers.is_empty(), environment) {
        source.fault("otlp_endpoint", what);
    }
    Some(Otlp { endpoint, headers, ratio })
}

/// What is wrong with an address.
fn objection(url: &Url, has_secrets: bool, environment: Environment) -> Option<&'static str> {
    let is_plain = matches!(url.scheme(), "http" | "https") && url.has_host();
    let is_bare = url.query().is_none() && url.fragment().is_none();
    if !is_plain || !is_bare {
        return Some("must begin with http:// or https:// and end with the path");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("must not hold a password: set DRIFTWISE_OTLP_HEADERS");
    }
    if url.path().trim_end_matches('/').ends_with("/v1/traces") {
        return Some("must be the collector's base address: /v1/traces is added to it");
    }
    let is_open = url.scheme() == "http" && !is_loopback(url);
    (is_open && has_secrets && environment == Environment::Production)
        .then_some("must begin with https:// in production where DRIFTWISE_OTLP_HEADERS goes along")
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// `name=value,name=value`, values with `%` escapes. What is wrong is told without the value.
fn headers(source: &mut Source, text: &str) -> Vec<(String, Secret)> {
    let parsed: Option<Vec<_>> =
        text.split(',').filter(|part| !part.trim().is_empty()).map(header).collect();
    parsed.unwrap_or_else(|| {
        let shape =
            "must be names and values of headers, such as authorization=Bearer%20TOKEN,x-scope=1";
        source.fault("otlp_headers", shape);
        Vec::new()
    })
}

fn header(text: &str) -> Option<(String, Secret)> {
    let (name, value) = text.split_once('=')?;
    let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
    let name = name.trim().parse::<HeaderName>().ok()?;
    HeaderValue::from_str(&value).ok()?;
    Some((name.as_str().to_owned(), Secret::new(value)))
}
