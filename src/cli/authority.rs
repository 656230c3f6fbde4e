//! The time-stamp authority over HTTP: the one place that sends packs' digests out of the house.
//!
//! The answer is hostile until it is read: its size and time are bounded, and it leads nowhere else.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bundle::timestamp::BYTES_MAX;
use reqwest::redirect::Policy;
use reqwest::{Client, header};
use url::Url;
use workflows::Authority;

use crate::config::Config;

/// For the whole of one question and its answer: packs wait for it.
const LIMIT: Duration = Duration::from_secs(10);

const QUERY: &str = "application/timestamp-query";

/// The configured authority.
pub(crate) fn of(config: &Config) -> Result<Option<Authority>> {
    config.signing.tsa_url.clone().map(at).transpose()
}

fn at(url: Url) -> Result<Authority> {
    let client = Client::builder().timeout(LIMIT).redirect(Policy::none()).build();
    let client = client.context("DRIFTWISE_TSA_URL: an HTTP client cannot be made")?;
    let name = without_secrets(url.clone());
    let ask = move |request: Vec<u8>| -> futures_util::future::BoxFuture<'static, _> {
        let (client, url) = (client.clone(), url.clone());
        Box::pin(async move { answer(&client, url, request).await })
    };
    Ok(Authority { name, ask: Arc::new(ask) })
}

/// The address as packs name it.
pub(crate) fn without_secrets(mut url: Url) -> String {
    // Both fail only for addresses that can hold neither.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

async fn answer(client: &Client, url: Url, request: Vec<u8>) -> Result<Vec<u8>, String> {
    // The address may hold a password: it is told without.
    let told = |error: reqwest::Error| format!("{:#}", anyhow::Error::from(error.without_url()));
    let sent = client.post(url).header(header::CONTENT_TYPE, QUERY).body(request).send().await;
    let mut answer = sent.map_err(told)?;
    if !answer.status().is_success() {
        return Err(format!("it answers {}", answer.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(told)? {
        body.extend_from_slice(&chunk);
        if body.len() > BYTES_MAX {
            return Err("its answer is larger than any time stamp".to_owned());
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_named_without_what_opens_it() {
        let url = "https://user:hunter2@tsa.example:8443/tsr?key=hunter2#hunter2";
        assert_eq!(without_secrets(url.parse().unwrap()), "https://tsa.example:8443/tsr");
    }
}
