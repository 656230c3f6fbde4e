//! The development issuer's page, and its token endpoint: authorization code with PKCE for one public client.
//!
//! Invariants
//! - A code leaves for the client's own address only; for any other there is an error page and no redirect.
//! - Requests must name the issuer's own host: a page of another site that points its name at this machine gets nothing.

use std::sync::Arc;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chrono::Duration;
use engine::Clock;
use poem::endpoint::make;
use poem::http::{StatusCode, header};
use poem::{IntoResponse as _, Request, Response, Route, get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::code::{Codes, Grant};
use super::{Claims, Client, Key, mint, subject};

const ID_TOKEN_LIFETIME: Duration = Duration::minutes(5);
const FORM_BYTES_MAX: usize = 64 * 1024;
const TEXT_BYTES_MAX: usize = 254;

/// Who sits behind the page.
pub(super) struct Desk {
    address: String,
    client: Client,
    key: Key,
    clock: Clock,
    codes: Codes,
}

/// An authorization request; the page's form sends it again, with a person.
#[derive(Debug, Clone, Deserialize)]
struct Ask {
    client_id: String,
    redirect_uri: String,
    response_type: String,
    state: Option<String>,
    nonce: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    scope: Option<String>,
    /// Chosen on the page.
    email: Option<String>,
}

#[derive(Template)]
#[template(path = "choose.html")]
struct Choose<'a> {
    ask: &'a Ask,
    people: &'a [String],
}

#[derive(Debug, Deserialize)]
struct Redeem {
    grant_type: String,
    code: String,
    redirect_uri: String,
    client_id: String,
    code_verifier: String,
}

#[derive(Debug, Deserialize)]
struct End {
    post_logout_redirect_uri: Option<String>,
    state: Option<String>,
}

pub(super) fn route(routes: Route, desk: Arc<Desk>) -> Route {
    let (page, chosen, redeemed, ended) =
        (Arc::clone(&desk), Arc::clone(&desk), Arc::clone(&desk), desk);
    let page = make(move |request: Request| {
        let desk = Arc::clone(&page);
        async move { Ok::<_, poem::Error>(desk.page(&request)) }
    });
    let chosen = make(move |request: Request| {
        let desk = Arc::clone(&chosen);
        async move { Ok::<_, poem::Error>(desk.chosen(request).await) }
    });
    let redeemed = make(move |request: Request| {
        let desk = Arc::clone(&redeemed);
        async move { Ok::<_, poem::Error>(desk.redeemed(request).await) }
    });
    let ended = make(move |request: Request| {
        let desk = Arc::clone(&ended);
        async move { Ok::<_, poem::Error>(desk.ended(&request)) }
    });
    routes
        .at("/authorize", get(page).post(chosen))
        .at("/token", post(redeemed))
        .at("/end", get(ended))
}

impl Desk {
    pub(super) fn new(address: String, client: Client, key: Key, clock: Clock) -> Self {
        Self { address, client, key, clock, codes: Codes::default() }
    }

    fn page(&self, request: &Request) -> Response {
        if let Err(refused) = self.is_own_host(request) {
            return *refused;
        }
        let Ok(ask) = request.params::<Ask>() else { return broken("The query lacks something") };
        match self.check(&ask) {
            Err(refused) => *refused,
            Ok(()) => html(StatusCode::OK, &Choose { ask: &ask, people: &self.client.people }),
        }
    }

    async fn chosen(&self, mut request: Request) -> Response {
        if let Err(refused) = self.is_own_host(&request) {
            return *refused;
        }
        let Some(ask) = form::<Ask>(&mut request).await else {
            return broken("The form lacks something");
        };
        if let Err(refused) = self.check(&ask) {
            return *refused;
        }
        let is_usable = |email: &String| {
            email.contains('@')
                && email.len() <= TEXT_BYTES_MAX
                && !email.chars().any(|c| c.is_control() || c.is_whitespace())
        };
        let Some(email) = ask.email.clone().filter(is_usable) else {
            return broken("That is no e-mail address");
        };
        let challenge = ask.code_challenge.clone().unwrap_or_default();
        let grant = Grant { email, nonce: ask.nonce.clone(), challenge };
        match self.codes.give(grant, self.clock.now()) {
            Some(code) => self.back(&ask, &[("code", &code)]),
            None => self.back(&ask, &[("error", "temporarily_unavailable")]),
        }
    }

    async fn redeemed(&self, mut request: Request) -> Response {
        if let Err(refused) = self.is_own_host(&request) {
            return *refused;
        }
        let Some(redeem) = form::<Redeem>(&mut request).await else {
            return refuse("invalid_request");
        };
        if redeem.grant_type != "authorization_code" {
            return refuse("unsupported_grant_type");
        }
        if redeem.client_id != self.client.id {
            return refuse("invalid_client");
        }
        let now = self.clock.now();
        let grant = self.codes.redeem(&redeem.code, &redeem.code_verifier, now);
        let Some(grant) = grant.filter(|_| redeem.redirect_uri == self.client.redirect_uri) else {
            return refuse("invalid_grant");
        };
        let claims = |audience: &str| {
            let sub = subject(&grant.email);
            Claims::new(&self.address, audience, &sub, now, ID_TOKEN_LIFETIME)
        };
        let id_claims = claims(&self.client.id).email(&grant.email).nonce(grant.nonce.clone());
        let tokens = (mint(&self.key, &id_claims), mint(&self.key, &claims(&self.address)));
        let (Ok(id_token), Ok(access_token)) = tokens else { return refuse("server_error") };
        let answer = json!({
            "token_type": "Bearer",
            "expires_in": ID_TOKEN_LIFETIME.num_seconds(),
            "id_token": id_token,
            "access_token": access_token,
        });
        json(StatusCode::OK, &answer)
    }

    /// There is no session here that could end.
    fn ended(&self, request: &Request) -> Response {
        let Ok(End { post_logout_redirect_uri, state }) = request.params::<End>() else {
            return broken("The query cannot be read");
        };
        if post_logout_redirect_uri.as_deref() != Some(&*self.client.post_logout_redirect_uri) {
            return broken("The client does not have this address");
        }
        let state: Vec<_> = state.iter().map(|state| ("state", state.as_str())).collect();
        redirect(&self.client.post_logout_redirect_uri, &state)
    }

    fn is_own_host(&self, request: &Request) -> Result<(), Box<Response>> {
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let own = self.address.split_once("://").map_or(&*self.address, |(_, own)| own);
        if host == Some(own.trim_end_matches('/')) {
            Ok(())
        } else {
            Err(Box::new(broken("This is another host's page")))
        }
    }

    /// Who may not be sent a code gets a page; who asks wrongly is told so at their own address.
    fn check(&self, ask: &Ask) -> Result<(), Box<Response>> {
        if ask.client_id != self.client.id {
            return Err(Box::new(broken("There is no such client")));
        }
        if ask.redirect_uri != self.client.redirect_uri {
            return Err(Box::new(broken("The client does not have this address")));
        }
        let has_challenge = ask.code_challenge_method.as_deref() == Some("S256")
            && ask.code_challenge.as_deref().is_some_and(|challenge| {
                BASE64.decode(challenge).is_ok_and(|bytes| bytes.len() == 32)
            });
        let is_openid =
            ask.scope.as_deref().is_some_and(|scope| scope.split(' ').any(|one| one == "openid"));
        match () {
            () if ask.response_type != "code" => Err("unsupported_response_type"),
            () if !has_challenge => Err("invalid_request"),
            () if !is_openid => Err("invalid_scope"),
            () => Ok(()),
        }
        .map_err(|error| Box::new(self.back(ask, &[("error", error)])))
    }

    fn back(&self, ask: &Ask, answer: &[(&str, &str)]) -> Response {
        let mut query = answer.to_vec();
        query.extend(ask.state.as_deref().map(|state| ("state", state)));
        query.push(("iss", &self.address));
        redirect(&self.client.redirect_uri, &query)
    }
}

async fn form<T: for<'a> Deserialize<'a>>(request: &mut Request) -> Option<T> {
    let bytes = request.take_body().into_bytes_limit(FORM_BYTES_MAX).await.ok()?;
    let members = url::form_urlencoded::parse(&bytes).map(|(name, value)| (name, value.into()));
    let members: serde_json::Map<String, Value> =
        members.map(|(name, value): (_, String)| (name.into_owned(), value.into())).collect();
    serde_json::from_value(members.into()).ok()
}

fn redirect(to: &str, query: &[(&str, &str)]) -> Response {
    let Ok(mut to) = Url::parse(to) else { return broken("The client's address cannot be read") };
    if !query.is_empty() {
        to.query_pairs_mut().extend_pairs(query);
    }
    Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, to.as_str()).finish()
}

fn html(status: StatusCode, page: &impl Template) -> Response {
    let text = page.render().unwrap_or_default();
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "text/html; charset=utf-8")
        .header(header::CACHE_CONTROL, "no-store")
        .header(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
        )
        .body(text)
}

fn broken(what: &str) -> Response {
    let text = format!("{what}.\n");
    (StatusCode::BAD_REQUEST, text).into_response()
}

fn refuse(error: &str) -> Response {
    json(StatusCode::BAD_REQUEST, &json!({ "error": error }))
}

fn json(status: StatusCode, body: &Value) -> Response {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CACHE_CONTROL, "no-store")
        .body(body.to_string())
}
