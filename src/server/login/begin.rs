//! `GET /login`: to the identity provider.

use poem::http::header;
use poem::{Request, Response};
use serde::Deserialize;

use super::attempt::{Attempt, Browser, SECONDS};
use super::{CALLBACK, client, own, redirect, return_to};
use crate::auth::cookie::{Cookies, Name};
use crate::errors::{Denied, Input, Result};
use crate::state::Context;

#[derive(Deserialize)]
struct Query {
    return_to: Option<String>,
}

pub(super) async fn begin(request: &Request) -> Result<Response> {
    let Context { state, now, .. } = Context::of(request);
    let client = client(&state)?;
    let query: Query = request
        .params()
        .map_err(|_| Input::InvalidParameter("The query cannot be read.".to_owned()))?;
    let provider = state.verifier.provider().await?;
    let Some(mut to) = provider.authorization_endpoint.clone() else {
        return Err(Denied::NoSignIn("The identity provider signs nobody in by browser").into());
    };

    let base_url = &state.options.base_url;
    let cookies = Cookies::of(base_url);
    let known = cookies.find(request.headers(), Name::SignIn).and_then(Browser::parse);
    let browser = known.unwrap_or_else(|| Browser::new(rand::random()));
    let back = return_to::local(base_url, query.return_to.as_deref());
    let attempt = Attempt::new(browser.clone(), back, rand::random(), now);
    to.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &client.id)
        .append_pair("redirect_uri", &own(base_url, CALLBACK))
        .append_pair("scope", &client.scopes)
        .append_pair("state", &attempt.state())
        .append_pair("nonce", &attempt.nonce())
        .append_pair("code_challenge", &attempt.challenge())
        .append_pair("code_challenge_method", "S256");
    let mut response = redirect(to.as_str())?;
    let cookie = cookies.set(Name::SignIn, &browser.reveal(), Some(SECONDS));
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}
