//! Trying again, where that can neither do harm nor be in vain.

use std::time::Duration;

use progenitor_client::{ClientHooks, ClientInfo, OperationInfo};
use reqwest::header::HeaderMap;
use reqwest::{Method, Request, Response};

use crate::api::Client;

/// At most `tries` attempts, and no wait longer than `longest_wait`.
///
/// A service that asks for more patience than that (the limit of packs a day may ask for hours) is refusing: its answer is
/// handed on at once.
#[derive(Clone, Copy, Debug)]
pub struct Retries {
    pub tries: u32,
    pub first_wait: Duration,
    pub longest_wait: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self { tries: 5, first_wait: Duration::from_millis(250), longest_wait: Duration::from_secs(20) }
    }
}

impl Retries {
    /// How long to wait before the next attempt; `None` when there is none.
    pub(crate) fn wait(&self, attempt: u32, retry_after: Option<Duration>) -> Option<Duration> {
        if attempt >= self.tries {
            return None;
        }
        if let Some(asked) = retry_after {
            return (asked <= self.longest_wait).then_some(asked);
        }
        let doubled = self.first_wait.saturating_mul(2_u32.saturating_pow(attempt - 1));
        // clients that were cut off together must not come back together
        Some(doubled.min(self.longest_wait).mul_f64(rand::random_range(0.5..1.0)))
    }
}

impl ClientHooks<Retries> for Client {
    async fn exec(&self, request: Request, _: &OperationInfo) -> reqwest::Result<Response> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            // a body that is a stream can be sent once
            let copy = if may_repeat(&request) { request.try_clone() } else { None };
            let Some(copy) = copy else { return self.client().execute(request).await };
            let outcome = self.client().execute(copy).await;
            let wait = match &outcome {
                Ok(answer) if is_passing(answer.status().as_u16()) => {
                    self.inner().wait(attempt, retry_after(answer.headers()))
                }
                Ok(_) => None,
                Err(_) => self.inner().wait(attempt, None),
            };
            match wait {
                None => return outcome,
                Some(wait) => tokio::time::sleep(wait).await,
            }
        }
    }
}

/// Nothing was done, or what was done is done only once. 503 and 429 say so; the others are a gateway's words.
const fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 502..=504)
}

/// By its method, by an Idempotency-Key, or because it hands in a scan, which the service takes once however often it comes.
fn may_repeat(request: &Request) -> bool {
    let is_scan = request.method() == Method::POST && request.url().path().ends_with("/scans");
    matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS | Method::DELETE)
        || request.headers().contains_key("idempotency-key")
        || is_scan
}

/// How long the service asks to wait, if it says.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(reqwest::header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let retries = Retries::default();
        let first = retries.wait(1, None).unwrap();
        assert!(first <= Duration::from_millis(250) && first >= Duration::from_millis(125), "{first:?}");
        assert!(retries.wait(4, None).unwrap() >= Duration::from_secs(1));
        assert_eq!(retries.wait(5, None), None);
    }

    #[test]
    fn the_service_says_how_long_unless_that_is_too_long() {
        let retries = Retries::default();
        assert_eq!(retries.wait(1, Some(Duration::from_secs(3))), Some(Duration::from_secs(3)));
        assert_eq!(retries.wait(1, Some(Duration::from_hours(2))), None);
    }

    #[test]
    fn what_might_be_done_twice_is_not_repeated() {
        let request = |method, path: &str| Request::new(method, format!("http://service{path}").parse().unwrap());
        assert!(may_repeat(&request(Method::GET, "/api/v2/me")));
        assert!(may_repeat(&request(Method::POST, "/api/v2/orgs/x/scans")));
        let mut pack = request(Method::POST, "/api/v2/orgs/x/audit-exports");
        assert!(!may_repeat(&pack));
        pack.headers_mut().insert("idempotency-key", "k".parse().unwrap());
        assert!(may_repeat(&pack));
    }
}
