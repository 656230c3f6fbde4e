//! The development issuer: discovery, a key set, a page to choose a person, and tokens minted by whoever holds the key file.
//!
//! Invariants
//! - It speaks what a real issuer speaks, so the server has one code path for both.
//! - It refuses to exist in production: on its page whoever reaches its port says who they are.
//! - Its tokens of the API are minted by whoever can read the key file. Over HTTP it gives ID tokens, for one client, which
//!   asks for them at an address that was set before, with PKCE; and access tokens that are good for nothing.

mod authorize;
mod code;
mod key;

use std::sync::Arc;

use engine::Clock;
use poem::endpoint::make_sync;
use poem::listener::TcpAcceptor;
use poem::{Endpoint, IntoResponse as _, Response, Route, Server, get, web::Json};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use authorize::Desk;
pub use key::{Claims, Key, mint};

/// Why the issuer does not start or a token is not minted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the development issuer does not run in production; configure DRIFTWISE_OIDC_ISSUER")]
    Production,
    #[error("the key is no P-256 private key in PKCS#8 PEM")]
    Key,
    #[error("the token cannot be signed")]
    Sign(#[from] jsonwebtoken::errors::Error),
    #[error("the issuer cannot serve")]
    Serve(#[from] std::io::Error),
}

/// Who may ask for a person over HTTP: the browser part of one driftpack.
#[derive(Debug, Clone)]
pub struct Client {
    pub id: String,
    /// Where codes are sent, exactly.
    pub redirect_uri: String,
    /// Where a browser may be sent after a sign-out, exactly.
    pub post_logout_redirect_uri: String,
    /// Addresses that its page offers; any other may be typed in.
    pub people: Vec<String>,
}

impl Client {
    /// The client's id where the embedded issuer serves the driftpack that it is part of.
    pub const ID: &str = "driftpack-browser";

    /// The browser part of the driftpack at this address.
    pub fn of(base_url: &str) -> Self {
        let base = base_url.trim_end_matches('/');
        Self {
            id: Self::ID.to_owned(),
            redirect_uri: format!("{base}/login/callback"),
            post_logout_redirect_uri: format!("{base}/logout"),
            people: Vec::new(),
        }
    }
}

/// The subject of the person with this address: the embedded issuer knows people by nothing else.
pub fn subject(email: &str) -> String {
    email.to_ascii_lowercase()
}

/// An issuer that may serve.
#[derive(Debug, Clone)]
pub struct Issuer {
    address: String,
    keys: Vec<Key>,
    client: Option<Client>,
    clock: Clock,
}

impl Issuer {
    /// `address` is the issuer's name and where its documents lie, such as `http://127.0.0.1:9100`.
    /// `keys` are all published; mint with the one you like.
    pub fn new(address: &str, keys: &[Key], is_production: bool) -> Result<Self, Error> {
        if is_production {
            return Err(Error::Production);
        }
        Ok(Self {
            address: address.to_owned(),
            keys: keys.to_vec(),
            client: None,
            clock: Clock::System,
        })
    }

    /// With a page that signs people in for `client`; its tokens are signed with the first key.
    #[must_use]
    pub fn with_client(self, client: Client) -> Self {
        Self { client: Some(client), ..self }
    }

    /// Serves until `stop`.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> Result<(), Error> {
        let keys: Vec<Value> = self.keys.iter().map(Key::jwk).collect();
        let app = Route::new()
            .at("/.well-known/openid-configuration", get(constant(self.discovery())))
            .at("/jwks", get(constant(json!({ "keys": keys }))));
        let app = match (self.client, self.keys.into_iter().next()) {
            (Some(client), Some(key)) => {
                authorize::route(app, Arc::new(Desk::new(self.address, client, key, self.clock)))
            }
            _ => app,
        };
        let server = Server::new_with_acceptor(TcpAcceptor::from_tokio(listener)?);
        Ok(server.run_with_graceful_shutdown(app, stop.cancelled_owned(), None).await?)
    }

    fn discovery(&self) -> Value {
        let base = self.address.trim_end_matches('/');
        let mut document = json!({
            "issuer": self.address,
            "jwks_uri": format!("{base}/jwks"),
            "authorization_endpoint": format!("{base}/authorize"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        });
        if self.client.is_some() {
            document["token_endpoint"] = format!("{base}/token").into();
            document["end_session_endpoint"] = format!("{base}/end").into();
            document["grant_types_supported"] = json!(["authorization_code"]);
            document["code_challenge_methods_supported"] = json!(["S256"]);
            document["token_endpoint_auth_methods_supported"] = json!(["none"]);
            document["scopes_supported"] = json!(["openid", "email", "profile"]);
            document["authorization_response_iss_parameter_supported"] = json!(true);
        }
        document
    }
}

fn constant(document: Value) -> impl Endpoint<Output = Response> {
    make_sync(move |_| Json(&document).into_response())
}

#[cfg(test)]
mod tests;
