//! Signing in with a browser: authorization code with PKCE, a session on the server, and signing out again.
//!
//! | route | what |
//! |---|---|
//! | `GET /login?return_to=/path` | to the identity provider |
//! | `GET /login/callback` | back from it: a session begins |
//! | `GET /logout` | a page: who is signed in, and the button to end it |
//! | `POST /logout` | ends the session here and, where the issuer offers it, there |
//!
//! Invariants
//! - A session begins with a fresh id, whatever cookie the browser brought; the one that it had ends.
//! - Nothing of a sign-in under way is kept here: any process of the service may finish what another began.
//! - Nobody is ever sent to another host than the issuer's and this one.

mod attempt;
mod begin;
mod finish;
mod leave;
mod page;
mod return_to;

use poem::endpoint::make;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Request, Response, Route, get};
use url::Url;

use crate::auth::oidc::Client;
use crate::errors::{Denied, Result};
use crate::pages;
use crate::state::State;

/// Where a person signs in; `return_to` in the query is the path to come back to.
pub(crate) const LOGIN: &str = "/login";
const CALLBACK: &str = "/login/callback";
const LOGOUT: &str = "/logout";

/// Adds the routes of this module.
pub(crate) fn route(routes: Route) -> Route {
    let begin =
        make(|request: Request| async move { pages::or_error(begin::begin(&request).await) });
    let finish =
        make(|request: Request| async move { pages::or_error(finish::finish(&request).await) });
    let ask = make(|request: Request| async move { pages::or_error(leave::ask(&request).await) });
    let leave =
        make(|request: Request| async move { pages::or_error(leave::leave(&request).await) });
    routes.at(LOGIN, get(begin)).at(CALLBACK, get(finish)).at(LOGOUT, get(ask).post(leave))
}

fn client(state: &State) -> Result<&Client> {
    let client = state.options.sign_in.as_ref();
    client.ok_or_else(|| {
        Denied::NoSignIn("Browsers cannot sign in here: DRIFTWISE_OIDC_CLIENT_ID is not set").into()
    })
}

/// An address of this service, as the issuer must know it.
fn own(base_url: &Url, path: &str) -> String {
    format!("{}{path}", base_url.as_str().trim_end_matches('/'))
}

/// 303: whatever the method was, the browser goes on with GET.
fn redirect(to: &str) -> Result<Response> {
    let to = HeaderValue::try_from(to).map_err(crate::errors::Error::internal)?;
    Ok(Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, to).finish())
}
