//! The HTTP API as the program's own commands use it.
//!
//! Invariants: a refusal keeps the service's own words and code; the token is never printed; nothing is sent anywhere but
//! to the one base address (redirects are not followed).

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use futures_util::StreamExt as _;
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use url::Url;
use uuid::Uuid;

use crate::config::Secret;
use crate::up::{Tokens, Up};

/// How long a connection may take to open.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How long nothing may come from the service before it counts as gone.
const SILENCE_LIMIT: Duration = Duration::from_mins(1);

/// The slowest line that an upload is waited for: half a megabit per second.
const UPLOAD_BYTES_PER_SECOND: u64 = 64 * 1024;

/// How long the service may think about what was uploaded.
const UPLOAD_ANSWER_LIMIT: Duration = Duration::from_mins(5);

/// A refusal by the service: its status, its code, its words.
#[derive(Debug, thiserror::Error)]
#[error("{message} ({code}, HTTP {status})")]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) code: String,
    pub(crate) message: String,
}

/// Where the service is, and who asks.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Target {
    /// Address of the service [default: the one that `./dev up` runs]
    #[arg(long, env = "DRIFTPACK_SERVER", value_name = "URL")]
    server: Option<Url>,
    /// A person's token or an API key [default: that of `./dev up`, for that service alone]
    #[arg(long, env = "DRIFTPACK_TOKEN", hide_env_values = true, value_name = "TOKEN", value_parser = |text: &str| Ok::<_, std::convert::Infallible>(Secret::new(text)))]
    token: Option<Secret>,
    /// The file that `./dev up` writes [default: .dev/up.json here or above]
    #[arg(long, env = "DRIFTPACK_UP", value_name = "FILE", hide = true)]
    up: Option<PathBuf>,
}

impl Target {
    /// The client; what is not given comes from `.dev/up.json` when that is here, where the owner asks.
    pub(crate) fn client(&self) -> Result<Client> {
        self.client_of(|tokens| tokens.owner)
    }

    /// The same, where a platform administrator asks.
    pub(crate) fn operator(&self) -> Result<Client> {
        self.client_of(|tokens| tokens.platform_admin)
    }

    fn client_of(&self, person: fn(Tokens) -> String) -> Result<Client> {
        if let (Some(server), Some(token)) = (&self.server, &self.token) {
            return Client::new(server.clone(), token.clone());
        }
        let up = self.up.as_deref().map_or_else(Up::find, Up::read).context("give --server and --token (or DRIFTPACK_SERVER and DRIFTPACK_TOKEN), or start the service with ./dev up")?;
        let (server, token) = self.completed(up, person)?;
        Client::new(server, token)
    }

    /// The file's token is for the file's service: any other gets a token that was given for it, or none.
    fn completed(&self, up: Up, person: fn(Tokens) -> String) -> Result<(Url, Secret)> {
        let server = self.server.clone().unwrap_or_else(|| up.base_url.clone());
        if let Some(token) = &self.token {
            return Ok((server, token.clone()));
        }
        ensure!(
            server.origin() == up.base_url.origin(),
            "give --token (or DRIFTPACK_TOKEN) for {server}: the token of ./dev up is for {} alone",
            up.base_url
        );
        Ok((server, Secret::new(person(up.tokens))))
    }
}

/// A caller of the API.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    /// Without the limit on silence, which would run while a long body is still being sent.
    uploads: reqwest::Client,
    base: Url,
    token: Secret,
}

impl Client {
    pub(crate) fn new(base: Url, token: Secret) -> Result<Self> {
        let built = |builder: reqwest::ClientBuilder| {
            builder.build().context("the HTTP client cannot be set up")
        };
        let http = built(builder().read_timeout(SILENCE_LIMIT))?;
        Ok(Self { http, uploads: built(builder())?, base, token })
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        json(self.send(self.request(Method::GET, path)?).await?).await
    }

    /// Gets what is at `path` for the names and values of a query.
    pub(crate) async fn ask(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value> {
        let mut url = self.address(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        json(self.send(self.http.get(url).bearer_auth(self.token.reveal())).await?).await
    }

    /// Posts to `path`, with a body where there is one.
    pub(crate) async fn post(&self, path: &[&str], body: Option<&Value>) -> Result<Value> {
        let request = self.http.post(self.address(path)?).bearer_auth(self.token.reveal());
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        json(self.send(request).await?).await
    }

    /// Posts under a key: sent twice it happens once.
    pub(crate) async fn post_once(&self, path: &str, key: Uuid, body: &Value) -> Result<Value> {
        let request = self.request(Method::POST, path)?.header("idempotency-key", key.to_string());
        json(self.send(request.json(body)).await?).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        json(self.send(self.request(Method::PATCH, path)?.json(body)).await?).await
    }

    /// Uploads bytes; `query` as name and value. The status tells a scan taken from one that was there.
    pub(crate) async fn upload(
        &self,
        path: &str,
        query: &[(&str, &str)],
        bytes: Vec<u8>,
    ) -> Result<(StatusCode, Value)> {
        let mut url = self.url(path)?;
        url.query_pairs_mut().extend_pairs(query);
        let limit = upload_limit(bytes.len());
        let request = self.uploads.post(url).timeout(limit).bearer_auth(self.token.reveal());
        let response = self
            .send(request.header(header::CONTENT_TYPE, "application/octet-stream").body(bytes))
            .await?;
        Ok((response.status(), json(response).await?))
    }

    /// Downloads into `file`; whole or not at all. Gives the number of bytes.
    pub(crate) async fn download(&self, path: &str, file: &Path) -> Result<u64> {
        let response = self.send(self.request(Method::GET, path)?).await?;
        let part = file.with_extension("part");
        let mut out = tokio::fs::File::create(&part)
            .await
            .with_context(|| format!("cannot write {}", part.display()))?;
        let mut body = response.bytes_stream();
        let mut size_bytes = 0;
        while let Some(chunk) = body.next().await {
            let chunk = chunk.context("the download broke off; run the command again")?;
            out.write_all(&chunk)
                .await
                .with_context(|| format!("cannot write {}", part.display()))?;
            size_bytes += chunk.len() as u64;
        }
        out.sync_all().await?;
        tokio::fs::rename(&part, file)
            .await
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(size_bytes)
    }

    /// The id of an organisation given by id or by slug.
    pub(crate) async fn org(&self, name: &str) -> Result<Uuid> {
        if let Ok(id) = name.parse() {
            return Ok(id);
        }
        let me = self.get("me").await?;
        let listed =
            [&me["memberships"], &me["orgs"]].into_iter().filter_map(Value::as_array).flatten();
        let mine = listed.chain([&me["org"], &me]).find(|org| org["slug"] == name);
        let id = mine.and_then(|org| org["org_id"].as_str().or_else(|| org["id"].as_str()));
        let id = id.ok_or_else(|| anyhow!("the token belongs to no organisation `{name}`; give the organisation's id, or another token"))?;
        id.parse().context("the service gave an id that is none")
    }

    fn url(&self, path: &str) -> Result<Url> {
        self.base
            .join(&format!("/api/v2/{path}"))
            .with_context(|| format!("{} is no base address", self.base))
    }

    /// The address of names from outside: what stands in them leads nowhere else.
    fn address(&self, path: &[&str]) -> Result<Url> {
        let mut url = self.url("")?;
        url.path_segments_mut()
            .map_err(|()| anyhow!("{} is no base address", self.base))?
            .pop_if_empty()
            .extend(path);
        Ok(url)
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder> {
        Ok(self.http.request(method, self.url(path)?).bearer_auth(self.token.reveal()))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let response = request.send().await.with_context(|| {
            format!("{} does not answer; is the service running there?", self.base)
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body: Value = response.json().await.unwrap_or_default();
        let word =
            |name: &str, otherwise: &str| body[name].as_str().unwrap_or(otherwise).to_owned();
        bail!(Refused {
            status,
            code: word("error", "no_code"),
            message: word("message", "the service refused and gave no reason")
        })
    }
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_LIMIT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("driftpack/", env!("CARGO_PKG_VERSION")))
}

/// How long an upload of so many bytes may take, the answer included.
fn upload_limit(size_bytes: usize) -> Duration {
    UPLOAD_ANSWER_LIMIT + Duration::from_secs(size_bytes as u64 / UPLOAD_BYTES_PER_SECOND)
}

async fn json(response: Response) -> Result<Value> {
    if response.status() == StatusCode::NO_CONTENT {
        return Ok(Value::Null);
    }
    response.json().await.context("the service's answer is no JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn up() -> Up {
        serde_json::from_value(json!({
            "base_url": "http://127.0.0.1:8420",
            "org_id": "019ab000-0000-7000-8000-000000000001",
            "tokens": {"owner": "dev-owner", "admin": "", "member": "", "viewer": "", "platform_admin": ""},
            "api_keys": {"read": "", "write": ""},
        }))
        .unwrap()
    }

    fn completed(server: Option<&str>, token: Option<&str>) -> Result<(Url, Secret)> {
        let server = server.map(|url| url.parse().unwrap());
        let target = Target { server, token: token.map(Secret::new), up: None };
        target.completed(up(), |tokens| tokens.owner)
    }

    #[test]
    fn the_token_of_dev_up_goes_to_the_service_of_dev_up_alone() {
        for server in [None, Some("http://127.0.0.1:8420/")] {
            assert_eq!(completed(server, None).unwrap().1.reveal(), "dev-owner");
        }
        for foreign in
            ["http://127.0.0.1:8421", "https://127.0.0.1:8420", "http://example.com:8420"]
        {
            let refused = completed(Some(foreign), None).unwrap_err().to_string();
            assert!(refused.contains("--token") && !refused.contains("dev-owner"), "{refused}");
        }
        let (server, token) = completed(Some("http://example.com"), Some("theirs")).unwrap();
        assert_eq!((server.as_str(), token.reveal()), ("http://example.com/", "theirs"));
    }

    #[test]
    fn a_large_file_on_a_slow_line_has_the_time_it_needs() {
        assert!(upload_limit(64 << 20) >= Duration::from_mins(20));
        assert!(upload_limit(0) >= Duration::from_mins(5));
    }
}
