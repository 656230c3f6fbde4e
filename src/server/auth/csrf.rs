//! Whether a request that changes something was made by our own page, and not by another site in the name of a
//! browser that is signed in here.
//!
//! Asked of every request that has no credential but the session's cookie, in one place: [`Guard`] lies around every
//! route, and [`super::Caller`] takes a session on such a request only with the [`Standing`] that it leaves. So no page and no
//! operation can forget it.
//!
//! Both must hold:
//! - what the browser says of where the request comes from: `Sec-Fetch-Site`, else `Origin`; without either it is refused;
//! - the token of the session, in the field `csrf_token` of a form or in the header `X-CSRF-Token`.
//!
//! For pages: `Referrer-Policy: no-referrer` makes browsers send `Origin: null`; a page with a form says `same-origin`.

use std::sync::Arc;
use std::time::Duration;

use poem::http::{HeaderMap, Method, header};
use poem::{Body, Endpoint, Middleware, Request};
use url::Url;

use super::cookie::{Cookies, Name};
use super::credentials::has_header;
use super::session::SessionId;
use crate::api::bounded;
use crate::state::State;

/// The field of a form.
pub(crate) const FIELD: &str = "csrf_token";
/// The header of a script.
const HEADER: &str = "x-csrf-token";

/// Forms are small; files are handed in by other means.
const FORM_BYTES_MAX: usize = 64 * 1024;
const ARRIVES_WITHIN: Duration = Duration::from_secs(15);

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Proven,
    Refused(&'static str),
}

impl Standing {
    /// Of a request whose credential is a session.
    pub(super) fn of(request: &Request) -> Self {
        if is_safe(request.method()) {
            return Self::Proven;
        }
        let found = request.extensions().get::<Self>().copied();
        found.unwrap_or(Self::Refused("The request did not pass the check of where it comes from"))
    }
}

/// Asks before anything else looks at the request.
pub(crate) struct Guard(pub(crate) Arc<State>);

/// An endpoint behind the guard.
pub(crate) struct Guarded<E> {
    state: Arc<State>,
    inner: E,
}

impl<E: Endpoint> Middleware<E> for Guard {
    type Output = Guarded<E>;

    fn transform(&self, inner: E) -> Self::Output {
        Guarded { state: Arc::clone(&self.0), inner }
    }
}

impl<E: Endpoint> Endpoint for Guarded<E> {
    type Output = E::Output;

    async fn call(&self, mut request: Request) -> poem::Result<Self::Output> {
        if !is_safe(request.method()) && !has_header(request.headers()) {
            let base_url = &self.state.options.base_url;
            let cookie = Cookies::of(base_url).find(request.headers(), Name::Session);
            if let Some(id) = cookie.and_then(SessionId::parse) {
                let standing = match check(&mut request, base_url, &id).await {
                    Ok(()) => Standing::Proven,
                    Err(reason) => Standing::Refused(reason),
                };
                request.extensions_mut().insert(standing);
            }
        }
        self.inner.call(request).await
    }
}

/// Lets a form count whose token stands among other fields of a body that is too large to be read before: `token` is the first of
/// them. Errors, as the guard does, when the form is not of a page of this session.
pub(crate) fn prove(
    request: &mut Request,
    base_url: &Url,
    token: &str,
) -> crate::errors::Result<()> {
    let cookie = Cookies::of(base_url).find(request.headers(), Name::Session);
    let id = cookie.and_then(SessionId::parse);
    let proven = is_from_here(request.headers(), base_url).and_then(|()| {
        let is_own = id.is_some_and(|id| id.has_csrf_token(token));
        is_own.then_some(()).ok_or(OF_ANOTHER)
    });
    proven.map_err(crate::errors::Denied::Forged)?;
    request.extensions_mut().insert(Standing::Proven);
    Ok(())
}

async fn check(request: &mut Request, base_url: &Url, id: &SessionId) -> Result<(), &'static str> {
    is_from_here(request.headers(), base_url)?;
    let token = match request.headers().get(HEADER) {
        Some(token) => token.to_str().unwrap_or_default().to_owned(),
        None => token_of_form(request).await?,
    };
    if id.has_csrf_token(&token) { Ok(()) } else { Err(OF_ANOTHER) }
}

const OF_ANOTHER: &str =
    "The form is of another session; load the page again and send it once more";

/// Methods that change nothing (RFC 9110).
pub(super) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

fn is_from_here(headers: &HeaderMap, base_url: &Url) -> Result<(), &'static str> {
    const ELSEWHERE: &str = "The request comes from another site";
    let one = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let first = values.next().map(|value| value.to_str().unwrap_or("?"));
        if values.next().is_some() { Some("?") } else { first }
    };
    let origin = one(header::ORIGIN.as_str());
    let own = base_url.origin().ascii_serialization();
    match (one("sec-fetch-site"), origin) {
        // A page that keeps its address to itself still says that it is ours.
        (Some("same-origin"), None | Some("null")) => Ok(()),
        (Some("same-origin") | None, Some(origin)) if origin == own => Ok(()),
        (None, None) => Err("The browser does not say where the request comes from"),
        _ => Err(ELSEWHERE),
    }
}

/// The token in the body of a form; the body is put back for whoever reads it next.
async fn token_of_form(request: &mut Request) -> Result<String, &'static str> {
    const NO_TOKEN: &str = "The request has no token of its session; send it as csrf_token in the form or as X-CSRF-Token";
    let essence = request.content_type().unwrap_or_default().split(';').next().unwrap_or_default();
    if !essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(NO_TOKEN);
    }
    let body = bounded(request.take_body(), FORM_BYTES_MAX, ARRIVES_WITHIN).await;
    let bytes = body.map_err(|_| "The form is too large or did not arrive whole")?;
    let mut tokens = url::form_urlencoded::parse(&bytes).filter(|(name, _)| name == FIELD);
    let token = tokens.next().map(|(_, token)| token.into_owned());
    let is_one = tokens.next().is_none();
    drop(tokens);
    request.set_body(Body::from(bytes));
    token.filter(|_| is_one).ok_or(NO_TOKEN)
}

/// Whether a request that changes nothing may still count the cookie: an operation of the API is no address for other
/// sites to link to, and what it leaves in an audit log must be its caller's doing.
pub(super) fn may_read(request: &Request) -> bool {
    let is_api = request.original_uri().path().starts_with("/api/");
    let site = request.headers().get("sec-fetch-site").and_then(|site| site.to_str().ok());
    !is_safe(request.method()) || !is_api || matches!(site, None | Some("same-origin" | "none"))
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;

    fn verdict(site: Option<&'static str>, origin: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(site) = site {
            headers.insert("sec-fetch-site", HeaderValue::from_static(site));
        }
        for origin in origin {
            headers.append(header::ORIGIN, HeaderValue::from_static(origin));
        }
        is_from_here(&headers, &Url::parse("https://packs.example/").unwrap()).is_ok()
    }

    #[test]
    fn a_change_comes_from_our_own_pages_or_not_at_all() {
        assert!(verdict(Some("same-origin"), &["https://packs.example"]));
        assert!(verdict(Some("same-origin"), &["null"]));
        assert!(verdict(Some("same-origin"), &[]));
        assert!(verdict(None, &["https://packs.example"]));
        for (site, origin) in [
            (None, &[][..]),
            (None, &["null"]),
            (None, &["http://packs.example"]),
            (None, &["https://packs.example:8443"]),
            (None, &["https://packs.example.evil.example"]),
            (None, &["https://packs.example", "https://evil.example"]),
            (Some("cross-site"), &["https://packs.example"]),
            (Some("same-site"), &["https://packs.example"]),
            (Some("none"), &[]),
            (Some("same-origin"), &["https://evil.example"]),
        ] {
            assert!(!verdict(site, origin), "{site:?} {origin:?}");
        }
    }
}
