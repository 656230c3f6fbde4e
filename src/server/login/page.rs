//! The few pages of signing in and out. Plain on purpose: they work without scripts.

use askama::Template;
use poem::Response;
use poem::http::{HeaderName, StatusCode, header};

use crate::auth::csrf;
use crate::errors::{Error, Result};

/// Who is signed in, and the button that ends it.
#[derive(Template)]
#[template(path = "leave.html")]
pub(super) struct Leave {
    pub(super) who: Option<String>,
    pub(super) csrf_token: String,
}

impl Leave {
    const FIELD: &str = csrf::FIELD;
}

/// Why something was not done.
#[derive(Template)]
#[template(path = "error.html")]
struct Problem {
    message: String,
}

/// `no-referrer`, which everything else says, would make browsers send forms without their origin.
const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "same-origin"),
];

pub(super) fn html(status: StatusCode, page: &impl Template) -> Result<Response> {
    let text = page.render().map_err(Error::internal)?;
    let response = Response::builder().status(status);
    let response =
        HEADERS.into_iter().fold(response, |response, (name, value)| response.header(name, value));
    Ok(response.body(text))
}

/// The answer, or the page that says why there is none: people see it, not programs.
pub(super) fn or_error(answer: Result<Response>) -> poem::Result<Response> {
    let error = match answer {
        Ok(answer) => return Ok(answer),
        Err(error) => error,
    };
    let told = poem::error::ResponseError::as_response(&error);
    let mut page = html(told.status(), &Problem { message: error.message() })?;
    if let Some(after) = told.headers().get(header::RETRY_AFTER) {
        page.headers_mut().insert(header::RETRY_AFTER, after.clone());
    }
    Ok(page)
}
