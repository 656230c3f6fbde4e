//! What an issuer says of itself, and how it is asked.
//!
//! Invariants
//! - An answer is bounded in size and time; redirects are not followed.
//! - Plain HTTP is for an issuer that is itself configured by plain HTTP, on the same host.
//!
//! Not here: how often it is asked, and what is kept ([`super::jwks`]).

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// A key set has a few kilobytes, tokens with many groups some more.
const DOCUMENT_BYTES_MAX: usize = 512 * 1024;

/// Why the issuer could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("the issuer does not answer")]
    Http(#[from] reqwest::Error),
    #[error("the issuer's answer has more than {DOCUMENT_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the issuer's answer is not the JSON that was expected")]
    Json(#[from] serde_json::Error),
    #[error("the discovery document is of another issuer")]
    OtherIssuer,
    #[error("the issuer names an address that is neither HTTPS nor on its own host")]
    Address,
    #[error("the key set has no key that can be used")]
    NoKeys,
    #[error("the last attempt has only just failed")]
    Pause,
    #[error("the issuer answers with status {0}")]
    Status(u16),
}

/// The discovery document, as far as it is used.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Provider {
    pub(crate) issuer: String,
    pub(crate) jwks_uri: Url,
    pub(crate) authorization_endpoint: Option<Url>,
    pub(crate) token_endpoint: Option<Url>,
    pub(crate) userinfo_endpoint: Option<Url>,
    pub(crate) end_session_endpoint: Option<Url>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

impl Provider {
    /// Whether the client's secret belongs into the form instead of the header, which is what an issuer takes
    /// that says nothing.
    pub(crate) fn wants_secret_in_form(&self) -> bool {
        self.token_endpoint_auth_methods_supported.as_ref().is_some_and(|methods| {
            let takes = |name: &str| methods.iter().any(|method| method == name);
            !takes("client_secret_basic") && takes("client_secret_post")
        })
    }

    fn addresses(&self) -> impl Iterator<Item = &Url> {
        let optional = [
            &self.authorization_endpoint,
            &self.token_endpoint,
            &self.userinfo_endpoint,
            &self.end_session_endpoint,
        ];
        std::iter::once(&self.jwks_uri).chain(optional.into_iter().flatten())
    }
}

/// A client of one issuer.
pub(super) struct Http {
    issuer: String,
    client: reqwest::Client,
}

impl Http {
    pub(super) fn new(issuer: String) -> reqwest::Result<Self> {
        // A second call finds the provider of the first: that is all that can fail.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(ANSWER_WITHIN)
            .connect_timeout(ANSWER_WITHIN)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { issuer, client })
    }

    pub(super) async fn discover(&self) -> Result<Provider, FetchError> {
        let issuer = self.issuer.trim_end_matches('/');
        let provider: Provider =
            self.document(&format!("{issuer}/.well-known/openid-configuration")).await?;
        if provider.issuer != self.issuer {
            return Err(FetchError::OtherIssuer);
        }
        if provider.addresses().all(|address| self.is_fit(address)) {
            Ok(provider)
        } else {
            Err(FetchError::Address)
        }
    }

    pub(super) async fn document<T: DeserializeOwned>(
        &self,
        address: &str,
    ) -> Result<T, FetchError> {
        let (status, body) = self.send(self.client.get(address)).await?;
        if status == 200 {
            Ok(serde_json::from_slice(&body)?)
        } else {
            Err(FetchError::Status(status))
        }
    }

    /// What the issuer says of the bearer of `token`; `None`: it says nothing that could be read here.
    pub(super) async fn bearer_document<T: DeserializeOwned>(
        &self,
        address: &Url,
        token: &str,
    ) -> Result<Option<T>, FetchError> {
        let request = self.client.get(address.clone()).bearer_auth(token);
        let (status, body) = self.send(request).await?;
        match status {
            200 => Ok(serde_json::from_slice(&body).ok()),
            500.. => Err(FetchError::Status(status)),
            _ => Ok(None),
        }
    }

    /// Posts a form; gives status and body. `basic`: the client's id and secret for the header.
    pub(super) async fn post(
        &self,
        address: &Url,
        form: &[(&str, &str)],
        basic: Option<(&str, &str)>,
    ) -> Result<(u16, Vec<u8>), FetchError> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = self
            .client
            .post(address.clone())
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(body);
        if let Some((id, secret)) = basic {
            // RFC 6749 2.3.1: both are form-encoded first.
            let encoded = |text: &str| {
                url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
            };
            request = request.basic_auth(encoded(id), Some(encoded(secret)));
        }
        self.send(request).await
    }

    fn is_fit(&self, address: &Url) -> bool {
        let is_own_host = || {
            Url::parse(&self.issuer).is_ok_and(|issuer| {
                issuer.scheme() == address.scheme() && issuer.host() == address.host()
            })
        };
        address.scheme() == "https" || (address.scheme() == "http" && is_own_host())
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<(u16, Vec<u8>), FetchError> {
        // Addresses of the issuer may carry secrets in their query; a cause must not.
        let mut response = request.send().await.map_err(reqwest::Error::without_url)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
            body.extend_from_slice(&chunk);
            if body.len() > DOCUMENT_BYTES_MAX {
                return Err(FetchError::TooLarge);
            }
        }
        Ok((response.status().as_u16(), body))
    }
}
