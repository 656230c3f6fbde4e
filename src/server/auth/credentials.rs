//! What a request shows for itself: one bearer token, one API key, or the cookie of a session.

use poem::Request;
use poem::http::{HeaderMap, header};
use url::Url;

use super::cookie::{Cookies, Name};
use super::session::SessionId;
use super::{api_key, csrf};
use crate::errors::{Denied, Result};

/// An access token has a few hundred bytes up to a few thousand; whoever sends more wants us to work.
pub(crate) const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Not verified yet.
pub(super) enum Credentials<'a> {
    Token(&'a str),
    Key(&'a str),
    Session(SessionId),
}

const API_KEY: &str = "x-api-key";

/// Whether a request brings a credential that no browser adds by itself; beside it a cookie does not count.
pub(super) fn has_header(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION) || headers.contains_key(API_KEY)
}

/// Whether a credential is larger than any that is looked at.
pub(crate) fn is_oversized(headers: &HeaderMap) -> bool {
    let shown = headers.get_all(header::AUTHORIZATION).iter().chain(headers.get_all(API_KEY));
    shown.map(poem::http::HeaderValue::len).any(|bytes| bytes > TOKEN_BYTES_MAX)
}

impl<'a> Credentials<'a> {
    /// Errors when there are none, or more than one: which of two counts must not be a guess.
    pub(super) fn of(request: &'a Request, base_url: &Url) -> Result<Self> {
        if has_header(request.headers()) {
            Self::of_header(request)
        } else {
            Self::of_cookie(request, base_url)
        }
    }

    fn of_cookie(request: &Request, base_url: &Url) -> Result<Self> {
        let Some(text) = Cookies::of(base_url).find(request.headers(), Name::Session) else {
            return Err(Denied::Unauthorized("There are no credentials").into());
        };
        if !csrf::may_read(request) {
            let reason = "A session does not count on a request that another site has made";
            return Err(Denied::Unauthorized(reason).into());
        }
        let id = SessionId::parse(text).ok_or(Denied::Unauthorized("The cookie is no session"))?;
        Ok(Self::Session(id))
    }

    fn of_header(request: &'a Request) -> Result<Self> {
        let headers = request.headers();
        let mut shown = headers
            .get_all(header::AUTHORIZATION)
            .iter()
            .map(|value| (true, value))
            .chain(headers.get_all(API_KEY).iter().map(|value| (false, value)));
        let Some((is_authorization, value)) = shown.next() else {
            return Err(Denied::Unauthorized("There are no credentials").into());
        };
        if shown.next().is_some() {
            return Err(Denied::Unauthorized("There is more than one credential").into());
        }
        if value.len() > TOKEN_BYTES_MAX {
            return Err(Denied::Unauthorized("The credential is too long").into());
        }
        let text = value.to_str().map_err(|_| Denied::Unauthorized("The credential is no text"))?;
        if !is_authorization {
            return Ok(Self::Key(text));
        }
        let token =
            bearer(text).ok_or(Denied::Unauthorized("The credential is no bearer token"))?;
        if token.starts_with(api_key::PREFIX) {
            Ok(Self::Key(token))
        } else {
            Ok(Self::Token(token))
        }
    }
}

fn bearer(text: &str) -> Option<&str> {
    let (scheme, token) = text.split_once(' ')?;
    let token = token.trim_start_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
