//! Pages as answers, and refusals as pages.

use askama::Template;
use poem::error::ResponseError as _;
use poem::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use poem::{Request, Response};
use url::form_urlencoded;

use super::asset;
use crate::errors::{Denied, Error, Result};
use crate::login::LOGIN;

/// `no-referrer`, which everything else says, would make browsers send forms without their origin.
const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "same-origin"),
];

/// A form that ends a session leads on to the identity provider, and browsers hold `form-action` against that.
const LEAVES: &str = "default-src 'none'; style-src 'self'; font-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'";

pub(super) fn html(status: StatusCode, page: &impl Template) -> Result<Response> {
    let text = page.render().map_err(Error::internal)?;
    let response = Response::builder().status(status);
    let response =
        HEADERS.into_iter().fold(response, |response, (name, value)| response.header(name, value));
    Ok(response.body(text))
}

/// A page outside of the frame, whose forms may lead elsewhere.
pub(crate) fn bare(status: StatusCode, page: &impl Template) -> Result<Response> {
    let mut response = html(status, page)?;
    let policy = HeaderValue::from_static(LEAVES);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

/// 303: whatever the method was, the browser goes on with GET.
pub(super) fn redirect(to: &str) -> Result<Response> {
    let to = HeaderValue::try_from(to).map_err(Error::internal)?;
    Ok(Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, to).finish())
}

/// Why something was not done.
#[derive(Template)]
#[template(path = "error.html")]
struct Problem {
    assets: String,
    status: u16,
    heading: &'static str,
    message: String,
}

impl Problem {
    fn of(error: &Error, status: StatusCode) -> Self {
        let heading = match status.as_u16() {
            401 => "Sign in first",
            402 => "Your plan does not include this",
            403 => "You may not do this",
            404 => "There is nothing here",
            429 => "That was too much at once",
            503 => "Not now",
            500.. => "Something went wrong on our side",
            _ => "That did not work",
        };
        let message = error.message();
        Self { assets: asset::folder(), status: status.as_u16(), heading, message }
    }
}

/// The answer, or the page that says why there is none: people see it, not programs.
pub(crate) fn or_error(answer: Result<Response>) -> poem::Result<Response> {
    let error = match answer {
        Ok(answer) => return Ok(answer),
        Err(error) => error,
    };
    let told = error.as_response();
    let mut page = html(told.status(), &Problem::of(&error, told.status()))?;
    if let Some(after) = told.headers().get(header::RETRY_AFTER) {
        page.headers_mut().insert(header::RETRY_AFTER, after.clone());
    }
    Ok(page)
}

/// What an answer to nobody depends on.
pub(super) struct Asked {
    /// Where to come back to after signing in; `None`: the request is none that can be made again.
    return_to: Option<String>,
}

impl Asked {
    pub(super) fn of(request: &Request) -> Self {
        let is_page = request.method() == Method::GET && !super::live::is_part(request);
        let path = request.original_uri().path_and_query().filter(|_| is_page);
        Self { return_to: path.map(ToString::to_string) }
    }

    /// [`or_error`], but whoever is not signed in is sent to sign in.
    pub(super) fn or_error(self, answer: Result<Response>) -> poem::Result<Response> {
        match (answer, self.return_to) {
            (Err(Error::Denied(Denied::Unauthorized(_))), Some(path)) => {
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.append_pair("return_to", &path);
                Ok(redirect(&format!("{LOGIN}?{}", query.finish()))?)
            }
            (answer, _) => or_error(answer),
        }
    }
}
