//! What a request shows for itself: one bearer token, or one API key.

use poem::Request;
use poem::http::header;

use super::api_key;
use crate::errors::{Denied, Result};

/// An access token has a few hundred bytes up to a few thousand; whoever sends more wants us to work.
pub(crate) const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Not verified yet.
pub(super) enum Credentials<'a> {
    Token(&'a str),
    Key(&'a str),
}

impl<'a> Credentials<'a> {
    /// Errors when there are none, or more than one: which of two counts must not be a guess.
    pub(super) fn of(request: &'a Request) -> Result<Self> {
        let headers = request.headers();
        let mut shown = headers
            .get_all(header::AUTHORIZATION)
            .iter()
            .map(|value| (true, value))
            .chain(headers.get_all("x-api-key").iter().map(|value| (false, value)));
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
