//! From the code that a browser brings back to who its person is: the token endpoint, the ID token, the user info.
//!
//! Invariants
//! - Nothing is believed but a verified ID token, and user info about the same subject from the issuer itself.
//! - The access token that comes along is used for the user info and then forgotten.

use std::fmt;

use evidence::time::Time;
use serde::Deserialize;

use super::claims::Claims;
use super::credentials::TOKEN_BYTES_MAX;
use super::discovery::{FetchError, Provider};
use super::oidc::{Identity, Verifier};
use crate::errors::{Denied, Error, Result};

/// This service as the issuer knows it.
#[derive(Clone)]
pub struct Client {
    pub id: String,
    /// Absent for a public client.
    pub secret: Option<String>,
    /// Separated by spaces; `openid` among them.
    pub scopes: String,
}

impl Client {
    /// What is asked for unless configured otherwise.
    pub const SCOPES: &str = "openid email profile";
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What the issuer is shown for an ID token.
pub(crate) struct Grant<'a> {
    pub(crate) client: &'a Client,
    pub(crate) redirect_uri: &'a str,
    pub(crate) code: &'a str,
    /// PKCE's secret.
    pub(crate) verifier: &'a str,
    pub(crate) nonce: &'a str,
}

/// Who signed in.
pub(crate) struct Granted {
    pub(crate) identity: Identity,
    pub(crate) id_token: String,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: Option<String>,
    access_token: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Verifier {
    /// Exchanges a code, and verifies what comes of it.
    pub(crate) async fn redeem(&self, grant: &Grant<'_>, now: Time) -> Result<Granted> {
        let provider = self.provider().await?;
        let tokens = self.tokens(&provider, grant).await?;
        let Some(id_token) = tokens.id_token else {
            return Err(Denied::SignIn("The identity provider gave no ID token").into());
        };
        let verified = self.verify_id_token(&id_token, &grant.client.id, grant.nonce, now).await;
        let mut identity = verified.map_err(|error| match error {
            Error::Denied(Denied::Unauthorized(reason)) => {
                tracing::warn!(reason, "the ID token of a sign-in is refused");
                Denied::SignIn("The ID token of the identity provider is not to be believed").into()
            }
            error => error,
        })?;
        // OIDC Core 5.4: with a code, what a scope asks for may stand in the user info alone.
        if (identity.email.is_none() || identity.name.is_none())
            && let Some(address) = &provider.userinfo_endpoint
            && let Some(token) = tokens.access_token.as_deref()
        {
            let told = self.http().bearer_document::<Claims>(address, token).await;
            let told = told.map_err(|error| self.away(error))?;
            self.complete(&mut identity, told.as_ref());
        }
        Ok(Granted { identity, id_token })
    }

    async fn tokens(&self, provider: &Provider, grant: &Grant<'_>) -> Result<Tokens> {
        let Some(address) = &provider.token_endpoint else {
            return Err(Denied::NoSignIn("The identity provider has no token endpoint").into());
        };
        let client = grant.client;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", grant.code),
            ("redirect_uri", grant.redirect_uri),
            ("code_verifier", grant.verifier),
        ];
        let mut basic = None;
        match client.secret.as_deref() {
            Some(secret) if !provider.wants_secret_in_form() => basic = Some((&*client.id, secret)),
            Some(secret) => form.extend([("client_id", &*client.id), ("client_secret", secret)]),
            None => form.push(("client_id", &client.id)),
        }
        let answer = self.http().post(address, &form, basic).await;
        let (status, body) = answer.map_err(|error| self.away(error))?;
        match status {
            200 => serde_json::from_slice(&body).map_err(|error| self.away(error.into())),
            400..=499 => {
                let refusal = serde_json::from_slice::<Refusal>(&body).ok();
                let error = refusal.map_or("no OAuth error", |refusal| known(&refusal.error));
                tracing::warn!(status, error, "the identity provider refuses a code");
                Err(Denied::SignIn(
                    "The identity provider does not take the code, or this service as its client",
                )
                .into())
            }
            status => Err(self.away(FetchError::Status(status))),
        }
    }

    /// Adds what only the user info says, if it is about the same person.
    fn complete(&self, identity: &mut Identity, told: Option<&Claims>) {
        let Some(told) = told.filter(|told| told.subject() == Some(&identity.sub)) else { return };
        let names = self.names();
        let fill = |known: &mut Option<String>, told: Option<&str>| {
            if known.is_none() {
                *known = told.map(str::to_owned);
            }
        };
        fill(&mut identity.email, told.email(names));
        fill(&mut identity.name, told.name(names));
    }
}

/// The error codes of RFC 6749 5.2 and OIDC Core 3.1.2.6: nothing else that an issuer says gets into a log or a page.
pub(crate) fn known(error: &str) -> &'static str {
    const CODES: [&str; 16] = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "access_denied",
        "unsupported_response_type",
        "server_error",
        "temporarily_unavailable",
        "interaction_required",
        "login_required",
        "account_selection_required",
        "consent_required",
        "invalid_target",
        "invalid_request_object",
    ];
    CODES.into_iter().find(|code| *code == error).unwrap_or("another error")
}

/// An ID token is kept by the browser for the sign-out, if it is small enough for a cookie.
pub(crate) fn fits_cookie(id_token: &str) -> bool {
    const COOKIE_BYTES_MAX: usize = 3500;
    id_token.len() <= COOKIE_BYTES_MAX.min(TOKEN_BYTES_MAX)
}
