//! poem's own refusals, read as entries of the table: no answer leaves in another shape.

use poem::error::{MethodNotAllowedError, NotFoundError, ReadBodyError};
use poem::http::StatusCode;
use poem_openapi::error::{ContentTypeError, ParseParamError, ParsePathError};

use super::{Denied, Error, Input, State};

/// What `error` is in the table; an [`Error`] of ours comes back as it is.
pub(crate) fn translate(error: poem::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(ours) => ours,
        Err(foreign) => known(&foreign).unwrap_or_else(|| by_status(&foreign)),
    }
}

fn known(error: &poem::Error) -> Option<Error> {
    if error.is::<NotFoundError>() {
        return Some(State::RouteNotFound.into());
    }
    if error.is::<MethodNotAllowedError>() {
        return Some(State::MethodNotAllowed.into());
    }
    if error.is::<ParsePathError>() {
        return Some(Denied::NotFound("thing").into());
    }
    if let Some(error) = error.downcast_ref::<ParseParamError>() {
        return Some(Input::InvalidParameter(error.to_string()).into());
    }
    if let Some(error) = error.downcast_ref::<ContentTypeError>() {
        return Some(Input::UnsupportedMediaType(error.to_string()).into());
    }
    if error.is::<ReadBodyError>() {
        return Some(Input::BodyInterrupted.into());
    }
    None
}

fn by_status(error: &poem::Error) -> Error {
    match error.status() {
        StatusCode::NOT_FOUND => State::RouteNotFound.into(),
        StatusCode::METHOD_NOT_ALLOWED => State::MethodNotAllowed.into(),
        status if status.is_client_error() => {
            Input::InvalidParameter("The request cannot be read.".to_owned()).into()
        }
        _ => Error::internal(error.to_string()),
    }
}
