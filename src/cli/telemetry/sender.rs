//! How batches of spans get to the collector: the program's own HTTP client.
//!
//! Invariant: an answer is bounded in size and in time, and leads nowhere else. The exporter asks from a thread of its own,
//! the requests run on the program's runtime.

use std::time::Duration;

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::redirect::Policy;
use tokio::runtime::Handle;

/// For one batch, tries included.
pub(super) const LIMIT: Duration = Duration::from_secs(10);

/// More than a collector has to say; what is beyond it is not read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Sender {
    client: reqwest::Client,
    runtime: Handle,
}

impl Sender {
    /// Needs the runtime.
    pub(super) fn new() -> Result<Self> {
        let client = reqwest::Client::builder().timeout(LIMIT).redirect(Policy::none()).build();
        let client = client.context("DRIFTWISE_OTLP_ENDPOINT: an HTTP client cannot be made")?;
        Ok(Self { client, runtime: Handle::current() })
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (client, request) = (self.client.clone(), reqwest::Request::try_from(request)?);
        self.runtime.spawn(async move { sent(&client, request).await }).await?
    }
}

async fn sent(
    client: &reqwest::Client,
    request: reqwest::Request,
) -> Result<Response<Bytes>, HttpError> {
    let mut answer = client.execute(request).await.map_err(reqwest::Error::without_url)?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_BYTES_MAX {
            return Err("its answer is larger than any that a collector gives".into());
        }
    }
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        response = response.header(name, value);
    }
    Ok(response.body(body.into())?)
}
