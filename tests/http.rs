//! A small HTTP client whose answers are easy to assert on, and are held to the contract before anybody does.

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::contract;

/// One answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON: every answer but a download is.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The machine code of an error.
    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    /// A header as text, empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// Asserts the status and gives the JSON body.
    ///
    /// # Panics
    /// With the body, when the status differs.
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { self.json() }
    }
}

/// A client of one server.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    pub fn new(base: &str) -> Self {
        // Several tests share a process when run by `cargo test`; whoever comes second finds it installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("the client's settings are constant");
        Self { http, base: base.to_owned() }
    }

    pub fn request(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        if token.is_empty() { request } else { request.bearer_auth(token) }
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        send(self.request(Method::GET, path, token)).await
    }

    pub async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        send(self.request(Method::POST, path, token).json(body)).await
    }

    pub async fn patch(&self, path: &str, token: &str, body: &Value) -> Answer {
        send(self.request(Method::PATCH, path, token).json(body)).await
    }

    pub async fn delete(&self, path: &str, token: &str) -> Answer {
        send(self.request(Method::DELETE, path, token)).await
    }

    /// Gets a path outside of the API.
    pub async fn root(&self, base: &str, path: &str) -> Answer {
        send(self.http.get(format!("{base}{path}"))).await
    }

    /// The status of a path outside of the API.
    pub async fn get_root(&self, base: &str, path: &str) -> u16 {
        self.root(base, path).await.status
    }

    /// Posts bytes as they are.
    pub async fn upload(&self, path: &str, token: &str, bytes: impl Into<reqwest::Body>) -> Answer {
        send(
            self.request(Method::POST, path, token)
                .header("content-type", "application/json")
                .body(bytes),
        )
        .await
    }
}

/// Sends a request and reads the answer whole.
///
/// # Panics
/// When no answer arrives, or one that the contract does not know.
pub async fn send(request: RequestBuilder) -> Answer {
    let (client, request) = request.build_split();
    let request = request.expect("the test makes a request that can be sent");
    let (method, path) = (request.method().clone(), request.url().path().to_owned());
    let answer = client.execute(request).await.expect("the server answers");
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = answer.bytes().await.expect("the body arrives whole").to_vec();
    let answer = Answer { status, headers, body };
    contract::assert_documented(&method, &path, &answer);
    answer
}
