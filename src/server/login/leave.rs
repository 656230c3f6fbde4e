//! `/logout`: the page that asks, and the end of a session, here and at the identity provider.

use poem::http::{StatusCode, header};
use poem::{Request, Response};

use super::page::Leave;
use super::{LOGOUT, own, redirect};
use crate::auth::SignedIn;
use crate::auth::cookie::{Cookies, Name};
use crate::errors::Result;
use crate::pages;
use crate::state::{Context, State};

pub(super) async fn ask(request: &Request) -> Result<Response> {
    let context = Context::of(request);
    let person = SignedIn::find(request).await?;
    let leave = match &person {
        None => Leave { assets: pages::folder(), who: None, csrf_token: String::new() },
        Some(person) => {
            let mut conn = context.state.pool.acquire().await?;
            let name = db::users::find_name(&mut conn, person.user.id).await?;
            let who = name.or_else(|| person.user.email.clone());
            let who = who.unwrap_or_else(|| person.user.sub.clone());
            Leave { assets: pages::folder(), who: Some(who), csrf_token: person.csrf_token() }
        }
    };
    pages::bare(StatusCode::OK, &leave)
}

/// Whoever is not signed in has nothing to end. Cookies are taken away only from a browser that has brought one: on a
/// form of another site it leaves them out, and the answer to that must not sign anybody out either.
pub(super) async fn leave(request: &Request) -> Result<Response> {
    let Context { state, .. } = Context::of(request);
    let cookies = Cookies::of(&state.options.base_url);
    let mut to = own(&state.options.base_url, LOGOUT);
    if let Some(person) = SignedIn::find(request).await? {
        let mut conn = state.pool.acquire().await?;
        db::sessions::end(&mut conn, person.session().hash()).await?;
        let id_token = cookies.find(request.headers(), Name::IdToken);
        if let Some(there) = end_there(&state, id_token).await {
            to = there;
        }
    }
    let mut response = redirect(&to)?;
    if cookies.find(request.headers(), Name::Session).is_none() {
        return Ok(response);
    }
    for name in [Name::Session, Name::SignIn, Name::IdToken] {
        response.headers_mut().append(header::SET_COOKIE, cookies.clear(name));
    }
    Ok(response)
}

/// Where the issuer ends its own session (OIDC RP-Initiated Logout 1.0); `None`: it does not offer it, or is away, which
/// must not keep anybody from signing out here.
async fn end_there(state: &State, id_token: Option<&str>) -> Option<String> {
    let client = state.options.sign_in.as_ref()?;
    let provider = state.verifier.provider().await.ok()?;
    let mut to = provider.end_session_endpoint.clone()?;
    {
        let mut query = to.query_pairs_mut();
        if let Some(id_token) = id_token {
            query.append_pair("id_token_hint", id_token);
        }
        query
            .append_pair("client_id", &client.id)
            .append_pair("post_logout_redirect_uri", &own(&state.options.base_url, LOGOUT));
    }
    Some(to.into())
}
